"""The reconciler: makes rows and engine agree again after anything that went past us."""

import logging
from datetime import datetime

from core.engines.base import Engine, Instance
from core.errors import PodError, Unavailable
from core.launcher import Launcher
from core.model import Draft, Frozen, Pod, Status
from core.store import Store

log = logging.getLogger("podkeeper.reconciler")


class Mended(Frozen):
    """What one tick found amiss; pod ids."""

    taken_up: tuple[str, ...] = ()
    """Rows under way that nobody carried."""
    ended: tuple[str, ...] = ()
    """Running rows whose container had ended or vanished."""
    leftovers: tuple[str, ...] = ()
    """Containers of pods that hold no compute: being removed."""
    orphans: tuple[str, ...] = ()
    """Containers of ours that no row claims: halted, and told."""
    moved: tuple[str, ...] = ()
    """Running rows whose container the engine has put elsewhere: their addresses lead there now."""


class Reconciler:
    """Half-done, vanished and orphaned pods. Knows nothing when the engine does not answer, and then does nothing."""

    def __init__(self, store: Store, engine: Engine, launcher: Launcher) -> None:
        self._store = store
        self._engine = engine
        self._launcher = launcher

    async def tick(self, now: datetime, *, alone: bool = False) -> Mended:
        """Look at everything once. `alone`: nobody else can hold a lease (at start), so none is waited for."""
        taken_up = await self._take_up(now, alone)
        try:
            instances = await self._engine.list()
        except PodError as error:
            log.warning("the engine cannot tell what it has, so nothing is concluded: %s", error)
            return Mended(taken_up=taken_up)
        # Rows are read after the instances: what was there then has a row by now.
        rows = {pod.id: pod for pod in await self._store.pods(status=frozenset(Status) - {Status.TERMINATED})}
        leftovers: list[str] = []
        orphans: list[str] = []
        for instance in instances:
            pod = rows.get(instance.pod_id) or await self._store.pod(instance.pod_id)
            if pod is None or instance.double:
                if instance.running and await self._orphan(instance, now):
                    orphans.append(instance.pod_id)
            elif instance.resting and pod.status is not Status.TERMINATED:
                continue
            elif not pod.status.holds_compute and not self._launcher.carrying(pod.id):
                log.warning("pod %s (%s) is %s, but something of it is left: removing it", pod.id, pod.name, pod.status)
                self._launcher.clear(pod)
                leftovers.append(pod.id)
        alive = {instance.pod_id: instance for instance in instances if instance.running and not instance.double}
        running = [pod for pod in rows.values() if pod.status is Status.RUNNING and pod.id not in alive]
        ended = [pod.id for pod in running if await self._look(pod)]
        moved = [pod.id for pod in rows.values() if await self._moved(pod, alive.get(pod.id), now)]
        return Mended(
            taken_up=taken_up,
            ended=tuple(ended),
            leftovers=tuple(leftovers),
            orphans=tuple(orphans),
            moved=tuple(moved),
        )

    async def look(self, pod_id: str) -> bool:
        """Look at one pod now, because the engine told that it ended; True when it did."""
        pod = await self._store.pod(pod_id)
        return pod is not None and pod.status is Status.RUNNING and await self._look(pod)

    async def _look(self, pod: Pod) -> bool:
        try:
            instance = await self._engine.inspect(pod)
        except Unavailable:
            return False
        current = await self._store.pod(pod.id)
        still = current is not None and current.status is Status.RUNNING and current.run == pod.run
        if not still or (instance is not None and instance.running) or self._launcher.carrying(pod.id):
            return False
        self._launcher.collapse(pod, instance)
        return True

    async def _moved(self, pod: Pod, instance: Instance | None, now: datetime) -> bool:
        """Follow a running pod to where the engine has put it: its id and its addresses stay."""
        if instance is None or instance.ref == pod.ref or pod.status is not Status.RUNNING:
            return False
        try:
            instance = await self._engine.inspect(pod)
        except PodError:
            return False
        if instance is None or not instance.running or instance.ref == pod.ref or self._launcher.carrying(pod.id):
            return False
        reason = f"The engine has put it elsewhere ({instance.ref}); its web addresses are the same."
        draft = Draft(kind="pod.moved", actor="reconciler", via="reconciler", data={"reason": reason})
        changes = {"ref": instance.ref, "upstreams": dict(instance.upstreams)}
        current = await self._store.amend(
            pod.id, pod.run, {Status.RUNNING}, told=(draft, now), same={"ref": pod.ref}, **changes
        )
        if current is None:
            return False
        log.warning("pod %s (%s): %s", pod.id, pod.name, reason)
        try:
            await self._launcher.reroute(current)
        except PodError as error:
            log.warning("pod %s: its addresses do not lead there yet: %s", pod.id, error)
        return True

    async def _take_up(self, now: datetime, alone: bool) -> tuple[str, ...]:
        under_way = await self._store.pods(status={s for s in Status if s.under_way})
        taken: list[str] = []
        for pod in under_way:
            leased = not alone and self._launcher.leased_elsewhere(pod, now)
            if not leased and not self._launcher.carrying(pod.id):
                log.info("pod %s (%s): taking it up again at %s", pod.id, pod.name, pod.status)
                self._launcher.carry(pod)
                taken.append(pod.id)
        return tuple(taken)

    async def _orphan(self, instance: Instance, now: datetime) -> bool:
        log.warning("%s carries our label, but no pod %s is known: halting it", instance.ref, instance.pod_id)
        try:
            await self._engine.halt(instance)
        except PodError as error:
            log.warning("orphan %s: %s", instance.ref, error)
            return False
        reason = f"{instance.ref} ran without a pod that claims it; it was halted and left for you to look at."
        draft = Draft(kind="pod.orphan", actor="reconciler", via="reconciler", data={"reason": reason})
        await self._store.record(instance.pod_id, "default", instance.run, draft, now)
        return True
