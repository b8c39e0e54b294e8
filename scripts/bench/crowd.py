"""The bench's crowd: a house with thousands of running pods on a fake engine, with real store, Envoy and reaper.

`python -m scripts.bench.crowd PORTS` prints as JSON what its ticks and its memory cost; in a process of its own, whose
memory is then nobody else's.
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.app import House, running, spare_the_collector
from core.engines.base import Instance
from core.engines.fake import FakeEngine
from core.model import IdleRule, Pod, PodSpec, PortModel, Ready, Role, Status, Upstream, route_key
from core.settings import Settings
from core.store import Store
from core.store.database import Database
from core.store.rows import pod_row
from core.store.tables import pods as table
from scripts.bench.machine import resident
from tests.helpers import free_port

BEGUN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PORTS = (8080, 8888)
TIMES = 5
TRAFFIC = {"none": 0, "tenth": 10, "all": 1}
"""Every which pod port is visited before a tick."""
DOMAIN = "proxy.localhost"
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nbench"
"""Thousands of connections that end of age would end in the middle of a tick, at its cost."""
_CONNECTIONS = 32


class Crowd:
    """The running house. Time goes on by half a minute with each tick."""

    def __init__(self, house: House, settings: Settings, pods: Sequence[Pod]) -> None:
        self._house = house
        self._listen = settings.gateway_listen
        self._file = settings.data_dir / "podkeeper.db"
        self._keys = [route_key(pod.id, port) for pod in pods for port in PORTS]
        self._ticks = 0
        self.envoy = int(json.loads((settings.data_dir / "gateway" / "gateway.json").read_text())["pid"])

    async def tick(self, every: int) -> float:
        """One request to every which pod port, then a tick; the seconds of CPU that our threads gave to the tick."""
        keys = self._keys[::every] if every else []
        shares = [keys[n::_CONNECTIONS] for n in range(_CONNECTIONS)]
        await asyncio.gather(*(self._visit(share) for share in shares if share))
        self._ticks += 1
        passed = timedelta(seconds=30) * self._ticks
        begun = time.process_time()
        seen = await self._house.reaper.tick(BEGUN + passed, passed.total_seconds())
        took = time.process_time() - begun
        pods = {key.rpartition("-")[0] for key in keys}
        assert (seen.looked, set(seen.in_use), seen.unseen) == (len(self._keys) // len(PORTS), pods, ()), seen
        return took

    async def rows(self, every: int) -> int:
        """How many rows such a tick inserts, changes or deletes, by the word of the database's own triggers."""
        with contextlib.closing(sqlite3.connect(self._file)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            database.execute("CREATE TABLE bench_rows (n)")
            acts = [(name, act) for name in tables for act in ("INSERT", "UPDATE", "DELETE")]
            for name, act in acts:
                told = "BEGIN INSERT INTO bench_rows VALUES (1); END"
                database.execute(f"CREATE TRIGGER bench_{name}_{act} AFTER {act} ON {name} {told}")
            await self.tick(every)
            (count,) = database.execute("SELECT count(*) FROM bench_rows").fetchone()
            for name, act in acts:
                database.execute(f"DROP TRIGGER bench_{name}_{act}")
            database.execute("DROP TABLE bench_rows")
        return int(count)

    async def _visit(self, keys: Sequence[str]) -> None:
        reader, writer = await asyncio.open_connection(*self._listen)
        for key in keys:
            writer.write(f"GET / HTTP/1.1\r\nHost: {key}.{DOMAIN}\r\n\r\n".encode())
            answer = await reader.readuntil(b"bench")
            assert b" 200 " in answer.partition(b"\r\n")[0], answer
        writer.close()


@contextlib.asynccontextmanager
async def crowded(ports: int) -> AsyncIterator[Crowd]:
    """So many pod ports, two a pod, all of them live and led to one small server in this process."""
    home = Path(tempfile.mkdtemp(prefix="pk-bench-"))  # short: sockets are in it
    given: dict[str, Any] = {"data_dir": home, "gateway_listen": ("127.0.0.1", free_port())}
    settings = Settings(**given, reaper_interval=timedelta(hours=1), proxy_domain=DOMAIN)
    try:
        async with _small_server() as upstream:
            pods = await _settle(settings, ports // len(PORTS), upstream)
            async with running(settings, engine=_Engine(pods), now=lambda: BEGUN) as house:
                yield Crowd(house, settings, pods)
    finally:
        shutil.rmtree(home)


class _Engine(FakeEngine):
    """Has had an instance of each of these pods for long."""

    def __init__(self, pods: Collection[Pod]) -> None:
        super().__init__()
        self._instances = tuple(Instance(pod_id=pod.id, run=pod.run, ref=str(pod.ref), running=True) for pod in pods)

    async def list(self) -> tuple[Instance, ...]:
        return self._instances


async def _settle(settings: Settings, count: int, upstream: Upstream) -> list[Pod]:
    """Put so many running pods into the store, in one transaction."""
    store = await Store.open(settings.database, settings.data_dir / "registry.key")
    try:
        person = await store.person("default", "slack", "T1:U1", "Ana", Role.MEMBER, BEGUN)
    finally:
        await store.close()
    made = [_pod(number, person.id, upstream) for number in range(count)]
    database = Database(settings.database)
    try:
        async with database.write() as conn:
            await conn.execute(table.insert(), [pod_row(dict(pod)) for pod in made])
    finally:
        await database.close()
    return made


def _pod(number: int, owner: str, upstream: Upstream) -> Pod:
    spec = PodSpec(
        template="jupyter",
        image="quay.io/jupyter/scipy-notebook:2026-10-01",
        args=("start-notebook.py", "--ServerApp.allow_remote_access=True"),
        # Each has a value of its own, as a generated token is, so that no two specs are equal.
        env={"HF_HOME": "/workspace/cache", "JUPYTER_TOKEN": f"{number:040x}", "TZ": "Europe/Berlin"},
        ports=tuple(PortModel(number=port) for port in PORTS),
        cpu=2,
        memory=8 << 30,
        volume=20 << 30,
        ready=Ready(port=PORTS[0], path="/api"),
        idle=IdleRule(timeout=timedelta(hours=4), warning=timedelta(minutes=5)),
    )
    ready = BEGUN - timedelta(minutes=10)
    return Pod(
        id=f"bench{number:09d}",
        workspace="default",
        name=f"jupyter-{number}",
        owner=owner,
        owner_name="",
        via="slack",
        spec=spec,
        status=Status.RUNNING,
        ref=f"fake-bench{number:09d}-1",
        upstreams=dict.fromkeys(PORTS, upstream),
        created_at=ready,
        started_at=ready,
        ready_at=ready,
        last_active_at=ready,
        changed_at=ready,
    )


@contextlib.asynccontextmanager
async def _small_server() -> AsyncIterator[Upstream]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_ANSWER)
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield Upstream(host="127.0.0.1", port=int(server.sockets[0].getsockname()[1]))
    finally:
        server.close()


async def _measure(ports: int) -> dict[str, Any]:
    begun = time.monotonic()
    async with crowded(ports) as crowd:
        opened = time.monotonic() - begun
        spare_the_collector()
        for every in TRAFFIC.values():  # the first of each is not counted
            await crowd.tick(every)
        costs = {name: [await crowd.tick(every) for _ in range(TIMES)] for name, every in TRAFFIC.items()}
        memory = {"ours": resident(os.getpid()), "envoy": resident(crowd.envoy)}
        rows = {name: await crowd.rows(every) for name, every in TRAFFIC.items()}
    return {"opened": opened, "costs": costs, "memory": memory, "rows": rows}


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    print(json.dumps(asyncio.run(_measure(int(sys.argv[1])))))
