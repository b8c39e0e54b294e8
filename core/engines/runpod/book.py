"""The book of pods: one look at RunPod's list serves everybody who asks meanwhile, and no part of it is believed."""

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from core.engines.runpod.account import Pace
from core.engines.runpod.client import Api
from core.engines.runpod.marks import Marks, Ref
from core.engines.runpod.shapes import GONE, PodShape, read, read_list
from core.errors import NotFound
from core.model import Pod

MOST_SINGLES = 10
"""Pods that a list may lack before it is the list that is not believed."""


@dataclass(frozen=True)
class Snapshot:
    """What RunPod listed at one moment."""

    at: float
    pods: Mapping[str, PodShape]
    """By RunPod's id, all of the account."""
    ours: Mapping[str, tuple[PodShape, ...]]
    """By the id of our pod, whose mark they carry."""


@dataclass
class _Strike:
    """RunPod has said of a pod that it is not there."""

    first: float
    latest: float


class Book:
    """Looks at the list no more often than `Pace.looks`, however many ask."""

    def __init__(self, api: Api, marks: Marks, pace: Pace) -> None:
        self._api = api
        self._marks = marks
        self._pace = pace
        self._turn = asyncio.Lock()
        self._latest: Snapshot | None = None
        self._noted: dict[str, tuple[float, PodShape]] = {}
        self._last: dict[str, PodShape] = {}
        """What was last known of each pod, listed now or not."""
        self._singles = 0
        self._strikes: dict[str, _Strike] = {}

    async def look(self, max_age: float) -> Snapshot:
        """A list no older than so many seconds; PodErrors as the API."""
        asked = time.monotonic()
        if self._latest is not None and self._latest.at >= asked - max_age:
            return self._latest  # whoever is content with it does not wait for those that wait for a newer one
        async with self._turn:
            latest = self._latest
            if latest is not None:
                if latest.at >= asked - max_age:
                    return latest
                # Somebody waits for a start or an end, and so may many others: all of them wait for this one look.
                await asyncio.sleep(max(0.0, latest.at + self._pace.looks - time.monotonic()))
            begun = time.monotonic()
            found = read_list(PodShape, await self._api.get("pods"), "pods")
            self._latest = self._snapshot(begun, found)
            self._last |= self._latest.pods
            self._singles = 0
            self._noted = {ref: noted for ref, noted in self._noted.items() if noted[0] > begun}
            for ref in self._latest.pods:
                self._strikes.pop(ref, None)
            return self._latest

    def note(self, answer: object) -> PodShape:
        """Remember what RunPod has just said of one pod: newer than the list, for now."""
        pod = read(PodShape, answer)
        self._noted[pod.id] = (time.monotonic(), pod)
        self._last[pod.id] = pod
        self._strikes.pop(pod.id, None)
        return pod

    def forget(self, ref: str) -> None:
        """It has just been deleted."""
        self._noted.pop(ref, None)
        self._last.pop(ref, None)
        if self._latest is not None and ref in self._latest.pods:
            left = [pod for pod in self._latest.pods.values() if pod.id != ref]
            self._latest = self._snapshot(self._latest.at, left)

    async def ours(self, max_age: float) -> dict[str, tuple[PodShape, ...]]:
        """Everything that carries a mark of ours, by the id of our pod; `max_age` is of the list."""
        snapshot = await self.look(max_age)
        found = dict(snapshot.ours)
        for _, noted in self._noted.values():
            pod_id = self._mark(noted)
            if pod_id is not None:
                found[pod_id] = (noted, *(one for one in found.get(pod_id, ()) if one.id != noted.id))
        return found

    async def of(self, pod: Pod, max_age: float) -> tuple[PodShape, ...]:
        """What RunPod has of a pod of ours: by its mark and by its reference, its own one first; empty: not listed."""
        ref = Ref.parse(pod.ref)
        snapshot = await self.look(max_age)
        found = {one.id: one for one in snapshot.ours.get(pod.id, ())}
        own = ref.pod if ref is not None else None
        if own is not None and own in snapshot.pods:
            found[own] = snapshot.pods[own]
        for _, noted in self._noted.values():
            if noted.id in found or noted.id == own or self._mark(noted) == pod.id:
                found[noted.id] = noted
        return ordered([one for one in found.values() if one.status != GONE], own)

    async def really(self, ref: str) -> PodShape | None:
        """What RunPod says of this one, asked for by itself; None when it says that there is none."""
        try:
            return self.note(await self._api.get(f"pods/{ref}"))
        except NotFound:
            self._strike(ref)
            return None

    async def missed(self, ref: str) -> PodShape | None:
        """As `really`, of one that the list lacks. Where the list lacks many, RunPod is not asked about each of them:
        then it is the list that is wrong, and what was last known of a pod is all that is known."""
        self._singles += 1
        last = self._last.get(ref)
        if self._singles > MOST_SINGLES and last is not None:
            return last
        return await self.really(ref)

    def out(self, ref: str) -> bool:
        """RunPod has said twice, some time apart, that it has no such pod; and it does list others.

        An empty list says nothing: the key may be another account's.
        """
        strike = self._strikes.get(ref)
        return (
            strike is not None
            and strike.latest - strike.first >= self._pace.strikes
            and self._latest is not None
            and bool(self._latest.pods)
        )

    def last(self, ref: str) -> PodShape | None:
        """What was last known of it."""
        return self._last.get(ref)

    def _mark(self, pod: PodShape) -> str | None:
        return self._marks.of(pod.name, pod.env)

    def _snapshot(self, at: float, found: Collection[PodShape]) -> Snapshot:
        ours: dict[str, tuple[PodShape, ...]] = {}
        for one in found:
            pod_id = self._mark(one)
            if pod_id is not None:
                ours[pod_id] = (*ours.get(pod_id, ()), one)
        return Snapshot(at, {one.id: one for one in found}, ours)

    def _strike(self, ref: str) -> None:
        now = time.monotonic()
        self._strikes.setdefault(ref, _Strike(now, now)).latest = now


def ordered(found: Collection[PodShape], own: str | None) -> tuple[PodShape, ...]:
    """The pod's own one first: that of its reference while it runs, else one that runs (RunPod moves a pod to another
    machine under a new id), else that of its reference."""
    return tuple(sorted(found, key=lambda one: (not one.running, one.id != own, one.id)))
