"""The witness: asks the gateway and the engine what pods are doing, and makes evidence of it."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime

from core.engines.base import Engine, Usage
from core.errors import PodError, Unavailable
from core.gateway.base import Gateway
from core.idle import Evidence, UsageEvidence, gather, weigh
from core.model import Frozen, Pod, Reading, Traffic, route_key
from core.store import Store

log = logging.getLogger("podkeeper.witness")


class Look(Frozen):
    """One look at some pods."""

    evidence: Mapping[str, Evidence]
    """By pod id."""
    readings: Mapping[str, Reading]
    """What to remember anew, by pod port; those that could not be read, or stay as they were, are not among them."""


class Witness:
    """Looks, and changes nothing but its own memory of since when something has been missing."""

    def __init__(self, store: Store, gateway: Gateway, engine: Engine) -> None:
        self._store = store
        self._gateway = gateway
        self._engine = engine
        self._missing: dict[str, datetime] = {}
        self._shares: dict[str, Usage] = {}

    def share(self, pod_id: str) -> Usage:
        """What the last tick heard from the engine; nothing but None of a pod whose rule does not ask."""
        return self._shares.get(pod_id, Usage())

    async def tick(self, pods: Iterable[Pod], now: datetime) -> Look:
        """The look of a tick, at all pods: the engine's shares are those since the tick before."""
        pods = tuple(pods)
        asked = [pod for pod in pods if pod.spec.idle.busy_above]
        shares = await asyncio.gather(*(self._usage(pod) for pod in asked))
        self._shares = {pod.id: share for pod, share in zip(asked, shares, strict=True)}
        look = await self._look(pods, await self._traffic(), now)
        self._missing = {
            name: self._missing.get(name, now)
            for pod_id, evidence in look.evidence.items()
            for name in _missing(pod_id, evidence)
        }
        return look

    async def look(self, pod: Pod, now: datetime, *, ask: bool = False) -> Evidence:
        """One pod, against what the last tick saw; with the engine's shares of that tick, unless it is to be asked.

        It is asked anyway about a pod that no tick has seen yet.
        """
        if pod.spec.idle.busy_above and (ask or pod.id not in self._shares):
            self._shares[pod.id] = await self._usage(pod)
        return (await self._look((pod,), await self._traffic(), now)).evidence[pod.id]

    async def _look(self, pods: Iterable[Pod], traffic: Traffic | None, now: datetime) -> Look:
        known = await self._store.readings()
        evidence: dict[str, Evidence] = {}
        readings: dict[str, Reading] = {}
        for pod in pods:
            usage = self._weigh(pod, now) if pod.spec.idle.busy_above else ()
            evidence[pod.id], found = gather(pod, known, traffic, now, missing_since=self._missing, usage=usage)
            readings |= {key: reading for key, reading in found.items() if reading is not known.get(key)}
        return Look(evidence=evidence, readings=readings)

    def _weigh(self, pod: Pod, now: datetime) -> tuple[UsageEvidence, ...]:
        share = self._shares.get(pod.id, Usage())
        since = {what: at for what in ("cpu", "memory", "gpu") if (at := self._missing.get(f"{pod.id} {what}"))}
        return weigh(pod.spec.idle, dict(share), since, now, gpus=pod.spec.gpu is not None)

    async def _traffic(self) -> Traffic | None:
        try:
            return await self._gateway.traffic()
        except Unavailable as error:
            log.warning("the traffic cannot be read, so no pod is stopped for its silence: %s", error)
            return None

    async def _usage(self, pod: Pod) -> Usage:
        try:
            return await self._engine.usage(pod)
        except PodError as error:
            log.warning("pod %s: the engine does not tell what it uses: %s", pod.id, error)
            return Usage()


def _missing(pod_id: str, evidence: Evidence) -> list[str]:
    found = [route_key(pod_id, p.port) for p in evidence.ports if p.missing]
    return found + [f"{pod_id} {u.what}" for u in evidence.usage if u.share is None]
