"""The reaper: looks at the traffic of every running pod, and has those stopped that nobody uses."""

import logging
from datetime import datetime

from core.errors import Unavailable
from core.gateway.base import Gateway
from core.idle import Decision, Evidence, gather, verdict
from core.launcher import Launcher
from core.model import Frozen, Pod, Status, Traffic, route_key
from core.store import Store

log = logging.getLogger("podkeeper.reaper")


class Tick(Frozen):
    """What one tick saw and decided; pod ids."""

    looked: int = 0
    in_use: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    """Their counters could not be read: they are left alone."""
    stopping: tuple[str, ...] = ()


class Reaper:
    """Decides; the launcher acts. A tick writes only what changed."""

    def __init__(self, store: Store, gateway: Gateway, launcher: Launcher) -> None:
        self._store = store
        self._gateway = gateway
        self._launcher = launcher

    async def tick(self, now: datetime, *, act: bool = True) -> Tick:
        """Look once at every running pod. Counters that cannot be read stop nothing; without `act` nothing does."""
        traffic = await self._read()
        seen = await self._store.seen_traffic()
        pods = [pod for pod in await self._store.pods(status={Status.RUNNING}) if not self._launcher.carrying(pod.id)]
        in_use: list[str] = []
        unseen: list[str] = []
        stopping: list[str] = []
        for pod in pods:
            evidence = gather(pod.id, pod.spec, seen, traffic)
            last = pod.last_active_at or pod.ready_at or now
            if evidence.in_use:
                last = now
                in_use.append(pod.id)
                await self._store.amend(pod.id, pod.run, {Status.RUNNING}, last_active_at=now)
            if evidence.missing:
                unseen.append(pod.id)
            decided = verdict(pod.spec, last, evidence, now)
            if act and decided.decision is Decision.STOP:
                stopping.append(pod.id)
                self._launcher.retire(pod, decided, self._look_again)
        if traffic is not None:
            runs = {route_key(pod.id, port): pod.run for pod in pods for port in pod.spec.http_ports}
            await self._store.save_traffic(runs, traffic)
        return Tick(looked=len(pods), in_use=tuple(in_use), unseen=tuple(unseen), stopping=tuple(stopping))

    async def _look_again(self, pod: Pod) -> Evidence:
        """One more look at one pod, against what the last tick saved; Unavailable when it cannot be taken."""
        traffic = await self._gateway.traffic()
        return gather(pod.id, pod.spec, await self._store.seen_traffic(), traffic)

    async def _read(self) -> Traffic | None:
        try:
            return await self._gateway.traffic()
        except Unavailable as error:
            log.warning("the traffic cannot be read, so no pod is stopped: %s", error)
            return None
