"""One leads on a database: in this process, in another, and after the leader is gone."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from core.store import Store
from tests.postgres import Postgres

HOLDER = """
import asyncio, sys
from pathlib import Path
from core.store import Store

async def main():
    store = await Store.open(sys.argv[1], Path(sys.argv[2]))
    print(await store.lead(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_second_store_leads_only_after_the_first_has_closed(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    second = await Store.open(database_url, tmp_path / "key")
    try:
        assert await store.lead()
        assert await store.lead()
        assert not await second.lead()
        assert not await second.lead()
        await store.close()
        assert await second.lead()
    finally:
        await second.close()


async def test_a_leader_that_is_killed_leads_no_longer(store: Store, database_url: str, tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, database_url, str(tmp_path / "key"), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    async with asyncio.timeout(30):
        assert await holder.stdout.readline() == b"True\n"
        assert not await store.lead()
        os.kill(holder.pid, signal.SIGKILL)
        await holder.wait()
        while not await store.lead():  # PostgreSQL sees the broken connection a moment later
            pass


async def test_a_leader_whose_connection_broke_asks_anew(postgres: Postgres, postgres_url: str, tmp_path: Path) -> None:
    first = await Store.open(postgres_url, tmp_path / "key")
    second = await Store.open(postgres_url, tmp_path / "key")
    database = postgres_url.rpartition("/")[2]
    kick = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
    try:
        assert await first.lead()
        await postgres.run(kick)
        assert await first.lead()
        assert not await second.lead()
        await postgres.run(kick)
        assert await second.lead()
        assert not await first.lead()
    finally:
        await first.close()
        await second.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_lock_file_is_private_and_beside_the_database(store: Store, tmp_path: Path) -> None:
    assert await store.lead()
    assert (tmp_path / "podkeeper.db.lock").stat().st_mode & 0o777 == 0o600
