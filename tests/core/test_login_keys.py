"""The keys that company logins are signed with: from a file or fetched, and what is done when they cannot be read."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from core.service import Logins
from core.service.jwks import MOST, PATIENCE
from tests.company import RSA, Company, Key, settings
from tests.helpers import free_port, until
from tests.houses import FakeHouse, fake_house


def logins(home: FakeHouse) -> Logins:
    return home.house.services.logins


async def test_a_file_of_keys_is_read_again_when_it_changes(
    company_home: FakeHouse, company: Company, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new = Key("k2", "ES256")
    assert await logins(company_home).caller(company.login(key=new), "mcp") is None
    company.tell(new)
    company.write(tmp_path / "next").replace(tmp_path / "keys.json")
    assert await logins(company_home).caller(company.login(key=new), "mcp") is not None
    assert await logins(company_home).caller(company.login(), "mcp") is None, "the old key was taken back"
    for broken in ("{", "[]", '{"keys": []}', '{"keys": "k2"}', "[" * 100_000, "x" * (MOST + 1)):
        (tmp_path / "keys.json").write_text(broken)
        assert await logins(company_home).caller(company.login(key=new), "mcp") is not None
    (tmp_path / "keys.json").unlink()
    for _ in range(3):
        assert await logins(company_home).caller(company.login(key=new), "mcp") is not None
    told = [record.getMessage() for record in caplog.records if "PODKEEPER_LOGIN_JWKS" in record.getMessage()]
    assert len(told) == 5, told  # no JSON, no key, no JSON, too long, no file: each once while it is so
    assert "No such file or directory; meanwhile the keys from before stay" in told[-1]


async def test_a_file_that_comes_later_is_found(company: Company, tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", **settings(tmp_path / "keys")) as home:
        assert await logins(home).caller(company.login(), "mcp") is None
        company.write(tmp_path / "keys")
        assert await logins(home).caller(company.login(), "mcp") is not None


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": 7},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": ["RSA"]},
        {"crv": "P-256"},
        {"kid": ["k1"]},
        {"n": "!"},
        {"n": None},
        {"n": 7},
        {"e": "AQAB" * 9},
        jwt.get_algorithm_by_name("RS256").to_jwk(RSA, as_dict=True) | {"key_ops": None},
    ],
    ids=lambda change: ",".join(change),
)
async def test_a_key_that_is_not_for_this_is_passed_over(
    company: Company, tmp_path: Path, change: dict[str, Any]
) -> None:
    good = Key("good", "EdDSA")
    company.tell(company.key, good)
    company.jwks["keys"][0].update(change)
    company.jwks["keys"].append("no key")
    async with fake_house(tmp_path / "data", **settings(company.write(tmp_path / "keys"))) as home:
        assert await logins(home).caller(company.login(), "mcp") is None
        assert await logins(home).caller(company.login(key=good), "mcp") is not None


async def test_an_rsa_key_that_is_too_short_counts_for_nothing(company: Company, tmp_path: Path) -> None:
    short = Key("short", private=rsa.generate_private_key(public_exponent=65537, key_size=1024))
    company.tell(short)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the signer says so
        login = company.login(key=short)
    async with fake_house(tmp_path / "data", **settings(company.write(tmp_path / "keys"))) as home:
        assert await logins(home).caller(login, "mcp") is None


@pytest.fixture
async def fetched(company: Company, tmp_path: Path) -> AsyncIterator[FakeHouse]:
    """A house that fetches the company's set."""
    async with company.serving() as url, fake_house(tmp_path / "data", **settings(url)) as home:
        company.clock = home.clock
        yield home


async def test_a_key_that_is_new_is_fetched_and_no_more_often_than_each_minute(
    fetched: FakeHouse, company: Company
) -> None:
    new = Key("k2", "ES256")
    assert company.asked == 0, "not before somebody comes"
    for _ in range(3):
        assert await logins(fetched).caller(company.login(), "mcp") is not None
        assert await logins(fetched).caller(company.login(key=new), "mcp") is None
    assert company.asked == 1
    company.tell(company.key, new)
    fetched.clock.forward(seconds=59)
    assert await logins(fetched).caller(company.login(key=new), "mcp") is None
    fetched.clock.forward(seconds=1)
    assert await logins(fetched).caller(company.login(key=new), "mcp") is not None
    assert company.asked == 2


async def test_a_key_that_was_taken_back_stops_counting_within_the_hour(fetched: FakeHouse, company: Company) -> None:
    assert await logins(fetched).caller(company.login(), "mcp") is not None
    company.tell(Key("k2", "ES256"))
    fetched.clock.forward(minutes=59)
    assert await logins(fetched).caller(company.login(), "mcp") is not None
    fetched.clock.forward(minutes=1)
    assert await logins(fetched).caller(company.login(), "mcp") is None


async def test_many_who_come_at_once_wait_for_one_answer(fetched: FakeHouse, company: Company) -> None:
    company.gate = asyncio.Event()
    coming = [asyncio.create_task(logins(fetched).caller(company.login(), "mcp")) for _ in range(9)]
    await until(lambda: company.asked)
    coming[0].cancel()  # whoever began it leaves; it is brought to its end all the same
    company.gate.set()
    assert None not in await asyncio.gather(*coming[1:])
    assert company.asked == 1


BROKEN = {
    "not found": {"status": 404},
    "an error": {"status": 500},
    "led elsewhere": {"status": 302},
    "no JSON": {"jwks": b"<html>"},
    "no key": {"jwks": {"keys": []}},
    "endless": {"jwks": b"[" + b" " * MOST},
}


@pytest.mark.parametrize("what", BROKEN)
async def test_an_answer_that_is_no_set_is_told_and_the_last_good_one_stays(
    fetched: FakeHouse, company: Company, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await logins(fetched).caller(company.login(), "mcp") is not None
    for name, value in BROKEN[what].items():
        setattr(company, name, value)
    for _ in range(3):
        fetched.clock.forward(hours=1)
        assert await logins(fetched).caller(company.login(), "mcp") is not None
    assert company.asked == 4
    [said] = [record.getMessage() for record in caplog.records if record.name == "podkeeper.logins"]
    assert "PODKEEPER_LOGIN_JWKS cannot be read" in said
    assert "the keys from before stay" in said


async def test_a_provider_that_is_away_is_told_and_asked_again(
    company: Company, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"http://127.0.0.1:{free_port()}/keys"
    async with fake_house(tmp_path / "data", **settings(url)) as home:
        for _ in range(2):
            login = company.login()
            assert await logins(home).caller(login, "mcp") is None
            home.clock.forward(minutes=1)
    [said] = [record.getMessage() for record in caplog.records if record.name == "podkeeper.logins"]
    assert "does not answer (ConnectError); meanwhile no company login is let in" in said
    assert login not in caplog.text


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "slow"])
async def test_a_provider_that_does_not_come_to_an_end_is_not_waited_for_long(
    fetched: FakeHouse,
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    drips: bool,
) -> None:
    assert PATIENCE <= 10
    monkeypatch.setattr("core.service.jwks.PATIENCE", 0.3)
    company.gate, company.drips = asyncio.Event(), drips
    async with asyncio.timeout(5):
        assert await logins(fetched).caller(company.login(), "mcp") is None
    assert "no answer within" in caplog.text or "ReadTimeout" in caplog.text
