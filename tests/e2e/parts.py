"""Whole houses on real parts, opened and closed and killed again at one place, and what runs in their pods."""

import asyncio
import os
import secrets
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from cli.serve import Faces, answering, listen
from core.app import House, running
from core.engines.base import Engine
from core.gateway.base import Gateway
from core.gateway.process import stop as stop_process
from core.model import Caller, Pod, Status, Traffic
from core.service import PodService, StartRequest
from core.settings import Settings
from core.store import Store
from mcp_server.client import PodClient, connect
from tests.core.gateway.parts import Answer, Site
from tests.helpers import free_port, until
from tests.parts import docker, sweep

TOKEN = "pk_the-token-of-these-houses"
PORT = 8080


@dataclass
class RealHouse:
    """A running house with its place at hand."""

    house: House
    site: Site

    @property
    def pods(self) -> PodService:
        return self.house.services.pods

    @property
    def store(self) -> Store:
        return self.house._store  # pyright: ignore[reportPrivateUsage]

    async def me(self) -> Caller:
        """The person at the keyboard, an admin."""
        return await self.house.services.people.local("terminal")

    async def begun(self, template: str, **options: Any) -> Pod:
        """A pod whose start is under way."""
        return await self.pods.start(await self.me(), StartRequest(template=template, **options))

    async def started(self, template: str, **options: Any) -> Pod:
        """A pod whose start is over, well or not."""
        pod = await self.begun(template, **options)
        return await self.settled(pod)

    async def up(self, template: str, **options: Any) -> Pod:
        """A pod that runs."""
        pod = await self.started(template, **options)
        assert pod.status is Status.RUNNING, pod.reason
        return pod

    async def settled(self, pod: Pod, seconds: float = 60) -> Pod:
        """The pod once nothing is under way."""
        found = await self.pods.settled(await self.me(), pod.id, seconds)
        assert not found.status.under_way, found
        return found

    async def look(self, pod: Pod) -> Pod:
        """The row now."""
        return await self.pods.get(await self.me(), pod.id)

    async def becomes(self, pod: Pod, status: Status, seconds: float = 20) -> Pod:
        """The row once it has that status."""

        async def there() -> Pod | None:
            found = await self.look(pod)
            return found if found.status is status else None

        found = await until(there, seconds)
        assert found is not None
        return found

    async def ask(self, pod: Pod, path: str = "/", **headers: str) -> Answer:
        """One visit at the pod's address."""
        return await self.site.get(f"{pod.id}-{PORT}", path, **headers)

    async def stop(self, pod: Pod) -> Pod:
        return await self.settled(await self.pods.stop(await self.me(), pod.id))

    async def resume(self, pod: Pod) -> Pod:
        return await self.settled(await self.pods.resume(await self.me(), pod.id))

    async def restart(self, pod: Pod) -> Pod:
        return await self.settled(await self.pods.restart(await self.me(), pod.id))

    async def terminate(self, pod: Pod) -> Pod:
        return await self.settled(await self.pods.terminate(await self.me(), pod.id))

    async def traffic(self) -> Traffic:
        """What the gateway has counted."""
        return await self.house._gateway.traffic()  # pyright: ignore[reportPrivateUsage]

    async def clear(self) -> None:
        """Terminate everything."""
        me = await self.me()
        left = await self.pods.list(me, everyone=True)
        for pod in left:
            if pod.status is not Status.TERMINATING:
                await self.pods.terminate(me, pod.id)
        await asyncio.gather(*(self.settled(pod) for pod in left))


def container(pod: Pod) -> str:
    """The name of the container of its present run."""
    return f"podkeeper-{pod.id}-{pod.run}"


def inside(pod: Pod, script: str) -> str:
    """Run a script in the pod."""
    return docker("exec", container(pod), "sh", "-c", script)


async def release(pod: Pod) -> None:
    """Let `STREAMS` or `LATE` go on, as soon as the container runs."""

    async def touched() -> bool:
        words = ("docker", "exec", container(pod), "touch", "/go")
        process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
        return await process.wait() == 0

    await until(touched)


