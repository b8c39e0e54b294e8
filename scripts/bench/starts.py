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
from scripts.bench.figures import Row, Samples, Section
from scripts.bench.visit import until_answered, visit
from tests.helpers import free_port
from tests.parts import docker, load_web, sweep

AIM = 1.25
IMAGE = "podkeeper-bench/web:1"
_TEMPLATE = """
name: NAME
description: What the bench starts.
image: IMAGE
ports: ["8080/http"]
cpu: 1
memory: 64m
ready: {port: 8080, path: /}
wake: WAKE
"""
_NOTE = """
- *Start of a pod*: from `PodService.start` to the first answer of the pod at its address. The baseline is the `docker
  run` command with the same image, limits and kind of network, to the first answer on the container's address. Both are
  asked every 3 ms once the container runs, and both are mostly the Docker Engine starting a container. The
  command's own start-up, which a pod does not have, is in the baseline.
- *Container's first answer to the first one through the gateway*: what readiness check, rows and route add.
"""


class Starts:
    """A house on Docker and Envoy, and a network of our own beside it."""

    def __init__(
        self, house: House, engine: "_Engine", caller: Caller, network: str, subnet: ipaddress.IPv4Network
    ) -> None:
        self.house = house
        self.pods = house.services.pods
        self.caller = caller
        self._engine = engine
        self._network = network
        self._addresses = subnet.hosts()
        next(self._addresses)  # the bridge itself
        self._loop = asyncio.get_running_loop()

    async def pod(self) -> float:
        """Seconds from `PodService.start` to the first right answer through the gateway."""
        pod, seconds = await self.started()
        await self.over(pod)
        return seconds

    async def started(self, template: str = "bench") -> tuple[Pod, float]:
        """The same, and the pod, which runs on."""
        begun = self._loop.time()
        pod = await self.pods.start(self.caller, StartRequest(template=template))
        await self._engine.running.get()  # `docker run` is not asked before either: asking takes time from starting
        answered = await self._through_gateway(pod)
        return await self.settled(pod, Status.RUNNING), answered - begun

    async def woken(self, pod: Pod) -> float:
        """Seconds from a visit to the sleeping pod to its first right answer."""
        begun = self._loop.time()
        await visit(*self.address(pod))
        await self._engine.running.get()
        answered = await self._through_gateway(pod)
        await self.settled(pod, Status.RUNNING)
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
        pod = await self.pods.start(self.caller, StartRequest(template="bench"))
        upstream = await self._engine.running.get()
        own = until_answered((upstream.host, upstream.port), upstream.host, pod.id.encode())
        async with asyncio.TaskGroup() as tasks:
            direct = tasks.create_task(own)
            through = tasks.create_task(self._through_gateway(pod))
        await self.over(pod)
        return through.result() - direct.result()

    async def _through_gateway(self, pod: Pod) -> float:
        return await until_answered(*self.address(pod), pod.id.encode())

    def address(self, pod: Pod) -> tuple[tuple[str, int], str]:
        """Where the gateway listens, and the host that the pod has there."""
        settings = self.house.settings
        return settings.gateway_listen, f"{pod.id}-8080.{settings.proxy_domain}"

    async def over(self, pod: Pod) -> None:
        """Terminated before the next one begins, so that nothing runs beside what is measured."""
        await self.settled(pod, Status.RUNNING)
        await self.pods.terminate(self.caller, pod.id)
        await self.settled(pod, Status.TERMINATED)

    async def settled(self, pod: Pod, status: Status) -> Pod:
        """The pod once nothing is done to it any more, in this status."""
        settled = await self.pods.settled(self.caller, pod.id, 30)
        assert settled.status is status, settled.reason
        return settled


async def measure(pairs: int, routes: int) -> list[Section]:
    """In turn with `docker run`."""
    async with on_docker() as starts:
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
    return [Section.of_rows("Start of a pod", [Row(started, by_hand, aim=AIM), Row(live)], _NOTE)]


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
async def on_docker() -> AsyncIterator[Starts]:
    """The house, open."""
    home = Path(tempfile.mkdtemp(prefix="pk-bench-"))  # short: sockets are in it
    (home / "templates").mkdir()
    for name, wake in (("bench", "auto"), ("bench-button", "button")):
        written = _TEMPLATE.replace("NAME", name).replace("IMAGE", IMAGE).replace("WAKE", wake)
        (home / "templates" / f"{name}.yaml").write_text(written)
    given: dict[str, Any] = {"data_dir": home / "data", "templates_dir": home / "templates"}
    given |= {"gateway_listen": ("127.0.0.1", free_port()), "reaper_interval": timedelta(minutes=10)}
    engine = _Engine()
    load_web(IMAGE)
    try:
        with _network() as (network, subnet):
            async with running(Settings(**given), engine=engine) as house:
                caller = await house.services.people.local("terminal")
                yield Starts(house, engine, caller, network, subnet)
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
