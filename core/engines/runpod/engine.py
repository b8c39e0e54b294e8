"""The RunPod engine's verbs: the Engine seam on one RunPod account."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, ClassVar

import httpx

from core.engines.base import Engine, Features, Instance, Order, Step, Usage
from core.engines.runpod import orders
from core.engines.runpod.account import Account, Pace
from core.engines.runpod.book import Book, ordered
from core.engines.runpod.client import Api, parse_event
from core.engines.runpod.marks import Marks, Ref
from core.engines.runpod.problems import Undecided
from core.engines.runpod.shapes import GONE, RESTING, PodShape
from core.engines.runpod.shop import Shop
from core.engines.runpod.stock import Stock
from core.errors import Conflict, NoCapacity, NotFound, PodError, PodFailed, Unavailable
from core.model import Gpu, Pod, PodSpec, Stage, Status, Upstream, Volume, Wake

log = logging.getLogger(__name__)

_ENDED: Mapping[str, str] = {
    "EXITED": "It was stopped at RunPod, not by Podkeeper: by somebody in RunPod's console, or because the balance "
    "was used up. Its volume disk is kept.",
    "ERROR": "RunPod reports that its container is in an error from which it does not come back.",
}
_LATE = 60.0
"""Seconds after which a pod that runs is taken as it is told."""
_NO_GPU = (
    "RunPod started it without its GPU: the machine that holds its disk has none free now. It was stopped again, and "
    "its volume disk is kept. Resume it later, or terminate it and start a new one on another machine."
)
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

    async def fit(self, spec: PodSpec) -> PodSpec:
        """See the seam."""
        return await self._shop.fit(spec)

    def addresses(self) -> Iterable[str] | None:
        """See the seam."""
        return None

    # starting

    async def start(self, order: Order) -> AsyncGenerator[Step]:
        """See the seam."""
        pod, ref = order.pod, Ref.parse(order.pod.ref)
        yield Step(stage=Stage.PULL, message="looking for the pod at RunPod")
        found = await self._to_start(pod, ref)
        if found is None:
            body = await self._body(order)
            yield Step(stage=Stage.CREATE, message="asking RunPod for a machine", ref=str(Ref(None, pod.run)))
            found = await self._create(pod, body)
            yield Step(stage=Stage.CREATE, message="RunPod has a machine", ref=str(Ref(found.id, pod.run, made=True)))
        else:
            runs_before = found.running and ref is not None and ref.run != pod.run and pod.status is Status.STARTING
            made = ref is not None and ref.run == pod.run and (ref.made or ref.pod is None)
            now = str(Ref(found.id, pod.run, made))
            yield Step(stage=Stage.CREATE, message="starting it at RunPod", ref=None if runs_before else now)
            if runs_before:
                found = await self._act(found, "restart")
                yield Step(stage=Stage.START, message="RunPod restarts it", ref=now)
            elif not found.running:
                found = await self._act(found, "start")
        begun, status = time.monotonic(), ""
        while not _is_up(found := await self._seen(pod, found), begun):
            _must_come(found, begun, self._pace.start)
            waited = int(time.monotonic() - begun)
            if found.status != status or waited % 10 == 0:
                status = found.status
                yield Step(stage=Stage.START, message=f"RunPod: {status.lower()} ({waited}s)")
            await asyncio.sleep(self._pace.looks)
        if pod.spec.gpu is not None and _without_gpu(found):
            raise NoCapacity(_NO_GPU)
        yield Step(
            stage=Stage.START,
            message="the container runs",
            fraction=1.0,
            upstreams=self._upstreams(pod, found),
            price_per_hour=found.cost,
            gpu=found.gpu.id if found.gpu is not None else None,
            stoppable="stop" in found.actions if found.actions else None,
        )

    async def _to_start(self, pod: Pod, ref: Ref | None) -> PodShape | None:
        """The pod that RunPod has already; None when one may be made."""
        if ref is None:
            return None  # no create was ever asked for
        if ref.pod is None:
            return await self._search(pod)
        known = await self._book.really(ref.pod)
        if known is not None and known.status != GONE:
            return known
        moved = await self._book.of(pod, 0)
        return moved[0] if moved else None

    async def _body(self, order: Order) -> dict[str, Any]:
        spec = order.pod.spec
        return orders.body(
            order,
            self._account,
            self._marks,
            flavor=await self._shop.flavor(spec) if spec.gpu is None else None,
            volume=await self._stock.volume(spec.network_volume) if spec.network_volume is not None else None,
            registry=await self._stock.registry(order.credential) if order.credential is not None else None,
        )

    async def _create(self, pod: Pod, body: dict[str, Any]) -> PodShape:
        """The new pod, of the first kind that RunPod has; when its answer is lost, it is looked for by its mark."""
        gpu = pod.spec.gpu
        tries: list[dict[str, Any]] = [{}]
        if gpu is not None:
            tries = [{"gpu": {"id": kind, "count": gpu.count}} for kind in gpu.types]
        lacking: list[str] = []
        for one in tries:
            try:
                return self._book.note(await self._api.post("pods", body | one))
            except NoCapacity as error:
                lacking.append(str(error))
            except Undecided:
                found = await self._search(pod)
                if found is None:
                    raise
                log.warning("pod %s: RunPod's answer was lost; it is %s there", pod.id, found.id)
                return found
        kinds = f" Tried: {', '.join(gpu.types)}." if gpu is not None and len(tries) > 1 else ""
        raise NoCapacity(f"{lacking[-1]}{kinds}")

    async def _search(self, pod: Pod) -> PodShape | None:
        """By its mark, several times: a list may be late, or only a part."""
        for _ in range(self._pace.searches):
            try:
                if found := await self._book.of(pod, 0):
                    return found[0]
            except Unavailable as error:
                log.warning("pod %s: RunPod is asked again whether it has it: %s", pod.id, error)
        return None

    async def _act(self, found: PodShape, action: str) -> PodShape:
        """Ask for a change of status; what has changed meanwhile is read again, and is as good."""
        try:
            return self._book.note(await self._api.post(f"pods/{found.id}/action", {"action": action}))
        except Undecided as error:
            now = await self._book.really(found.id)
            if now is None or (action == "start" and not now.running):
                raise error from None
            return now
        except Conflict as error:
            now = await self._book.really(found.id)
            if now is None or now.locked or (action == "start") != now.running:
                raise Conflict(f"{error}{' It is locked there; unlock it.' if now and now.locked else ''}") from None
            return now
        except NotFound:
            raise PodFailed(
                "It is gone at RunPod: somebody deleted it there. Terminate it and start a new one."
            ) from None

    async def _seen(self, pod: Pod, before: PodShape) -> PodShape:
        found = await self._book.of(pod, self._pace.looks)
        if found:
            return found[0]
        return await self._book.really(before.id) or (
            before.model_copy(update={"status": GONE}) if self._book.out(before.id) else before
        )

    # ending

    async def stop(self, pod: Pod, grace: float = 10) -> None:
        """See the seam. RunPod decides itself how long a container may take to end."""
        for found in await self._all(pod):
            if found.running:
                await self._stop(found)

    async def _stop(self, found: PodShape) -> None:
        if "stop" not in found.actions and found.actions:
            raise Conflict(
                f"RunPod does not let {found.id} be stopped now, only: {', '.join(found.actions)}. It costs "
                f"${found.cost or 0:.2f} an hour until then."
            )
        await self._act(found, "stop")
        await self._until(found.id, RESTING)

    async def abandon(self, pod: Pod) -> None:
        """See the seam."""
        ref = Ref.parse(pod.ref)
        made = ref is not None and ref.run == pod.run and (ref.made or ref.pod is None)
        await (self.terminate(pod) if made else self.stop(pod))

    async def terminate(self, pod: Pod) -> None:
        """See the seam."""
        for found in await self._all(pod):
            await self._api.delete(f"pods/{found.id}")
            await self._until(found.id, frozenset())
            self._book.forget(found.id)

    async def _all(self, pod: Pod) -> tuple[PodShape, ...]:
        """Everything that RunPod has of it: what is not in the list is asked for by its id, or looked for again."""
        ref = Ref.parse(pod.ref)
        if ref is None and pod.run == 1:
            return ()
        found = await self._book.of(pod, 0)
        if ref is not None and ref.pod is not None and all(one.id != ref.pod for one in found):
            really = await self._book.really(ref.pod)
            if really is not None and really.status != GONE:
                found = ordered([*found, really], ref.pod)
        elif not found and ref is not None:
            late = await self._search(pod)
            found = (late,) if late is not None else ()
        return found

    async def _until(self, ref: str, statuses: frozenset[str]) -> None:
        """Until it has one of these statuses, or is gone."""
        begun = time.monotonic()
        while True:
            now = (await self._book.look(0)).pods.get(ref) or await self._book.really(ref)
            if now is None or now.status == GONE or now.status in statuses:
                return
            if time.monotonic() - begun > self._pace.stop:
                raise Unavailable(f"RunPod still says {now.status} of {ref}, {self._pace.stop:.0f} s later.")

    # looking

    async def inspect(self, pod: Pod) -> Instance | None:
        """See the seam. What RunPod has said only once, that there is no such pod, is not believed yet."""
        ref = Ref.parse(pod.ref)
        if ref is None or ref.run != pod.run or ref.pod is None:
            return None
        self._own[pod.id] = ref.pod
        found = await self._book.of(pod, self._pace.looks)
        if found:
            return self._instance(pod.id, found[0], pod.run, pod)
        known = await self._book.really(ref.pod)
        if known is not None:
            return self._instance(pod.id, known, pod.run, pod) if known.status != GONE else None
        before = self._book.last(ref.pod)
        if self._book.out(ref.pod):
            return None
        if before is None:
            raise Unavailable(f"RunPod has no pod {ref.pod} at the moment. It is asked again before that is believed.")
        return self._instance(pod.id, before, pod.run, pod)

    async def list(self) -> tuple[Instance, ...]:
        """See the seam."""
        found: list[Instance] = []
        for pod_id, some in (await self._book.ours(self._pace.stale)).items():
            own = self._own.get(pod_id)
            for place, one in enumerate(ordered([one for one in some if one.status != GONE], own)):
                double = own is not None and place > 0 and one.running
                found.append(self._instance(pod_id, one, 0).model_copy(update={"double": double}))
        return tuple(found)

    async def halt(self, instance: Instance) -> None:
        """See the seam."""
        ref = Ref.parse(instance.ref)
        found = await self._book.really(ref.pod) if ref is not None and ref.pod is not None else None
        if found is not None and found.running:
            await self._stop(found)

    async def logs(self, pod: Pod, tail: int) -> str:
        """See the seam. RunPod's log goes on for ever: it is read until it is silent for a moment."""
        ref = Ref.parse(pod.ref)
        if ref is None or ref.pod is None or tail < 1:
            return ""
        params = {"source": "container", "tail": str(min(tail, 5000))}
        lines: list[str] = []
        try:
            async with self._api.stream(f"pods/{ref.pod}/logs", params) as events:
                while len(lines) < tail:
                    async with asyncio.timeout(self._pace.lines):
                        said = await anext(events, None)
                    if said is None:
                        break
                    line = parse_event(said)
                    if line is not None:
                        lines.append(line)
        except (TimeoutError, NotFound):
            pass
        return "".join(f"{line}\n" for line in lines[-tail:])

    async def usage(self, pod: Pod) -> Usage:
        """See the seam. RunPod tells what is at one moment, not an average."""
        ref = Ref.parse(pod.ref)
        if ref is None or ref.run != pod.run:
            return Usage()
        found = await self._book.of(pod, self._pace.stale)
        runtime = found[0].runtime if found else None
        if runtime is None:
            return Usage()
        shares = [share for gpu in runtime.gpus or () if (share := _share(gpu.util)) is not None]
        return Usage(
            cpu=_share(runtime.cpu.util if runtime.cpu is not None else None),
            memory=_share(runtime.memory.util if runtime.memory is not None else None),
            gpu=max(shares, default=None),
        )

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

    async def delete_volume(self, volume: Volume) -> None:
        """See the seam."""
        await self._stock.drop_volume(volume)

    # inside

    def _instance(self, pod_id: str, found: PodShape, run: int, pod: Pod | None = None) -> Instance:
        ref = Ref.parse(pod.ref) if pod is not None else None
        same = ref is not None and ref.pod == found.id
        return Instance(
            pod_id=pod_id,
            run=run,
            ref=str(ref) if same else str(Ref(found.id, run)),
            running=found.running,
            exit_code=0 if found.status == "EXITED" else None,
            upstreams=self._upstreams(pod, found) if pod is not None and found.running else {},
            resting=not found.running,
            words=None if found.running else _ENDED.get(found.status, f"RunPod says {found.status} of it."),
        )

    def _upstreams(self, pod: Pod, found: PodShape) -> dict[int, Upstream]:
        ports = {p.number: self._account.upstream(found.id, p.number) for p in pod.spec.ports if p.protocol == "http"}
        published = found.runtime.ports or () if found.runtime is not None else ()
        for one in published:
            if one.ip and one.public and one.private in pod.spec.tcp_ports:
                ports[one.private] = Upstream(host=one.ip, port=one.public, direct=True)
        return ports


def _is_up(found: PodShape, begun: float) -> bool:
    """It runs, and RunPod tells where its ports are, which it may do somewhat later."""
    return found.status == "RUNNING" and (found.runtime is not None or time.monotonic() - begun > _LATE)


def _must_come(found: PodShape, begun: float, patience: float) -> None:
    """PodFailed when it will not be running any more."""
    if found.status == GONE:
        raise PodFailed("RunPod has it no more: it was deleted there while it was being started.")
    if found.status in RESTING:
        raise PodFailed(f"It did not stay up. {_ENDED[found.status]}")
    if time.monotonic() - begun > patience:
        raise PodFailed(
            f"RunPod has not brought it up within {patience / 60:.0f} minutes ({found.status}). Its image may be too "
            "large or its name wrong; RunPod's console shows the system log."
        )


def _without_gpu(found: PodShape) -> bool:
    """RunPod resumes a pod without its GPU when its machine has none free (docs.runpod.io, zero-gpus)."""
    if found.gpu is None or found.gpu.count == 0:
        return True
    return found.runtime is not None and found.runtime.gpus is not None and not found.runtime.gpus


def _share(percent: float | None) -> float | None:
    return None if percent is None else min(1.0, max(0.0, percent / 100))
