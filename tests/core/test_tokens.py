"""Personal tokens: a hash in the database, their person's rights of now, and an end."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from core.model import Role, Scope
from core.store.database import Database
from core.store.tables import tokens as table
from tests.houses import FakeHouse, fake_house


async def test_a_token_stands_for_its_person_until_it_expires(home: FakeHouse) -> None:
    tokens, ann = home.house.services.tokens, await home.member("UANN")
    token, secret = await tokens.make(ann, "  my   laptop ")
    assert token.name == "my laptop"
    found = await tokens.caller(secret, "mcp")
    assert found is not None
    assert found[1] == ann.model_copy(update={"via": "mcp", "scope": Scope.OPERATE})
    home.clock.forward(days=89)
    assert await tokens.caller(secret, "mcp") is not None
    home.clock.forward(days=1)
    assert await tokens.caller(secret, "mcp") is None
    assert await tokens.list(ann) == ()


async def test_what_is_no_token_opens_nothing(home: FakeHouse) -> None:
    tokens = home.house.services.tokens
    token, secret = await tokens.make(await home.member("UANN"), "laptop")
    for wrong in ("", "pkp_", secret[:-1], secret + "x", secret.upper(), token.id, "pkp_" + "x" * 10_000, "pkp_\ud800"):
        assert await tokens.caller(wrong, "mcp") is None


async def test_the_database_holds_no_secret_and_no_repr_shows_one(home: FakeHouse) -> None:
    token, secret = await home.house.services.tokens.make(await home.member("UANN"), "laptop")
    database = Database(home.house.settings.database)
    async with database.read() as conn:
        [row] = (await conn.execute(select(table))).all()
    await database.close()
    assert secret not in str(row)
    assert secret.removeprefix("pkp_") not in repr(token)


async def test_uses_are_noted_to_the_minute(home: FakeHouse) -> None:
    tokens, ann = home.house.services.tokens, await home.member("UANN")
    _, secret = await tokens.make(ann, "laptop")
    first = home.clock.forward(minutes=1)
    await tokens.caller(secret, "mcp")
    home.clock.forward(seconds=30)
    await tokens.caller(secret, "mcp")
    assert [token.used_at for token in await tokens.list(ann)] == [first]
    later = home.clock.forward(seconds=31)
    await tokens.caller(secret, "mcp")
    assert [token.used_at for token in await tokens.list(ann)] == [later]


async def test_who_may_not_use_pods_any_more_has_a_token_that_opens_nothing(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", admins=frozenset({"UANN"})) as home:
        _, secret = await home.house.services.tokens.make(await home.member("UANN"), "laptop", Scope.ADMIN)
    async with fake_house(tmp_path / "data", allowed_users=frozenset({"UBOB"})) as home:
        assert await home.house.services.tokens.caller(secret, "mcp") is None
    async with fake_house(tmp_path / "data", admins=frozenset({"UANN"})) as home:
        found = await home.house.services.tokens.caller(secret, "mcp")
        assert found is not None
        assert found[1].role is Role.ADMIN
    async with fake_house(tmp_path / "data") as home:
        found = await home.house.services.tokens.caller(secret, "mcp")
        assert found is not None
        assert found[1].role is Role.MEMBER


async def test_the_token_of_the_local_admin_is_an_admins(home: FakeHouse) -> None:
    local = await home.local()
    token, secret = await home.house.services.tokens.make(local, "script", Scope.ADMIN)
    found = await home.house.services.tokens.caller(secret, "mcp")
    assert found is not None
    assert (found[0].id, found[1].role, found[1].person) == (token.id, Role.ADMIN, local.person)
    assert timedelta(days=90) == token.expires_at - token.created_at
