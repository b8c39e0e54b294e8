"""The Docker engine's verbs: the Engine seam on one Docker Engine."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any, ClassVar

from core.engines.base import Engine, Features, Instance, Order, Step, Usage
from core.engines.devices import devices
from core.engines.docker import gpus, labels, standin, streams
from core.engines.docker.client import Client, Refused
from core.engines.docker.containers import Containers
from core.engines.docker.network import PodNetwork
from core.engines.docker.nvml import Nvml
from core.engines.docker.pull import PLATFORM, check_name, find, platform_of, pull, wrong_platform
from core.engines.docker.usage import Meter
from core.engines.offers import Availability, CpuOffer, Offers
from core.errors import PodError, PodFailed, Unavailable
from core.model import POD_LABEL, Gpu, Line, Pod, PodSpec, Stage, Upstream, Volume, Wake

log = logging.getLogger(__name__)
_PULLS_AT_ONCE = 16
_AWAY_FOR = 1.0
"""Seconds between two tries to hear events again."""


class DockerEngine(Engine):
    """Pods as containers of one Docker Engine, in one network per installation."""

    name: ClassVar[str] = "docker"
    features: ClassVar[Features] = Features(
        network_volumes=True, container_disk_limit=False, usage=True, expose=True, wake=Wake.BUTTON
    )

    def __init__(
        self,
        url: str | None = None,
        *,
        stand_ins: Mapping[str, str] = standin.STAND_INS,
        nvml: Nvml | None = None,
    ) -> None:
        """`url` as in DOCKER_HOST, which counts when it is None; `stand_ins` are the images that we can make.

        `nvml` tells how busy GPUs are; None: this machine's own.
        """
        self._client = Client(url)
        self._meter = Meter(self._client, nvml or Nvml())
        self._stand_ins = stand_ins
        self._pulls = asyncio.Semaphore(_PULLS_AT_ONCE)
        self._making = asyncio.Lock()
        self._described: str | None = None

    async def open(self, installation: str) -> None:
        """See the seam."""
        self._installation = installation
        self._network = PodNetwork(self._client, installation)
        self._containers = Containers(self._client, installation)
        try:
            await self._network.ensure()
        except PodError as error:
            log.warning("the Docker engine is not usable yet: %s", error)

    async def close(self) -> None:
        """See the seam."""
        await self._client.close()

    async def check(self) -> str:
        """See the seam."""
        # Each start asks, and the daemon runs three programs to tell its version: asked once, as long as it answers.
        if self._described is None:
            version = await self._client.call("GET", "version")
            podman = any("Podman" in part.get("Name", "") for part in version.get("Components") or ())
            self._described = f"{'Podman' if podman else 'Docker'} Engine {version['Version']} at {self._client.where}"
        try:
            await self._network.ensure(fresh=True)
        except PodError:
            self._described = None
            raise
        return self._described

    async def gpus(self) -> tuple[Gpu, ...]:
        """See the seam."""
        await self._network.ensure()
        return await gpus.inventory(self._client)

    async def offers(self) -> Offers:
        """See the seam. Docker refuses nobody for what others have: vCPUs are shared out."""
        most = int((await self._client.call("GET", "info"))["NCPU"])
        return Offers(cpu=CpuOffer(most=most, availability=Availability.HIGH))

    async def fit(self, spec: PodSpec) -> PodSpec:
        """See the seam."""
        if spec.gpu is not None:
            devices(spec.gpu, await self.gpus())
        return spec

    def addresses(self) -> Iterable[str] | None:
        """See the seam. Unavailable until a verb has reached the daemon."""
        return self._network.addresses()

    async def start(self, order: Order) -> AsyncGenerator[Step]:
        """See the seam."""
        assert order.address is not None, "this engine's addresses are claimed before a start"
        pod, ref = order.pod, labels.container_name(order.pod.id, order.pod.run)
        check_name(pod.spec.image)
        await self._network.ensure(fresh=True)
        tag = pod.spec.image
        async with aclosing(self._images(order)) as steps:
            async for step, ready in steps:
                tag = ready
                yield step
        yield Step(stage=Stage.CREATE, message="creating the container", ref=ref)
        image = await find(self._client, tag)
        if image is None:
            raise PodFailed(f"The image {tag} was removed from the Docker Engine meanwhile. Start the pod again.")
        runs = await self._containers.create(order, image, tag, self._network.name)
        yield Step(stage=Stage.START, message="starting the container")
        if not runs:
            await self._containers.start(ref, tag)
        upstreams = {p.number: Upstream(host=order.address, port=p.number) for p in pod.spec.ports}
        yield Step(stage=Stage.START, message="the container runs", fraction=1.0, upstreams=upstreams)

    async def stop(self, pod: Pod, grace: float = 10) -> None:
        """See the seam."""
        self._meter.forget(pod.id)
        await self._containers.remove(pod.id, grace)

    async def terminate(self, pod: Pod) -> None:
        """See the seam."""
        self._meter.forget(pod.id)
        await self._containers.remove(pod.id)
        await self._containers.drop_volume(labels.disk_name(pod.id))

    async def inspect(self, pod: Pod) -> Instance | None:
        """See the seam."""
        return await self._containers.instance(labels.container_name(pod.id, pod.run))

    async def list(self) -> tuple[Instance, ...]:
        """See the seam."""
        await self._network.ensure()
        return await self._containers.instances()

    async def halt(self, instance: Instance) -> None:
        """See the seam."""
        await self._containers.halt(instance.ref, 10)

    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        """See the seam."""
        ref = await self._containers.latest(pod)
        if ref is None or tail < 1:
            return ()
        params = {"stdout": True, "stderr": True, "timestamps": True, "tail": str(tail)}
        if since is not None:
            params["since"] = f"{since.timestamp():.6f}"
        try:
            return streams.lines(await self._client.read("GET", f"containers/{ref}/logs", params=params))
        except Refused as error:
            if error.status in (404, 409):  # gone, or being removed
                return ()
            raise

    async def usage(self, pod: Pod) -> Usage:
        """See the seam. The first time the daemon takes about a second to compare two samples."""
        found = await self._running(pod)
        if found is None:
            self._meter.forget(pod.id)
            return Usage()
        return await self._meter.read(pod, found)

    async def upstream(self, pod: Pod, port: int) -> Upstream | None:
        """See the seam: the pod's own address, where every port of it can be reached."""
        found = await self._running(pod)
        address = labels.address_of(found["NetworkSettings"]["Networks"]) if found is not None else None
        return Upstream(host=address, port=port) if address is not None else None

    async def inside(self) -> str | None:
        """See the seam."""
        address = await self._network.gateway()
        return address if self._client.local else None  # otherwise it is another machine's

    async def changes(self) -> AsyncGenerator[str]:
        """See the seam."""
        since: str | None = None
        while True:
            try:
                since = since or _timestamp(await self._client.call("GET", "info"))
                async with aclosing(self._events(since)) as events:
                    async for event in events:
                        since = _after(event)
                        yield event["Actor"]["Attributes"].get(POD_LABEL, "")
            except Unavailable as error:
                log.warning("the Docker engine's events are interrupted: %s", error)
            await asyncio.sleep(_AWAY_FOR)

    async def create_volume(self, volume: Volume) -> None:
        """See the seam."""
        await self._containers.make_volume(labels.volume_name(volume.id), {"podkeeper.volume": volume.id})

    async def grow_volume(self, volume: Volume) -> None:
        """See the seam. Docker's own volumes have no size: one may take what the disk has."""
        if not await self._containers.volume_is_mine(labels.volume_name(volume.id)):
            raise PodFailed(f"The data of the volume {volume.name} is gone from the Docker Engine.")

    async def delete_volume(self, volume: Volume) -> None:
        """See the seam."""
        await self._containers.drop_volume(labels.volume_name(volume.id))

    def _events(self, since: str) -> AsyncGenerator[dict[str, Any]]:
        filters = {
            "type": ["container"],
            "event": ["die", "oom"],
            "label": [f"{labels.INSTALLATION_LABEL}={self._installation}"],
        }
        return self._client.stream("GET", "events", params={"since": since, "filters": filters})

    async def _running(self, pod: Pod) -> Mapping[str, Any] | None:
        """`docker inspect` of the pod's present run, while it runs."""
        found = await self._containers.show(labels.container_name(pod.id, pod.run))
        return found if found is not None and found["State"]["Running"] else None

    # images

    async def _images(self, order: Order) -> AsyncGenerator[tuple[Step, str]]:
        """Have the image, for our platform; with each step the name under which it is to be run."""
        image = order.pod.spec.image
        local = self._stand_ins.get(image)
        found = await find(self._client, image)
        if found is None and local is not None:
            async with aclosing(self._with_stand_in(order, image, local)) as steps:
                async for step in steps:
                    yield step
            return
        if found is None or platform_of(found) != PLATFORM:
            # What is here for another platform may have been built again since: the registry knows.
            async with aclosing(self._pull(order, image, None)) as steps:
                async for step in steps:
                    yield step, image
            found = await find(self._client, image)
        if found is None:
            raise Unavailable(f"The pull of {image} ended before the image was complete. Start the pod again.")
        if platform_of(found) != PLATFORM:
            raise wrong_platform(image, platform_of(found))
        yield Step(stage=Stage.PULL, message=f"the image {image} is here", fraction=1.0), image

    async def _with_stand_in(self, order: Order, image: str, local: str) -> AsyncGenerator[tuple[Step, str]]:
        """An image that is missing and that we can make: pull it if its registry answers soon, otherwise make it."""
        if await find(self._client, local) is None:
            try:
                async with aclosing(self._pull(order, image, standin.PATIENCE)) as steps:
                    async for step in steps:
                        yield step, image
                if await find(self._client, image) is not None:
                    return
            except PodError as error:
                log.info("%s cannot be pulled, a stand-in is made: %s", image, error)
            async with self._making:
                await standin.make(self._client, image, local)
        message = f"{image} cannot be pulled: using {local}, made from this machine's busybox"
        yield Step(stage=Stage.PULL, message=message, fraction=1.0), local

    async def _pull(self, order: Order, image: str, bound: float | None) -> AsyncGenerator[Step]:
        async with self._pulls, aclosing(pull(self._client, image, order.credential, bound)) as steps:
            async for step in steps:
                yield step


def _timestamp(info: Mapping[str, Any]) -> str:
    """The daemon's own clock, as its `since` wants it."""
    return f"{datetime.fromisoformat(info['SystemTime']).timestamp():.6f}"


def _after(event: Mapping[str, Any]) -> str:
    """The moment after an event, as the daemon's `since` wants it."""
    nanoseconds = int(event["timeNano"]) + 1
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
