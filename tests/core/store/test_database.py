"""The way to the database: what it is set to, and what is said when it is not there."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.errors import Unavailable
from core.model import Role
from core.store import Store
from core.store.database import Database
from tests.postgres import PASSWORD, Postgres, free_port
from tests.stores import NOW

URLS = [
    "",
    "nonsense",
    "mysql://u:s3cr3t@h/d",
    "postgresql://u:s3cr3t@h/d",
    "postgresql+asyncpg://u:s3cr3t@h:port/d",
    "postgresql+asyncpg://u:s3cr3t@h",
    "sqlite+aiosqlite://",
    "sqlite+aiosqlite:///:memory:",
    "sqlite+aiosqlite:///file:x?mode=memory&uri=true",
    "sqlite:///x.db",
]


@pytest.mark.parametrize("url", URLS)
async def test_an_unusable_url_is_answered_with_usable_ones(url: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="postgresql\\+asyncpg://user:password@host") as refused:
        await Store.open(url, tmp_path / "key")
    assert "s3cr3t" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


async def test_a_server_that_cannot_be_used_is_named_without_the_password(postgres: Postgres, tmp_path: Path) -> None:
    closed = f"127.0.0.1:{free_port()}"
    urls = {
        f"postgresql+asyncpg://u:{PASSWORD}@{closed}/d": f"d at {closed}",
        postgres.url("postgres", password="wrong-s3cr3t"): "password authentication failed",
        postgres.url("no_such_database"): "no_such_database",
        f"postgresql+asyncpg://u@/d?host={tmp_path}&password={PASSWORD}": f"d at {tmp_path}",
    }
    for url, said in urls.items():
        with pytest.raises(Unavailable, match="PODKEEPER_DATABASE_URL") as refused:
            await Store.open(url, tmp_path / "key")
        assert said in str(refused.value)
        assert "s3cr3t" not in str(refused.value)


def test_a_driver_that_repeats_the_password_is_not_quoted() -> None:
    for url in ("postgresql+asyncpg://u:s3cr3t@h/d", "postgresql+asyncpg://u@/d?host=/run&password=s3cr3t"):
        said = str(Database(url).unavailable(OSError("cannot log in as u with s3cr3t.")))
        assert "cannot log in as u with ***. Nothing" in said


async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"this is no database" * 100)
    for path in (tmp_path / "file", tmp_path, tmp_path / "file" / "x.db"):
        with pytest.raises(Unavailable, match="the SQLite database") as refused:
            await Store.open(f"sqlite+aiosqlite:///{path}", tmp_path / "key")
        assert str(path) in str(refused.value)


async def test_sqlite_is_set_to_wal_and_foreign_keys_and_its_files_are_private(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/data/podkeeper.db", tmp_path / "key")
    await store.person("default", "slack", "T1:U1", "Ann", Role.MEMBER, NOW)
    files = list((tmp_path / "data").iterdir())
    assert {path.name for path in files} == {"podkeeper.db", "podkeeper.db-wal", "podkeeper.db-shm"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    await store.close()
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/data/podkeeper.db")
    async with database.read() as conn:
        for pragma, value in (("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 30_000)):
            assert (await conn.execute(text(f"PRAGMA {pragma}"))).scalar_one() == value
    await database.close()


async def test_a_writer_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "podkeeper.db"
    store = await Store.open(f"sqlite+aiosqlite:///{path}", tmp_path / "key")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(store.save_cursor("x", 1))
    reads = [await store.cursor("x") for _ in range(20)]
    assert not writing.done()
    other.execute("COMMIT")
    other.close()
    await writing
    assert (reads, await store.cursor("x")) == ([None] * 20, 1)
    await store.close()


async def test_connections_that_the_server_closed_are_made_anew(
    postgres: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    store = await Store.open(postgres_url, tmp_path / "key")
    database = postgres_url.rpartition("/")[2]
    for seq in range(3):
        await store.save_cursor("x", seq)
        kick = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
        await postgres.run(kick)
        assert await store.cursor("x") == seq
    await store.close()


async def test_a_database_that_went_away_is_unavailable(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    store = await Store.open(postgres_url, tmp_path / "key")
    database = postgres_url.rpartition("/")[2]
    await postgres.run(f"DROP DATABASE {database} WITH (FORCE)")
    for _ in range(2):
        with pytest.raises(Unavailable, match="does not exist") as refused:
            await store.save_cursor("x", 1)
        assert "s3cr3t" not in str(refused.value)
    await store.close()
    await postgres.run(f"CREATE DATABASE {database}")


async def test_a_user_without_the_rights_is_said_so(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    database = postgres_url.rpartition("/")[2]
    await postgres.run("CREATE ROLE guest LOGIN PASSWORD 's3cr3t'")
    try:
        with pytest.raises(Unavailable, match="permission denied") as refused:
            await Store.open(
                f"postgresql+asyncpg://guest:s3cr3t@127.0.0.1:{postgres.port}/{database}", tmp_path / "key"
            )
        assert "s3cr3t" not in str(refused.value)
    finally:
        await postgres.run("DROP ROLE guest")


async def test_a_mistake_of_ours_is_not_called_unavailable(store: Store, database_url: str) -> None:
    database = Database(database_url)
    for wrong in ("SELECT nonsense FROM nowhere", "INSERT INTO cursors (name) VALUES ('x')"):
        with pytest.raises(DBAPIError):
            async with database.write() as conn:
                await conn.execute(text(wrong))
    await database.close()
