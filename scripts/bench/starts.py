"""The bench's starts: a pod to its first answer, against `docker run` to its first answer; and what lies between."""

import asyncio
import ipaddress
import secrets
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.app import House, running
from core.engines.base import Order, Step
from core.engines.docker import DockerEngine
from core.model import Caller, Pod, Status, Upstream
from core.service import StartRequest
from core.settings import Settings
from scripts.bench.figures import Row, Samples
from scripts.bench.visit import until_answered
from tests.helpers import free_port
from tests.parts import docker, load_web, sweep

AIM = 1.25
IMAGE = "podkeeper-bench/web:1"
_TEMPLATE = f"""
name: bench
description: What the bench starts.
image: {IMAGE}
ports: ["8080/http"]
cpu: 1
memory: 64m
ready: {{port: 8080, path: /}}
"""


class Starts:
    """A house on Docker and Envoy, and a network of our own beside it."""

    def __init__(
        self, house: House, engine: "_Engine", caller: Caller, network: str, subnet: ipaddress.IPv4Network
    ) -> None:
        self._engine = engine
        self._house = house
        self._pods = house.services.pods
        self._caller = caller
        self._network = network
        self._addresses = subnet.hosts()
        next(self._addresses)  # the bridge itself
        self._loop = asyncio.get_running_loop()

    async def pod(self) -> float:
        """Seconds from `PodService.start` to the first right answer through the gateway."""
        begun = self._loop.time()
        pod = await self._pods.start(self._caller, StartRequest(template="bench"))
        await self._engine.running.get()  # `docker run` is not asked before either: asking takes time from starting
        answered = await self._through_gateway(pod)
        await self._over(pod)
        return answered - begun

    async def docker_run(self) -> float:
        """Seconds from `docker run -d` to the first right answer on the container's address."""
        name, address = f"podkeeper-bench-{secrets.token_hex(4)}", str(next(self._addresses))
        begun = self._loop.time()
        await _run(
            *("docker", "run", "-d", "--name", name, "--init", "--cpus", "1", "--memory", "64m"),
            *("--memory-swap", "64m", "--shm-size", "32m", "--network", self._network, "--ip", address),
            *("-e", f"PODKEEPER_POD_ID={name}", IMAGE),
        )
        answered = await until_answered((address, 8080), address, name.encode())
        await _run("docker", "rm", "-f", "-v", name)
        return answered - begun

    async def route(self) -> float:
        """Seconds from the first right answer on the container's own address to the first one through the gateway."""
        pod = await self._pods.start(self._caller, StartRequest(template="bench"))
        upstream = await self._engine.running.get()
        own = until_answered((upstream.host, upstream.port), upstream.host, pod.id.encode())
        async with asyncio.TaskGroup() as tasks:
            direct = tasks.create_task(own)
            through = tasks.create_task(self._through_gateway(pod))
        await self._over(pod)
        return through.result() - direct.result()

    async def _through_gateway(self, pod: Pod) -> float:
        settings = self._house.settings
        host = f"{pod.id}-8080.{settings.proxy_domain}"
        return await until_answered(settings.gateway_listen, host, pod.id.encode())

    async def _over(self, pod: Pod) -> None:
        """Terminated before the next one begins, so that nothing runs beside what is measured."""
        settled = await self._pods.settled(self._caller, pod.id, 30)
        assert settled.status is Status.RUNNING, settled.reason
        await self._pods.terminate(self._caller, pod.id)
        settled = await self._pods.settled(self._caller, pod.id, 30)
        assert settled.status is Status.TERMINATED, settled.reason


async def measure(pairs: int, routes: int) -> tuple[list[Row], list[str]]:
    """The rows, and a sentence each about engine and gateway."""
    async with _starts() as (starts, sentences):
        await starts.pod()  # the first of each is not counted: caches fill
        await starts.docker_run()
        pods: list[float] = []
        runs: list[float] = []
        for number in range(pairs):
            for measured in ("pod", "run") if number % 2 else ("run", "pod"):
                if measured == "pod":
                    pods.append(await starts.pod())
                else:
                    runs.append(await starts.docker_run())
        lives = [await starts.route() for _ in range(routes)]
    started = Samples.of_seconds("start of a pod, image present, to the first answer through the gateway", pods)
    by_hand = Samples.of_seconds("`docker run -d` to the first answer on the container's address", runs)
    live = Samples.of_seconds("from the container's first answer to the first one through the gateway", lives)
    return [Row(started, by_hand, aim=AIM), Row(live)], sentences


class _Engine(DockerEngine):
    """Remembers whose things are to be swept up, and tells when a container of a pod runs."""

    def __init__(self) -> None:
        super().__init__()
        self.installation: str | None = None
        self.running: asyncio.Queue[Upstream] = asyncio.Queue()

    async def open(self, installation: str) -> None:
        self.installation = installation
        await super().open(installation)

    async def start(self, order: Order) -> AsyncGenerator[Step]:
        async with aclosing(super().start(order)) as steps:
            async for step in steps:
                if step.upstreams is not None:
                    self.running.put_nowait(step.upstreams[8080])
                yield step


@asynccontextmanager
async def _starts() -> AsyncIterator[tuple[Starts, list[str]]]:
    home = Path(tempfile.mkdtemp(prefix="pk-bench-"))  # short: sockets are in it
    (home / "templates").mkdir()
    (home / "templates" / "bench.yaml").write_text(_TEMPLATE)
    given: dict[str, Any] = {"data_dir": home / "data", "templates_dir": home / "templates"}
    given |= {"gateway_listen": ("127.0.0.1", free_port()), "reaper_interval": timedelta(minutes=10)}
    engine = _Engine()
    load_web(IMAGE)
    try:
        with _network() as (network, subnet):
            async with running(Settings(**given), engine=engine) as house:
                caller = await house.services.people.local("terminal")
                yield Starts(house, engine, caller, network, subnet), await house.describe()
    finally:
        if engine.installation is not None:
            sweep(engine.installation)
        docker("image", "rm", "-f", IMAGE)
        shutil.rmtree(home)


@contextmanager
def _network() -> Iterator[tuple[str, ipaddress.IPv4Network]]:
    """A bridge like the one for pods. Docker chooses a free subnet; made again with that one, it takes `--ip`."""
    name = f"podkeeper-bench-{secrets.token_hex(4)}"
    docker("network", "create", name)
    try:
        subnet = docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", name)
    finally:
        docker("network", "rm", name)
    docker("network", "create", "--subnet", subnet, "-o", "com.docker.network.bridge.enable_icc=false", name)
    try:
        yield name, ipaddress.IPv4Network(subnet)
    finally:
        docker("network", "rm", name)


async def _run(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(*words, stdout=DEVNULL, stderr=PIPE)
    _, told = await process.communicate()
    assert process.returncode == 0, f"{' '.join(words)}: {told.decode()}"
