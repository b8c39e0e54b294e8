"""The RunPod engine's verbs: the Engine seam on one RunPod account."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime
from typing import ClassVar

import httpx

from core.engines.base import Engine, Features, Instance, Order, Step, Usage
from core.engines.offers import Offers
from core.engines.runpod.account import Account, Pace
from core.engines.runpod.acts import Acts
from core.engines.runpod.book import Book, ordered
from core.engines.runpod.client import Api, parse_event
from core.engines.runpod.marks import Marks, Ref
from core.engines.runpod.shapes import GONE, PodShape
from core.engines.runpod.shop import Shop
from core.engines.runpod.starts import Starts
from core.engines.runpod.stock import Stock
from core.engines.runpod.views import instance, usage
from core.errors import NotFound, PodError, Unavailable
from core.model import Gpu, Line, Pod, PodSpec, Upstream, Volume, Wake

log = logging.getLogger(__name__)
_LONGEST_LOG = 4
"""Times `Pace.lines`: a pod that never stops talking is not listened to for ever."""

REMARK = (
    "RunPod ends a request after 100 s without an answer, so let long answers stream; and its own address of the pod "
    "is open to whoever knows it."
)


class RunPodEngine(Engine):
    """Pods as pods of one RunPod account. A stopped one stays there, with its volume disk."""

    name: ClassVar[str] = "runpod"
    features: ClassVar[Features] = Features(
        network_volumes=True,
        container_disk_limit=True,
        usage=True,
        expose=False,
        wake=Wake.BUTTON,
        devices=False,
        keeps_pods=True,
        tells_stoppable=True,
        direct_tcp=True,
        poll=2.0,
        remark=REMARK,
    )

    def __init__(
        self, account: Account, *, pace: Pace | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`transport`: another one than the network."""
        self._account = account
        self._pace = pace or Pace()
        self._api = Api(account, self._pace, transport)
        self._shop = Shop(self._api, account, self._pace)
        self._own: dict[str, str] = {}
        """RunPod's id of each pod of ours, as its row had it when it was last looked at."""

    async def open(self, installation: str) -> None:
        """See the seam."""
        self._marks = Marks(installation)
        self._book = Book(self._api, self._marks, self._pace)
        self._stock = Stock(self._api, self._account, self._marks, self._pace)
        self._acts = Acts(self._api, self._book, self._pace)
        self._starts = Starts(
            self._api,
            self._book,
            self._acts,
            self._shop,
            self._stock,
            self._marks,
            self._account,
            self._pace,
        )

    async def close(self) -> None:
        """See the seam."""
        await self._api.close()

    async def check(self) -> str:
        """See the seam. Asks RunPod no more often than a tick does."""
        found = await self._book.look(self._pace.stale)
        return f"RunPod at {self._account.base_url}, {len(found.pods)} pods in the account"

    async def gpus(self) -> tuple[Gpu, ...]:
        """See the seam."""
        return ()

    async def offers(self) -> Offers:
        """See the seam."""
        return await self._shop.offers()

    async def fit(self, spec: PodSpec) -> PodSpec:
        """See the seam."""
        return await self._shop.fit(spec)

    def addresses(self) -> Iterable[str] | None:
        """See the seam."""
        return None

    def start(self, order: Order) -> AsyncGenerator[Step]:
        """See the seam."""
        return self._starts.run(order)

    async def stop(self, pod: Pod, grace: float = 10) -> None:
        """See the seam. RunPod decides itself how long a container may take to end."""
        for found in await self._acts.all(pod):
            if found.running:
                await self._acts.stop(found)

    async def abandon(self, pod: Pod) -> bool:
        """See the seam. What was asked for and never seen may come yet, so its reference stays."""
        ref = Ref.parse(pod.ref)
        if ref is None or ref.run != pod.run or not (ref.made or ref.pod is None):
            await self.stop(pod)
            return False
        await self.terminate(pod)
        return ref.pod is not None

    async def terminate(self, pod: Pod) -> None:
        """See the seam."""
        for found in await self._acts.all(pod):
            await self._acts.delete(found)

    async def inspect(self, pod: Pod) -> Instance | None:
        """See the seam. What RunPod has said only once, that there is no such pod, is not believed yet."""
        ref = Ref.parse(pod.ref)
        if ref is None or ref.run != pod.run or ref.pod is None:
            return None
        self._own[pod.id] = ref.pod
        found = await self._book.of(pod, self._pace.looks)
        if found:
            return self._told(pod, found[0])
        known = await self._book.missed(ref.pod)
        if known is not None:
            return self._told(pod, known) if known.status != GONE else None
        before = self._book.last(ref.pod)
        if self._book.out(ref.pod):
            return None
        if before is None:
            raise Unavailable(f"RunPod has no pod {ref.pod} at the moment. It is asked again before that is believed.")
        return self._told(pod, before)

    async def list(self) -> tuple[Instance, ...]:
        """See the seam."""
        found: list[Instance] = []
        for pod_id, some in (await self._book.ours(self._pace.stale)).items():
            own = self._own.get(pod_id)
            for place, one in enumerate(ordered([one for one in some if one.status != GONE], own)):
                double = own is not None and place > 0 and one.running
                found.append(instance(pod_id, one, account=self._account).model_copy(update={"double": double}))
        return tuple(found)

    async def halt(self, instance: Instance) -> None:
        """See the seam."""
        ref = Ref.parse(instance.ref)
        found = await self._book.really(ref.pod) if ref is not None and ref.pod is not None else None
        if found is not None and found.running:
            await self._acts.stop(found)

    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        """See the seam. RunPod's log goes on for ever: it is read until it is silent for a moment."""
        ref = Ref.parse(pod.ref)
        if ref is None or ref.pod is None or tail < 1:
            return ()
        params = {"source": "container", "tail": str(min(tail, 5000))}
        if since is not None:
            params["since"] = since.astimezone(UTC).isoformat()
        lines: list[Line] = []
        now = asyncio.get_running_loop().time
        end = now() + _LONGEST_LOG * self._pace.lines
        try:
            async with self._api.stream(f"pods/{ref.pod}/logs", params) as events:
                heard = now()
                while len(lines) < tail:
                    async with asyncio.timeout_at(min(end, heard + self._pace.lines)):
                        said = await anext(events, None)
                    if said is None:
                        break
                    line = parse_event(said)
                    if line is not None:  # what keeps the connection alive is no sound
                        lines.append(line)
                        heard = now()
        except (TimeoutError, NotFound):
            pass
        return tuple(line for line in lines if since is None or line.at >= since)[-tail:]

    async def usage(self, pod: Pod) -> Usage:
        """See the seam. RunPod tells what is at one moment, not an average."""
        ref = Ref.parse(pod.ref)
        if ref is None or ref.run != pod.run:
            return Usage()
        found = await self._book.of(pod, self._pace.stale)
        return usage(found[0]) if found else Usage()

    async def upstream(self, pod: Pod, port: int) -> Upstream | None:
        """See the seam: RunPod changes the ports of a pod only by resetting it."""
        return None

    async def inside(self) -> str | None:
        """See the seam."""
        return None

    async def changes(self) -> AsyncGenerator[str]:
        """See the seam: two looks at the list compared."""
        before: dict[str, bool] = {}
        while True:
            try:
                now = {one.pod_id: one.running for one in await self.list() if not one.double}
                for pod_id, ran in before.items():
                    if ran and not now.get(pod_id, False):
                        yield pod_id
                before = now
            except PodError as error:
                log.warning("RunPod does not tell which pods have ended: %s", error)
            await asyncio.sleep(self._pace.ticks)

    # network volumes

    async def create_volume(self, volume: Volume) -> None:
        """See the seam."""
        await self._stock.make_volume(volume)

    async def grow_volume(self, volume: Volume) -> None:
        """See the seam."""
        await self._stock.grow_volume(volume)

    async def delete_volume(self, volume: Volume) -> None:
        """See the seam."""
        await self._stock.drop_volume(volume)

    def _told(self, pod: Pod, found: PodShape) -> Instance:
        return instance(pod.id, found, pod.run, pod=pod, account=self._account)
