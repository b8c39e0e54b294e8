"""A company login is linked to somebody in Slack: by a code, for good, with all that it owned."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from core.errors import Conflict, InvalidInput, NotFound, QuotaExceeded, ScopeMissing
from core.model import Caller, Role, Scope, Status
from core.service import Logins
from core.store import Store
from core.store.database import Database
from core.store.tables import link_codes
from tests.company import Company, settings
from tests.houses import FakeHouse, fake_house


def logins(home: FakeHouse) -> Logins:
    return home.house.services.logins


async def linked(home: FakeHouse, company: Company, user: str = "UANN", subject: str = "ann") -> tuple[Caller, Caller]:
    """The login as it was, and the person in Slack that it is linked to now."""
    before = await logins(home).caller(company.login(subject), "terminal")
    person = await home.member(user)
    assert before is not None
    code, _ = await logins(home).code(person)
    await logins(home).link(before, code)
    return before, person


async def test_a_code_makes_the_login_the_person_in_slack(company_home: FakeHouse, company: Company) -> None:
    _, person = await linked(company_home, company)
    found = await logins(company_home).caller(company.login("ann", name="Another Name"), "mcp")
    assert found == person.model_copy(update={"via": "mcp"})
    assert await company_home.member("UANN") == person, "the name is the one in Slack"
    assert await logins(company_home).caller(company.login("bob"), "mcp") != found


async def test_what_the_login_owned_is_handed_over(company_home: FakeHouse, company: Company) -> None:
    services = company_home.house.services
    ann = await logins(company_home).caller(company.login("ann", name="Ann"), "mcp")
    bob = await logins(company_home).caller(company.login("bob"), "mcp")
    assert ann is not None
    assert bob is not None
    gone = await company_home.started(ann, name="gone")
    await company_home.pods.terminate(ann, gone.id)
    await company_home.after(gone)
    kept = await company_home.started(ann, name="kept")
    bobs = await company_home.started(bob, name="bobs")
    await services.volumes.create(ann, "data")
    await services.templates.save(ann, {"name": "mine", "image": "app:1", "description": "Mine"})
    token, secret = await services.tokens.make(ann, "laptop")
    await services.confirmations.ask(ann, "terminate", kept.id, "Terminate kept?")
    person = await company_home.member("UANN")
    code, until = await logins(company_home).code(person)
    assert until == company_home.clock() + timedelta(minutes=10)
    done = await logins(company_home).link(ann, code)
    assert (done.name, done.pods, done.volumes, done.tokens) == ("uann", 1, 1, 1)
    assert done.said == (
        "This company login acts as uann from now on. "
        "Handed over to them: 1 pod, 1 network volume, 1 template, 1 token."
    )
    owners = {
        pod.name: pod.owner
        for pod in await company_home.pods.list(await company_home.local(), everyone=True, ended=True)
    }
    assert owners == {"gone": person.person, "kept": person.person, "bobs": bobs.owner}
    assert [volume.owner for volume in await services.volumes.list(person)] == [person.person]
    saved = (await services.templates.of(person)).get("mine").saved
    assert saved is not None
    assert saved.owner == person.person
    found = await services.tokens.caller(secret, "mcp")
    assert found is not None
    assert (found[0].id, found[1].person) == (token.id, person.person)
    assert await services.confirmations.waiting(person) == ()
    await company_home.pods.stop(person, "kept")
    assert (await company_home.after(kept)).status is Status.EXITED


async def test_each_pod_that_changes_hands_says_so(company_home: FakeHouse, company: Company) -> None:
    ann = await logins(company_home).caller(company.login("ann", name="Ann"), "mcp")
    assert ann is not None
    pod = await company_home.started(ann)
    await linked(company_home, company)
    store = await Store.open(
        company_home.house.settings.database, company_home.house.settings.data_dir / "registry.key"
    )
    last = (await store.events(0, pod_id=pod.id))[-1]
    await store.close()
    assert (last.kind, last.actor, last.status, last.data["by"]) == ("pod.handed_over", ann.person, pod.status, "Ann")


async def test_who_the_login_was_can_own_nothing_any_more(company_home: FakeHouse, company: Company) -> None:
    before, _ = await linked(company_home, company)
    with pytest.raises(NotFound, match="nothing was started"):
        await company_home.started(before)


@pytest.mark.parametrize("typed", [str.lower, lambda code: f" {code} ", lambda code: code.replace("-", "")])
async def test_a_code_may_be_typed_as_people_type(
    company_home: FakeHouse, company: Company, typed: Callable[[str], str]
) -> None:
    ann = await logins(company_home).caller(company.login(), "mcp")
    assert ann is not None
    code, _ = await logins(company_home).code(await company_home.member("UANN"))
    assert re.fullmatch("[2-9A-HJKMNP-Z]{4}-[2-9A-HJKMNP-Z]{4}", code)
    assert (await logins(company_home).link(ann, typed(code))).name == "uann"


async def test_a_code_is_good_once_for_ten_minutes_and_until_the_next(
    company_home: FakeHouse, company: Company
) -> None:
    ann, bob = [await logins(company_home).caller(company.login(who), "mcp") for who in ("ann", "bob")]
    assert ann is not None
    assert bob is not None
    person = await company_home.member("UANN")
    former, _ = await logins(company_home).code(person)
    late, _ = await logins(company_home).code(person)
    others, _ = await logins(company_home).code(await company_home.member("UEVE"))
    with pytest.raises(InvalidInput, match="That code is not good") as refused:
        await logins(company_home).link(ann, former)
    assert former not in str(refused.value)
    company_home.clock.forward(minutes=10)
    for code in (late, others):
        with pytest.raises(InvalidInput, match="older than 10 minutes"):
            await logins(company_home).link(ann, code)
    good, _ = await logins(company_home).code(person)
    company_home.clock.forward(minutes=9, seconds=59)
    await logins(company_home).link(ann, good)
    with pytest.raises(InvalidInput, match="has been used"):
        await logins(company_home).link(bob, good)
    stays = await logins(company_home).caller(company.login("bob"), "mcp")
    assert stays == bob


async def test_a_code_used_by_two_at_once_links_one(company_home: FakeHouse, company: Company) -> None:
    two = [await logins(company_home).caller(company.login(who), "mcp") for who in ("ann", "bob")]
    code, _ = await logins(company_home).code(await company_home.member("UANN"))
    done = await asyncio.gather(*(logins(company_home).link(one, code) for one in two if one), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["InvalidInput", "Linked"]


async def test_a_login_that_tries_two_codes_at_once_is_linked_to_one(company_home: FakeHouse, company: Company) -> None:
    ann = await logins(company_home).caller(company.login(), "mcp")
    assert ann is not None
    codes = [(await logins(company_home).code(await company_home.member(user)))[0] for user in ("UANN", "UEVE")]
    done = await asyncio.gather(*(logins(company_home).link(ann, code) for code in codes), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Conflict", "Linked"]
    bob = await logins(company_home).caller(company.login("bob"), "mcp")
    left = codes[[isinstance(one, Conflict) for one in done].index(True)]
    assert bob is not None
    assert await logins(company_home).link(bob, left), "a code that linked nothing is not used up"


@pytest.mark.parametrize(
    "wrong", ["", "K7QM", "K7QM-3XTP-", "0000-0000", "K7QM-3XT\ud800", "K" * 10_000, "%", "ＫＫＫＫ－ＫＫＫＫ"]
)
async def test_what_cannot_be_a_code_is_refused_in_words(company_home: FakeHouse, company: Company, wrong: str) -> None:
    ann = await logins(company_home).caller(company.login(), "mcp")
    assert ann is not None
    with pytest.raises(InvalidInput, match="That code is not good"):
        await logins(company_home).link(ann, wrong)


async def test_after_ten_wrong_codes_none_is_looked_at_for_an_hour(company_home: FakeHouse, company: Company) -> None:
    ann, bob = [await logins(company_home).caller(company.login(who), "mcp") for who in ("ann", "bob")]
    assert ann is not None
    assert bob is not None
    tried = await asyncio.gather(
        *(logins(company_home).link(ann, "AAAA-AAAA") for _ in range(30)), return_exceptions=True
    )
    assert [type(one) for one in tried].count(InvalidInput) == 10
    assert [type(one) for one in tried].count(QuotaExceeded) == 20
    code, _ = await logins(company_home).code(await company_home.member("UANN"))
    with pytest.raises(QuotaExceeded, match="10 codes of this login were wrong within an hour"):
        await logins(company_home).link(ann, code)
    with pytest.raises(InvalidInput):
        await logins(company_home).link(bob, "AAAA-AAAA")
    company_home.clock.forward(hours=1)
    code, _ = await logins(company_home).code(await company_home.member("UANN"))
    assert (await logins(company_home).link(ann, code)).name == "uann"


async def test_a_login_that_is_linked_stays_so(company_home: FakeHouse, company: Company) -> None:
    await linked(company_home, company)
    now = await logins(company_home).caller(company.login(), "mcp")
    assert now is not None
    code, _ = await logins(company_home).code(await company_home.member("UEVE"))
    with pytest.raises(Conflict, match="is linked to uann already"):
        await logins(company_home).link(now, code)
    _, second = await linked(company_home, company, "UANN", "ann-at-home")
    assert second.person == now.person, "one person may have two logins"


async def test_only_a_login_can_be_linked_and_only_to_somebody_in_slack(
    company_home: FakeHouse, company: Company
) -> None:
    code, _ = await logins(company_home).code(await company_home.member("UANN"))
    for caller in (await company_home.local(), await company_home.member("UEVE")):
        with pytest.raises(InvalidInput, match="Only a company login can be linked"):
            await logins(company_home).link(caller, code)
    ann = await logins(company_home).caller(company.login(), "mcp")
    assert ann is not None
    for caller in (await company_home.local(), ann):
        with pytest.raises(InvalidInput, match="/pod link"):
            await logins(company_home).code(caller)
    reader = ann.model_copy(update={"scope": Scope.READ})
    for refused in (logins(company_home).link(reader, code), logins(company_home).code(reader)):
        with pytest.raises(ScopeMissing):
            await refused


async def test_a_linked_login_has_the_rights_of_the_person_of_now(company: Company, tmp_path: Path) -> None:
    given = settings(company.write(tmp_path / "keys"))
    async with fake_house(tmp_path / "data", **given) as home:
        await linked(home, company)
    for role, more in (
        (Role.ADMIN, {"admins": frozenset({"UANN"})}),
        (Role.MEMBER, {"admins": frozenset({"ann"})}),
        (Role.MEMBER, {"allowed_users": frozenset({"UANN"})}),
        (None, {"allowed_users": frozenset({"ann"})}),
    ):
        async with fake_house(tmp_path / "data", **given, **more) as home:
            found = await logins(home).caller(company.login(), "mcp")
            assert (found.role if found is not None else None) is role


async def test_the_database_holds_no_code_and_nothing_to_try_one_against(company_home: FakeHouse) -> None:
    code, _ = await logins(company_home).code(await company_home.member("UANN"))
    database = Database(company_home.house.settings.database)
    async with database.read() as conn:
        [row] = (await conn.execute(select(link_codes))).all()
    await database.close()
    plain = {code, code.replace("-", "")}
    assert not {hashlib.new(name, one.encode()).hexdigest()[:40] for name in ("sha256", "sha1") for one in plain} & {
        row.digest[:40]
    }
    assert code not in str(row)
