"""Company logins: what of a JWT is checked, and whom it stands for."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidInput
from core.model import Role
from core.service import Logins
from tests.company import AUDIENCE, ISSUER, OTHER_RSA, Company, Key, settings
from tests.houses import FakeHouse, fake_house


def logins(home: FakeHouse) -> Logins:
    return home.house.services.logins


async def test_a_login_is_a_member_who_is_the_same_each_time(company_home: FakeHouse, company: Company) -> None:
    ann = await logins(company_home).caller(company.login("ann", name="  Ann\u202e \n Smith  "), "mcp")
    assert ann is not None
    assert (ann.name, ann.role, ann.via) == ("Ann Smith", Role.MEMBER, "mcp")
    again = await logins(company_home).caller(company.login("ann", name="Ann Jones"), "terminal")
    assert again == ann.model_copy(update={"name": "Ann Jones", "via": "terminal"})
    nameless = await logins(company_home).caller(company.login("ann"), "mcp")
    assert nameless == ann.model_copy(update={"name": "Ann Jones"}), "no name is no new name"
    bob = await logins(company_home).caller(company.login("bob"), "mcp")
    assert bob is not None
    assert (bob.name, bob.person == ann.person) == ("bob", False)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "", "email": "ann@example.com"}, "ann@example.com"),
        ({"name": 7, "email": ["x"]}, "ann"),
        ({"name": "\x00\x1b"}, "ann"),
        ({"name": "x" * 5000}, "x" * 60),
    ],
)
async def test_a_name_is_made_of_what_there_is(
    company_home: FakeHouse, company: Company, claims: dict[str, Any], name: str
) -> None:
    ann = await logins(company_home).caller(company.login("ann", **claims), "mcp")
    assert ann is not None
    assert ann.name == name


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"])
@pytest.mark.parametrize("named", [True, False])
async def test_every_algorithm_of_public_keys_is_known(
    company: Company, tmp_path: Path, algorithm: str, named: bool
) -> None:
    key = Key("k", algorithm)
    company.tell(key)
    if not named:
        del company.jwks["keys"][0]["alg"]
    async with fake_house(tmp_path / "data", **settings(company.write(tmp_path / "keys"))) as home:
        assert await logins(home).caller(company.login(key=key), "mcp") is not None


WRONG: dict[str, Callable[[Company], str]] = {
    "another's signature": lambda c: c.login(key=Key("k1", private=OTHER_RSA)),
    "a cut signature": lambda c: c.login()[:-6],
    "a changed payload": lambda c: ".".join(
        (c.login().split(".")[0], c.login("bob").split(".")[1], c.login().split(".")[2])
    ),
    "an algorithm that its key is not for": lambda c: c.login(key=Key("k1", "RS512")),
    "another issuer": lambda c: c.login(iss="https://evil.example.com/"),
    "an issuer with a slash less": lambda c: c.login(iss=ISSUER.rstrip("/")),
    "no issuer": lambda c: c.login(iss=None),
    "another audience": lambda c: c.login(aud="other"),
    "a part of the audience": lambda c: c.login(aud=AUDIENCE[:-1]),
    "other audiences": lambda c: c.login(aud=["other", "another"]),
    "no audience": lambda c: c.login(aud=None),
    "no end": lambda c: c.login(exp=None),
    "an end that is no time": lambda c: c.login(exp="tomorrow"),
    "an end that is true": lambda c: c.login(exp=True),
    "an end in the far future": lambda c: c.login(exp=1 << 62),
    "an end that is no number": lambda c: c.login(exp=float("nan")),
    "an end that is infinite": lambda c: c.login(exp=float("inf")),
    "an end that is over": lambda c: c.login(exp=c.clock()),
    "a beginning to come": lambda c: c.login(nbf=c.clock() + timedelta(seconds=31)),
    "made in the future": lambda c: c.login(iat=c.clock() + timedelta(seconds=31)),
    "a beginning that is no time": lambda c: c.login(nbf=[1]),
    "no subject": lambda c: c.login(None),
    "an empty subject": lambda c: c.login(""),
    "a blank subject": lambda c: c.login(" "),
    "a subject that ends in a space": lambda c: c.login("ann "),
    "a subject that is too long": lambda c: c.login("a" * 256),
    "a subject that cannot be seen": lambda c: c.login("ann\u202e"),
    "a subject with a NUL": lambda c: c.login("ann\x00"),
    "half a character": lambda c: c.login("ann\ud800"),
    "no key named": lambda c: c.login(key=Key("", private=c.key.private)),
    "a key that nobody knows": lambda c: c.login(key=Key("k9", private=c.key.private)),
    "a huge token": lambda c: c.login(groups=["g" * 20_000]),
    "no signature": lambda c: c.raw({"alg": "none", "kid": "k1"}, None),
    "no signature in capitals": lambda c: c.raw({"alg": "NONE", "kid": "k1"}, None),
    "the public key as a secret": lambda c: c.raw({"alg": "HS256", "kid": "k1"}, c.key.pem),
    "the public JWK as a secret": lambda c: c.raw({"alg": "HS256", "kid": "k1"}, json.dumps(c.key.jwk).encode()),
    "HMAC under a good name": lambda c: c.raw({"alg": "RS256", "kid": "k1"}, c.key.pem),
    "a key of its own": lambda c: c.raw({"alg": "RS256", "kid": "k9", "jwk": c.key.jwk}, None),
    "an algorithm that is a list": lambda c: c.raw({"alg": ["RS256"], "kid": "k1"}, None),
    "a key id that is a list": lambda c: c.raw({"alg": "RS256", "kid": ["k1"]}, None),
    "deep nesting": lambda c: c.raw({"alg": "RS256", "kid": "k1"}, None, b"[" * 10_000),
    "nothing": lambda c: "",
    "two dots": lambda c: "..",
    "words": lambda c: "a.b.c",
    "not ASCII": lambda c: "ä.ö.ü",
    "half a pair": lambda c: "\ud800.x.y",
    "four parts": lambda c: f"{c.login()}.x",
    "a line break": lambda c: f"{c.login()}\n",
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_no_login_of_now_opens_nothing(
    company_home: FakeHouse, company: Company, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert await logins(company_home).caller(company.login(), "mcp") is not None
    wrong = WRONG[what](company)
    assert await logins(company_home).caller(wrong, "mcp") is None
    assert not [part for part in wrong.split(".") if len(part) > 9 and part in caplog.text]


@pytest.mark.parametrize("year", [1999, 2026, 2999])
async def test_a_login_begins_and_ends_by_the_clock_of_the_house(
    company_home: FakeHouse, company: Company, year: int
) -> None:
    start = company_home.clock.time = datetime(year, 1, 1, tzinfo=UTC)
    login = company.login(nbf=start + timedelta(seconds=31), iat=start + timedelta(seconds=31))
    assert await logins(company_home).caller(login, "mcp") is None
    company_home.clock.forward(seconds=1)
    assert await logins(company_home).caller(login, "mcp") is not None
    company_home.clock.forward(minutes=59, seconds=58)
    assert await logins(company_home).caller(login, "mcp") is not None
    company_home.clock.forward(seconds=1)
    assert await logins(company_home).caller(login, "mcp") is None


@pytest.mark.parametrize("audience", [[AUDIENCE], ["other", AUDIENCE]])
async def test_a_login_may_be_for_others_as_well(
    company_home: FakeHouse, company: Company, audience: list[str]
) -> None:
    assert await logins(company_home).caller(company.login(aud=audience), "mcp") is not None


async def test_another_claim_may_say_who_it_is(company: Company, tmp_path: Path) -> None:
    given = settings(company.write(tmp_path / "keys"))
    async with fake_house(tmp_path / "data", login_claim="employee", **given) as home:
        for claims in ({}, {"employee": 7}, {"employee": None}, {"employee": ["e7"]}):
            assert await logins(home).caller(company.login(**claims), "mcp") is None
        found = await logins(home).caller(company.login("whoever", employee="e7"), "mcp")
        assert found is not None
        assert found.name == "e7"
        again = await logins(home).caller(company.login("another", employee="e7"), "mcp")
        assert again == found


async def test_without_the_settings_no_login_opens_anything(home: FakeHouse, company: Company) -> None:
    assert await logins(home).caller(company.login(), "mcp") is None
    with pytest.raises(InvalidInput, match="PODKEEPER_LOGIN_ISSUER"):
        await logins(home).code(await home.member("UANN"))


async def test_who_is_linked_to_nobody_must_be_allowed_by_their_own_name(company: Company, tmp_path: Path) -> None:
    given = settings(company.write(tmp_path / "keys"))
    only = {"allowed_users": frozenset({"bob", "UANN"}), "admins": frozenset({"ann", "bob"})}
    async with fake_house(tmp_path / "data", **given, **only) as home:
        assert await logins(home).caller(company.login("ann"), "mcp") is None
        bob = await logins(home).caller(company.login("bob"), "mcp")
        assert bob is not None
        assert bob.role is Role.MEMBER, "admins are named by their Slack ids"
