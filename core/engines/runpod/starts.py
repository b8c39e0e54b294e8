"""One start at RunPod: the pod that is there already, or a new one, until it runs."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from typing import Any

from core.engines.base import Order, Step
from core.engines.runpod import orders
from core.engines.runpod.account import Account, Pace
from core.engines.runpod.acts import Acts
from core.engines.runpod.book import Book
from core.engines.runpod.client import Api
from core.engines.runpod.marks import Marks, Ref
from core.engines.runpod.problems import Undecided
from core.engines.runpod.shapes import GONE, RESTING, PodShape
from core.engines.runpod.shop import Shop
from core.engines.runpod.stock import Stock
from core.engines.runpod.views import ENDED, upstreams
from core.errors import NoCapacity, PodFailed
from core.model import Pod, Stage, Status

log = logging.getLogger(__name__)

NO_GPU = (
    "RunPod started it without its GPU: the machine that holds its disk has none free now. It was stopped again, and "
    "its volume disk is kept. Resume it later, or terminate it and start a new one on another machine."
)


class Starts:
    """As `Engine.start`."""

    def __init__(
        self, api: Api, book: Book, acts: Acts, shop: Shop, stock: Stock, marks: Marks, account: Account, pace: Pace
    ) -> None:
        self._api = api
        self._book = book
        self._acts = acts
        self._shop = shop
        self._stock = stock
        self._marks = marks
        self._account = account
        self._pace = pace

    async def run(self, order: Order) -> AsyncGenerator[Step]:
        """The steps of it."""
        pod, ref = order.pod, Ref.parse(order.pod.ref)
        yield Step(stage=Stage.PULL, message="looking for the pod at RunPod")
        found = await self._there(pod, ref)
        if found is None:
            body = await self._body(order)
            yield Step(stage=Stage.CREATE, message="asking RunPod for a machine", ref=str(Ref(None, pod.run)))
            found = await self._create(pod, body)
            yield Step(stage=Stage.CREATE, message="RunPod has a machine", ref=str(Ref(found.id, pod.run, made=True)))
        else:
            # A restart finds the run before it; its reference stays until RunPod has begun the next one.
            restarts = found.running and ref is not None and ref.run != pod.run and pod.status is Status.STARTING
            made = ref is not None and ref.run == pod.run and (ref.made or ref.pod is None)
            now = str(Ref(found.id, pod.run, made))
            yield Step(stage=Stage.CREATE, message="starting it at RunPod", ref=None if restarts else now)
            if restarts:
                found = await self._acts.act(found, "restart")
                yield Step(stage=Stage.START, message="RunPod restarts it", ref=now)
            elif not found.running:
                found = await self._acts.act(found, "start")
        begun, told = time.monotonic(), ""
        while not self._is_up(pod, found := await self._seen(pod, found), time.monotonic() - begun):
            waited = time.monotonic() - begun
            self._must_come(found, waited)
            words = f"RunPod: {found.status.lower()} ({waited:.0f}s)"
            if words != told:
                told = words
                yield Step(stage=Stage.START, message=words)
            await asyncio.sleep(self._pace.looks)
        if pod.spec.gpu is not None and _without_gpu(found):
            raise NoCapacity(NO_GPU)
        yield Step(
            stage=Stage.START,
            message="the container runs",
            fraction=1.0,
            upstreams=upstreams(pod, found, self._account),
            price_per_hour=found.cost,
            gpu=found.gpu.id if found.gpu is not None else None,
            stoppable="stop" in found.actions if found.actions else None,
        )

    async def _there(self, pod: Pod, ref: Ref | None) -> PodShape | None:
        """The pod that RunPod has already; None when one may be made."""
        if ref is None:
            return None  # no create was ever asked for
        if ref.pod is None:
            return await self._acts.search(pod)
        known = await self._book.really(ref.pod)
        if known is not None and known.status != GONE:
            return known
        moved = await self._book.of(pod, 0)
        if moved:
            return moved[0]
        if ref.run == pod.run or pod.spec.volume is not None:
            lost = ", its volume disk with it" if pod.spec.volume is not None else ""
            raise PodFailed(f"It is gone at RunPod: it was deleted there{lost}. Terminate it and start a new one.")
        return None  # a new one has all that it had

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
        lacking = ""
        for one in tries:
            try:
                return self._book.note(await self._api.post("pods", body | one))
            except NoCapacity as error:
                lacking = str(error)
            except Undecided:
                found = await self._acts.search(pod)
                if found is None:
                    raise
                log.warning("pod %s: RunPod's answer was lost; it is %s there", pod.id, found.id)
                return found
        kinds = f" Tried: {', '.join(gpu.types)}." if gpu is not None and len(tries) > 1 else ""
        raise NoCapacity(f"{lacking}{kinds}")

    def _is_up(self, pod: Pod, found: PodShape, waited: float) -> bool:
        """It runs, and RunPod tells what it tells of a running pod somewhat later."""
        told = found.runtime is not None and not (pod.spec.gpu is not None and _without_gpu(found))
        return found.status == "RUNNING" and (told or waited > self._pace.late)

    def _must_come(self, found: PodShape, waited: float) -> None:
        """PodFailed when it will not be running any more."""
        if found.status == GONE:
            raise PodFailed("RunPod has it no more: it was deleted there while it was being started.")
        if found.status in RESTING and waited > self._pace.lag:
            raise PodFailed(f"It did not stay up. {ENDED[found.status]}")
        if waited > self._pace.start:
            raise PodFailed(
                f"RunPod has not brought it up within {self._pace.start / 60:.0f} minutes ({found.status}). Its image "
                "may be too large or its name wrong; RunPod's console shows the system log."
            )

    async def _seen(self, pod: Pod, before: PodShape) -> PodShape:
        found = await self._book.of(pod, self._pace.looks)
        if found:
            return found[0]
        return await self._book.really(before.id) or (
            before.model_copy(update={"status": GONE}) if self._book.out(before.id) else before
        )


def _without_gpu(found: PodShape) -> bool:
    """RunPod resumes a pod without its GPU when its machine has none free (docs.runpod.io, zero-gpus)."""
    if found.gpu is None or found.gpu.count == 0:
        return True
    return found.runtime is not None and found.runtime.gpus is not None and not found.runtime.gpus
