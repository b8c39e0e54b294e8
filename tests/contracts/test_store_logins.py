"""What every room expects of company logins in the store, on each database it knows."""

import asyncio
from datetime import timedelta

import pytest

from core.errors import Conflict
from core.model import Confirmation, Draft, Role, Status, Token
from core.store import Store
from core.store.store import Person
from core.store.tables import metadata, people
from tests.stores import DRAFT, NOW, a_pod, a_template, a_volume, spec

LATER = NOW + timedelta(minutes=5)
LOGIN = "https://login.example.com/|ann"
HANDED = Draft(kind="pod.handed_over", actor="x", via="terminal", data={"by": "Login"})


@pytest.fixture
async def login(store: Store) -> Person:
    """Somebody who is known by a company login only."""
    person, _ = await store.meet_login("default", LOGIN, "Login", NOW)
    return person


async def test_a_login_is_one_person_whose_name_is_kept_up_to_date(store: Store) -> None:
    assert await store.login("default", LOGIN) is None
    met = await asyncio.gather(*(store.meet_login("default", LOGIN, "Ann", NOW) for _ in range(20)))
    [(person, slack)] = set(met)
    assert (person.name, person.role, slack) == ("Ann", Role.MEMBER, None)
    assert await store.login("default", LOGIN) == (person, None)
    renamed = person.model_copy(update={"name": "Ann Other"})
    assert await store.meet_login("default", LOGIN, "Ann Other", LATER) == (renamed, None)
    assert await store.login("default", LOGIN) == (renamed, None)
    assert await store.identity(person.id, "login") == LOGIN
    assert await store.login("elsewhere", LOGIN) is None
    assert (await store.meet_login("default", f"{LOGIN}a", "Ann", NOW))[0].id != person.id


async def test_a_linked_login_is_the_other_person_and_keeps_their_name(
    store: Store, ann: Person, login: Person
) -> None:
    await store.put_link_code(ann.id, "digest", NOW, LATER)
    none = {"pods": 0, "volumes": 0, "templates": 0, "tokens": 0}
    assert await store.link_login(login.id, "digest", HANDED, NOW) == (ann, none)
    assert await store.login("default", LOGIN) == (ann, "T1:UANN")
    assert await store.meet_login("default", LOGIN, "Login", LATER) == (ann, "T1:UANN")
    assert login.id not in await store.names()
    assert await store.identity(ann.id, "login") == LOGIN


async def test_all_that_the_login_owned_is_handed_over_with_an_event_for_each_live_pod(
    store: Store, ann: Person, login: Person
) -> None:
    await store.add_volume(a_volume(ann, "anns", "vol0"))
    await store.add_volume(a_volume(login))
    for owner in (ann, login):
        await store.add_template(a_template(owner, owner.id, owner.id))
    for number, owner in enumerate((ann, login, login, login), start=1):
        await store.add_pod(a_pod(owner, number, spec=spec()), DRAFT, stem=None, limit=5)
    ended = a_pod(login, 4).id
    assert await store.move(ended, 1, {Status.PROVISIONING}, Status.TERMINATED, NOW, DRAFT)
    for number in range(2):
        token = Token(id=f"t{number}", person=login.id, name="x", created_at=NOW, expires_at=LATER)
        await store.add_token(token, f"d{number}", 20)
    question = Confirmation(
        code="AAAA-AAAA", person=login.id, workspace="default", action="terminate", subject="p", text="?",
        asked_by="x", asked_at=NOW, expires_at=LATER,
    )  # fmt: skip
    await store.ask(question, DRAFT)
    before = await store.last_event()
    await store.put_link_code(ann.id, "digest", NOW, LATER)
    assert await store.link_login(login.id, "digest", HANDED, NOW) == (
        ann,
        {"pods": 2, "volumes": 1, "templates": 1, "tokens": 2},
    )
    assert {pod.owner for pod in await store.pods()} == {ann.id}
    assert {volume.owner for volume in await store.volumes("default")} == {ann.id}
    assert {saved.owner for saved in await store.saved_templates("default")} == {ann.id}
    assert {token.person for token in await store.tokens()} == {ann.id}
    assert await store.confirmations(login.id, NOW) == await store.confirmations(ann.id, NOW) == ()
    told = await store.events(before)
    assert [event.pod_id for event in told] == [a_pod(login, 2).id, a_pod(login, 3).id]
    assert {(event.kind, event.status, event.data["by"]) for event in told} == {
        ("pod.handed_over", Status.PROVISIONING, "Login")
    }


def test_whatever_belongs_to_a_person_is_thought_of_when_a_login_is_linked() -> None:
    theirs = {str(column) for table in metadata.tables.values() for column in table.c if column.references(people.c.id)}
    assert theirs == {
        *("pods.owner", "volumes.owner", "templates.owner", "tokens.person"),  # handed over
        "identities.person",  # moved
        "confirmations.person",  # dropped
        "link_codes.person",  # only somebody in Slack has one
    }


async def test_a_code_is_good_until_it_is_used_or_expires_or_another_takes_its_place(
    store: Store, ann: Person, login: Person
) -> None:
    bob = await store.person("default", "slack", "T1:UBOB", "Bob", Role.MEMBER, NOW)
    await store.put_link_code(ann.id, "first", NOW, LATER)
    await store.put_link_code(ann.id, "second", NOW, LATER)
    await store.put_link_code(bob.id, "bobs", NOW, LATER + timedelta(minutes=1))
    for digest, at in (("first", NOW), ("never", NOW), ("second", LATER)):
        assert await store.link_login(login.id, digest, HANDED, at) is None
    assert await store.login("default", LOGIN) == (login, None)
    found = await store.link_login(login.id, "bobs", HANDED, LATER)
    assert found is not None
    assert found[0] == bob
    other, _ = await store.meet_login("default", "https://login.example.com/|other", "Other", LATER)
    assert await store.link_login(other.id, "bobs", HANDED, LATER) is None


async def test_one_code_used_by_many_at_once_links_one(store: Store, ann: Person) -> None:
    met = [await store.meet_login("default", f"{LOGIN}{n}", "x", NOW) for n in range(5)]
    await store.put_link_code(ann.id, "digest", NOW, LATER)
    done = await asyncio.gather(*(store.link_login(person.id, "digest", HANDED, NOW) for person, _ in met))
    assert len([one for one in done if one is not None]) == 1


async def test_who_is_known_otherwise_is_not_linked_and_the_code_stays_good(
    store: Store, ann: Person, login: Person
) -> None:
    bob = await store.person("default", "slack", "T1:UBOB", "Bob", Role.MEMBER, NOW)
    await store.put_link_code(ann.id, "digest", NOW, LATER)
    for person in (bob.id, ann.id, "nobody"):
        with pytest.raises(Conflict, match="nothing was changed"):
            await store.link_login(person, "digest", HANDED, NOW)
    assert await store.link_login(login.id, "digest", HANDED, NOW) is not None