class Place:
    """A data directory, ports and templates, for houses that come and go there."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="pk-"))  # pytest's own names are too long for sockets
        self.data, self.templates = self.base / "data", self.base / "templates"
        self.templates.mkdir()
        self.site = Site(self.data / "gateway")
        self.port = free_port()
        self.installations: set[str] = set()
        self.more: dict[str, str] = {}
        """Further variables of processes."""

    @property
    def url(self) -> str:
        """Where the faces are."""
        return f"http://127.0.0.1:{self.port}"

    def template(self, name: str, image: str, **keys: Any) -> None:
        """Write a user's template; for houses that are opened later."""
        given = {"name": name, "description": "For a test.", "image": image, "ports": [f"{PORT}/http"]}
        small = {"cpu": 0.5, "memory": "32m", "ready": {"port": PORT, "timeout": "30s"}, "idle": {"timeout": "0"}}
        (self.templates / f"{name}.yaml").write_text(yaml.safe_dump(given | small | keys))

    def settings(self, **more: Any) -> Settings:
        """For a house here."""
        given: dict[str, Any] = {
            "data_dir": self.data,
            "templates_dir": self.templates,
            "listen": ("127.0.0.1", self.port),
            "gateway_listen": ("127.0.0.1", self.site.port),
            "token": TOKEN,
            "reaper_interval": timedelta(seconds=0.3),
            "max_pods_per_user": 30,
        }
        return Settings(**(given | more))

    @asynccontextmanager
    async def house(
        self, engine: Engine | None = None, gateway: Gateway | None = None, **settings: Any
    ) -> AsyncIterator[RealHouse]:
        """Open one."""
        async with running(self.settings(**settings), engine=engine, gateway=gateway, patience=0.1) as house:
            opened = RealHouse(house, self.site)
            self.installations.add(opened.store.installation)
            yield opened

    @asynccontextmanager
    async def served(self, engine: Engine | None = None, **settings: Any) -> AsyncIterator[RealHouse]:
        """One with its faces, composed as `podkeeper up` does."""
        async with self.house(engine=engine, **settings) as home:
            faces = Faces(home.house, TOKEN)
            with await listen(home.house.settings) as listener:
                async with faces.running(), answering(faces, listener):
                    yield home

    def environment(self) -> dict[str, str]:
        """For a process that opens a house here."""
        return os.environ | {
            "PODKEEPER_DATA_DIR": str(self.data),
            "PODKEEPER_TEMPLATES_DIR": str(self.templates),
            "PODKEEPER_LISTEN": f"127.0.0.1:{self.port}",
            "PODKEEPER_GATEWAY_LISTEN": f"127.0.0.1:{self.site.port}",
            "PODKEEPER_TOKEN": TOKEN,
            "PODKEEPER_REAPER_INTERVAL": "1s",
            **self.more,
        }

    @asynccontextmanager
    async def process(self) -> AsyncIterator["HouseProcess"]:
        """`podkeeper up` in a process of its own; killed at the end, its Envoy is not."""
        log = self.base / f"house-{secrets.token_hex(2)}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(Path(sys.executable).with_name("podkeeper"), "up"),
                env=self.environment(),
                stdout=output,
                stderr=output,
            )
        opened = HouseProcess(process)
        try:
            async with asyncio.timeout(30):
                while process.returncode is None and not await self._ready():
                    await asyncio.sleep(0.05)
            assert process.returncode is None, log.read_text()
            yield opened
        finally:
            await opened.kill()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[PodClient]:
        """An MCP client of whatever serves here."""

        async def yes(_: str) -> bool:
            return True

        async with connect(self.url, TOKEN, on_question=yes) as client:
            yield client

    async def close(self) -> None:
        """Take everything away that the houses left."""
        await self.site.session.close()
        with suppress(OSError, KeyError, ValueError):
            await stop_process(self.site.pid)
        with suppress(sqlite3.Error):
            rows = sqlite3.connect(self.data / "podkeeper.db").execute("SELECT id FROM installation").fetchall()
            self.installations.update(row[0] for row in rows)
        for installation in self.installations:
            await asyncio.to_thread(sweep, installation)
        shutil.rmtree(self.base)

    async def _ready(self) -> bool:
        try:
            async with self.site.session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@dataclass
class HouseProcess:
    """A house that can be killed."""

    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        """As `kill -9` does: nothing is put in order."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
