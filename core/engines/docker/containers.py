"""The Docker engine's containers: find, make, take over and remove those of a pod."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from core.engines.base import Instance, Order
from core.engines.docker import labels, refusals
from core.engines.docker.client import PATIENT, Client, Refused
from core.engines.docker.config import create_config, mounted_volume
from core.errors import Conflict, PodFailed, Unavailable
from core.model import POD_LABEL, Pod

_GONE_WITHIN = 60.0
_LOOK_EVERY = 0.1
_KILLED = 137
_OOM_LAG = 0.3
_OOM_LOOKS = 3
"""On a busy machine it is later than after one."""


class Containers:
    """The containers and volumes of one installation."""

    def __init__(self, client: Client, installation: str) -> None:
        self._client = client
        self._installation = installation

    # find

    async def summaries(self, *extra: str) -> Sequence[Mapping[str, Any]]:
        """`docker ps -a` of this installation, with further labels that must match."""
        wanted = [f"{labels.INSTALLATION_LABEL}={self._installation}", *extra]
        return await self._client.call("GET", "containers/json", params={"all": True, "filters": {"label": wanted}})

    async def refs(self, pod_id: str) -> list[str]:
        """The containers of a pod, of any run."""
        return [str(c["Names"][0]).removeprefix("/") for c in await self.summaries(f"{POD_LABEL}={pod_id}")]

    async def show(self, ref: str) -> Mapping[str, Any] | None:
        """`docker inspect` of one of ours; None when it is gone or a stranger's."""
        try:
            found: Mapping[str, Any] = await self._client.call("GET", f"containers/{ref}/json")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return found if labels.mine(found["Config"].get("Labels"), self._installation) else None

    async def instance(self, ref: str) -> Instance | None:
        """As an Instance. The daemon may learn that memory ran out just after it learnt of the end: look again."""
        seen = await self._seen(ref)
        for _ in range(_OOM_LOOKS):
            if seen is None or seen.exit_code != _KILLED or seen.out_of_memory:
                break
            await asyncio.sleep(_OOM_LAG)
            seen = await self._seen(ref)
        return seen

    async def _seen(self, ref: str) -> Instance | None:
        found = await self.show(ref)
        return labels.from_inspect(found) if found is not None else None

    async def instances(self) -> tuple[Instance, ...]:
        """All of this installation."""
        seen = [labels.from_summary(c) for c in await self.summaries()]
        ended = await asyncio.gather(*(self.show(s.ref) for s in seen if not s.running))
        return (*(s for s in seen if s.running), *(labels.from_inspect(c) for c in ended if c is not None))

    # make

    async def create(self, order: Order, image: Mapping[str, Any], tag: str, network: str) -> bool:
        """Make the container of this run, its volume disk and nothing else. True when it already runs."""
        pod, ref = order.pod, labels.container_name(order.pod.id, order.pod.run)
        await self.remove(pod.id, keep=ref)
        there = await self.show(ref)
        if there is not None:
            seen = labels.from_inspect(there)
            if seen.running and all(u.host == order.address for u in seen.upstreams.values()):
                return True
            await self.remove(pod.id)
        await self._volume_for(order)
        config = create_config(order, tag, network, self._installation)
        try:
            await self._client.call("POST", "containers/create", params={"name": ref}, body=config, seconds=PATIENT)
        except Refused as error:
            raise refusals.explain(error, tag) from None
        await refusals.check_command(self._client, ref, image, order)
        return False

    async def start(self, ref: str, image: str) -> None:
        """Start it; PodFailed in plain words when its command cannot be run."""
        try:
            await self._client.call("POST", f"containers/{ref}/start", seconds=PATIENT)
        except Refused as error:
            raise refusals.explain(error, image) from None

    async def _volume_for(self, order: Order) -> None:
        name = mounted_volume(order)
        if name is None:
            return
        if order.pod.spec.network_volume is None:
            await self.make_volume(name, {POD_LABEL: order.pod.id})
        elif not await self.volume_is_mine(name):
            raise PodFailed(
                "The data of the pod's network volume is gone from the Docker Engine. Create a new volume, "
                "or restore the data, then start again."
            )

    # end

    async def halt(self, ref: str, grace: float) -> None:
        """Stop one of ours and leave it there."""
        if await self.show(ref) is None:
            return
        try:
            await self._client.call(
                "POST", f"containers/{ref}/stop", params={"t": round(grace)}, seconds=grace + PATIENT
            )
        except Refused as error:
            if error.status not in (404, 409):  # gone, or being removed
                raise

    async def remove(self, pod_id: str, grace: float = 10, *, keep: str | None = None) -> None:
        """Stop and remove every container of a pod but `keep`; returns when the daemon lists none."""
        deadline = asyncio.get_running_loop().time() + grace + _GONE_WITHIN
        while refs := [ref for ref in await self.refs(pod_id) if ref != keep]:
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"The Docker Engine does not remove {', '.join(refs)}. It is tried again.")
            await asyncio.gather(*(self._remove(ref, grace) for ref in refs))

    async def _remove(self, ref: str, grace: float) -> None:
        await self.halt(ref, grace)
        try:
            # `v` removes the nameless volumes that the image declares, never the volume disk: that one has a name.
            await self._client.call("DELETE", f"containers/{ref}", params={"force": True, "v": True}, seconds=PATIENT)
        except Refused as error:
            if error.status == 409:
                await asyncio.sleep(_LOOK_EVERY)  # its removal is under way
            elif error.status != 404:
                raise

    # volumes

    async def make_volume(self, name: str, extra: Mapping[str, str]) -> None:
        """Make a volume of ours; one that is already there is fine, a stranger's is a Conflict."""
        marks = {labels.INSTALLATION_LABEL: self._installation, **extra}
        made = await self._client.call(
            "POST", "volumes/create", body={"Name": name, "Driver": "local", "Labels": marks}, seconds=PATIENT
        )
        labels.claim(made.get("Labels"), self._installation, f"Docker volume named {name}")

    async def drop_volume(self, name: str) -> None:
        """Remove a volume of ours with its data; Conflict while a container has it."""
        if not await self.volume_is_mine(name):
            return
        try:
            await self._client.call("DELETE", f"volumes/{name}", seconds=PATIENT)
        except Refused as error:
            if error.status == 409:
                raise Conflict(
                    f"The volume {name} is still mounted by a container, so it was kept. Terminate the pods "
                    "that use it, then try again."
                ) from None
            if error.status != 404:
                raise

    async def volume_is_mine(self, name: str) -> bool:
        """Whether there is such a volume, and it is of ours."""
        try:
            found = await self._client.call("GET", f"volumes/{name}")
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return labels.mine(found.get("Labels"), self._installation)

    # look

    async def latest(self, pod: Pod) -> str | None:
        """The container of a pod's newest run that is still there."""
        found = [labels.from_summary(c) for c in await self.summaries(f"{POD_LABEL}={pod.id}")]
        return max(found, key=lambda i: i.run).ref if found else None
