"""The fake engine: pods in memory, for the tests of the whole house and for trying Podkeeper without containers."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from core.engines.base import Engine, Features, Instance, Order, Step, Usage
from core.engines.devices import devices
from core.engines.offers import Availability, CpuOffer, Offers
from core.errors import Conflict, PodFailed, Unavailable
from core.model import Gpu, Line, Pod, PodSpec, Stage, Upstream, Volume, Wake


class Script(StrEnum):
    """How a start goes."""

    OK = "ok"
    SLOW_PULL = "slow-pull"
    """Waits in the pull, before anything exists, until `proceed` is set."""
    SLOW_START = "slow-start"
    """Waits after the container was made, until `proceed` is set."""
    NO_IMAGE = "no-image"
    """The registry has no such image."""
    BAD_COMMAND = "bad-command"
    """The container is made, and cannot be started."""
    EXITS = "exits"
    """It starts, and ends at once with code 3."""
    OUT_OF_MEMORY = "out-of-memory"
    """It starts, and is ended at once for its memory."""
    GOES_AWAY = "goes-away"
    """The engine goes away (`down`) after the container was made."""
    BUG = "bug"
    """Something raises that is not a PodError."""


@dataclass
class _Container:
    order: Order
    now: Callable[[], datetime]
    running: bool = False
    exit_code: int | None = None
    out_of_memory: bool = False
    files: dict[str, str] = field(default_factory=dict[str, str])
    lines: list[Line] = field(default_factory=list[Line])

    @property
    def ref(self) -> str:
        return f"fake-{self.order.pod.id}-{self.order.pod.run}"

    @property
    def address(self) -> str:
        assert self.order.address is not None, "this engine's addresses are claimed before a start"
        return self.order.address

    @property
    def upstreams(self) -> dict[int, Upstream]:
        return {p.number: Upstream(host=self.address, port=p.number) for p in self.order.pod.spec.ports}

    def end(self, code: int, *, out_of_memory: bool = False) -> None:
        self.running, self.exit_code, self.out_of_memory = False, code, out_of_memory
        self.say("out of memory" if out_of_memory else f"ended with code {code}")

    def say(self, *lines: str) -> None:
        self.lines += [Line(self.now(), line) for line in lines]

    def instance(self) -> Instance:
        return Instance(
            pod_id=self.order.pod.id,
            run=self.order.pod.run,
            ref=self.ref,
            running=self.running,
            exit_code=self.exit_code,
            out_of_memory=self.out_of_memory,
            upstreams=self.upstreams if self.running else {},
        )


class FakeEngine(Engine):
    """Does what an engine does, at once and in memory.

    Which script a start follows is `scripts[image]`, otherwise `script`. `orders` keeps every order, in turn.
    """

    name: ClassVar[str] = "fake"
    features: ClassVar[Features] = Features(
        network_volumes=True, container_disk_limit=False, usage=True, expose=True, wake=Wake.BUTTON
    )

    def __init__(self, *, gpus: Iterable[Gpu] = (), script: Script = Script.OK) -> None:
        """`gpus` is the inventory."""
        self.down = False
        """True: the engine does not answer."""
        self.stop_fails = False
        """True: it answers, and does not manage to stop anything."""
        self.script = script
        self.scripts: dict[str, Script] = {}
        self.proceed = asyncio.Event()
        self.waiting = asyncio.Event()
        """Set when a slow start has come to where it waits."""
        self.shares: dict[str, Usage] = {}
        """What `usage` answers, by pod id; without an entry that it does nothing."""
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        """By which clock pods write."""
        self.inside_address: str | None = "10.255.255.1"
        """What `inside` answers."""
        self.orders: list[Order] = []
        self._gpus = tuple(gpus)
        self._containers: dict[str, _Container] = {}
        self._disks: dict[str, dict[str, str]] = {}
        self._volumes: dict[str, dict[str, str]] = {}
        self._listeners: set[asyncio.Queue[str]] = set()
        self._cursor = 0

    # the seam

    async def open(self, installation: str) -> None:
        """See the seam."""

    async def close(self) -> None:
        """See the seam; what runs is kept, so that a second `open` finds it."""

    async def check(self) -> str:
        """See the seam."""
        self._answer()
        return "Fake engine in memory"

    async def gpus(self) -> tuple[Gpu, ...]:
        """See the seam."""
        self._answer()
        return self._gpus

    async def offers(self) -> Offers:
        """See the seam."""
        self._answer()
        return Offers(cpu=CpuOffer(most=64, availability=Availability.HIGH))

    async def fit(self, spec: PodSpec) -> PodSpec:
        """See the seam."""
        self._answer()
        if spec.gpu is not None:
            devices(spec.gpu, self._gpus)
        return spec

    def addresses(self) -> Iterable[str] | None:
        """See the seam."""
        first, self._cursor = self._cursor, self._cursor + 1
        return [f"10.255.{n // 250}.{n % 250 + 2}" for n in ((first + i) % 1000 for i in range(1000))]

    async def start(self, order: Order) -> AsyncGenerator[Step]:
        """See the seam."""
        pod, script = order.pod, self.scripts.get(order.pod.spec.image, self.script)
        self._answer()
        self.orders.append(order)
        yield Step(stage=Stage.PULL, message=f"pulling {pod.spec.image}: 1 of 2 layers", fraction=0.5)
        if script is Script.SLOW_PULL:
            await self._wait()
        if script is Script.NO_IMAGE:
            raise PodFailed(f"The registry docker.io has no image {pod.spec.image}. Check the name and the tag.")
        if script is Script.BUG:
            raise RuntimeError("a bug of the engine")
        yield Step(stage=Stage.PULL, message=f"the image {pod.spec.image} is here", fraction=1.0)
        made = _Container(order, lambda: self.now())
        yield Step(stage=Stage.CREATE, message="creating the container", ref=made.ref)
        made = self._create(made)
        yield Step(stage=Stage.START, message="starting the container")
        if script is Script.SLOW_START:
            await self._wait()
        self.down = self.down or script is Script.GOES_AWAY
        self._answer()
        self._run(made, script)
        yield Step(stage=Stage.START, message="the container runs", fraction=1.0, upstreams=made.upstreams)

    async def stop(self, pod: Pod, grace: float = 10) -> None:
        """See the seam."""
        self._answer()
        if self.stop_fails:
            raise Unavailable("The fake engine does not remove the container. It is tried again.")
        self._remove(pod.id)

    async def terminate(self, pod: Pod) -> None:
        """See the seam."""
        await self.stop(pod)
        self._disks.pop(pod.id, None)

    async def inspect(self, pod: Pod) -> Instance | None:
        """See the seam."""
        self._answer()
        found = self._find(pod.id, pod.run)
        return found.instance() if found is not None else None

    async def list(self) -> tuple[Instance, ...]:
        """See the seam."""
        self._answer()
        return tuple(c.instance() for c in self._containers.values())

    async def halt(self, instance: Instance) -> None:
        """See the seam."""
        self._answer()
        found = self._containers.get(instance.ref)
        if found is not None and found.running:
            found.end(143)
            self._tell(instance.pod_id)

    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        """See the seam."""
        self._answer()
        found = [c for c in self._containers.values() if c.order.pod.id == pod.id]
        lines = max(found, key=lambda c: c.order.pod.run).lines if found and tail > 0 else []
        return tuple(line for line in lines if since is None or line.at >= since)[-tail:]

    async def usage(self, pod: Pod) -> Usage:
        """See the seam."""
        self._answer()
        found = self._find(pod.id, pod.run)
        if found is None or not found.running:
            return Usage()
        return self.shares.get(pod.id, Usage(cpu=0.0, memory=0.0, gpu=0.0 if pod.gpus else None))

    async def upstream(self, pod: Pod, port: int) -> Upstream | None:
        """See the seam."""
        self._answer()
        found = self._find(pod.id, pod.run)
        return Upstream(host=found.address, port=port) if found is not None and found.running else None

    async def inside(self) -> str | None:
        """See the seam."""
        self._answer()
        return self.inside_address

    async def changes(self) -> AsyncGenerator[str]:
        """See the seam. Hears what happens from its first step on."""
        async with self._listening() as heard:
            while True:
                yield await heard.get()

    async def create_volume(self, volume: Volume) -> None:
        """See the seam."""
        self._answer()
        self._volumes.setdefault(volume.id, {})

    async def grow_volume(self, volume: Volume) -> None:
        """See the seam: it is as large as it must be."""
        self._answer()
        if volume.id not in self._volumes:
            raise PodFailed(f"The data of the volume {volume.name} is gone from the fake engine.")

    async def delete_volume(self, volume: Volume) -> None:
        """See the seam."""
        self._answer()
        if any(c.order.pod.spec.network_volume == volume.id for c in self._containers.values()):
            raise Conflict(
                f"The volume {volume.name} is still mounted by a container, so it was kept. Terminate the pods that "
                "use it, then try again."
            )
        self._volumes.pop(volume.id, None)

    # for tests

    def die(self, pod_id: str, code: int = 1, *, out_of_memory: bool = False) -> None:
        """The pod's running instance ends by itself, and whoever listens to `changes` hears it."""
        for container in self._containers.values():
            if container.order.pod.id == pod_id and container.running:
                container.end(137 if out_of_memory else code, out_of_memory=out_of_memory)
                self._tell(pod_id)

    def say(self, pod_id: str, *lines: str) -> None:
        """The pod prints these."""
        for made in self._containers.values():
            if made.order.pod.id == pod_id and made.running:
                made.say(*lines)

    def vanish(self, pod_id: str) -> None:
        """Somebody removes the pod's container behind our back."""
        self._remove(pod_id)

    def write(self, pod: Pod, path: str, text: str) -> None:
        """Write a file in the pod's container."""
        self._place(pod, path)[path] = text

    def read(self, pod: Pod, path: str) -> str | None:
        """Read a file in the pod's container; None when it is not there."""
        return self._place(pod, path).get(path)

    # inside

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("The fake engine does not answer. Set `down` to False, then try again.")

    async def _wait(self) -> None:
        self.waiting.set()
        await self.proceed.wait()
        self._answer()

    def _create(self, made: _Container) -> _Container:
        pod = made.order.pod
        there = self._containers.get(made.ref)
        if there is not None and there.running and there.order.address == made.order.address:
            return there
        self._remove(pod.id)
        if pod.spec.network_volume is not None and pod.spec.network_volume not in self._volumes:
            raise PodFailed("The data of the pod's network volume is gone from the fake engine. Create a new volume.")
        if pod.spec.network_volume is None and pod.spec.volume is not None:
            self._disks.setdefault(pod.id, {})
        self._containers[made.ref] = made
        return made

    def _run(self, made: _Container, script: Script) -> None:
        if script is Script.BAD_COMMAND:
            raise PodFailed("The command 'nope' cannot be started: executable file not found. Check `args`.")
        if self._containers.get(made.ref) is not made:
            raise Unavailable("The pod's container was removed while it was being started.")
        if not made.running:
            made.running = True
            made.say(f"hello from {made.order.pod.id}")
        if script in (Script.EXITS, Script.OUT_OF_MEMORY):
            out_of_memory = script is Script.OUT_OF_MEMORY
            made.end(137 if out_of_memory else 3, out_of_memory=out_of_memory)
            self._tell(made.order.pod.id)

    def _find(self, pod_id: str, run: int) -> _Container | None:
        found = (c for c in self._containers.values() if (c.order.pod.id, c.order.pod.run) == (pod_id, run))
        return next(found, None)

    def _remove(self, pod_id: str) -> None:
        gone = [ref for ref, c in self._containers.items() if c.order.pod.id == pod_id]
        ran = [ref for ref in gone if self._containers.pop(ref).running]
        if ran:
            self._tell(pod_id)

    def _place(self, pod: Pod, path: str) -> dict[str, str]:
        spec, container = pod.spec, self._find(pod.id, pod.run)
        assert container is not None, f"no container of {pod.id} in run {pod.run}"
        if not path.startswith(spec.volume_path + "/"):
            return container.files
        if spec.network_volume is not None:
            return self._volumes[spec.network_volume]
        return self._disks[pod.id] if spec.volume is not None else container.files

    def _tell(self, pod_id: str) -> None:
        for heard in self._listeners:
            heard.put_nowait(pod_id)

    @asynccontextmanager
    async def _listening(self) -> AsyncGenerator[asyncio.Queue[str]]:
        heard: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(heard)
        try:
            yield heard
        finally:
            self._listeners.discard(heard)
