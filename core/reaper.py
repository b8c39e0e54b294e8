"""The reaper: looks at every running pod, warns the owners of those that nobody uses, and has them stopped."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from core.idle import Decision, Verdict, life_is_ending, verdict
from core.launcher import Launcher
from core.model import Draft, Frozen, IdleAction, Pod, Status
from core.progress import Board
from core.store import Store
from core.witness import Witness

log = logging.getLogger("podkeeper.reaper")

JUMP = timedelta(seconds=3)
"""A wall clock that differs by less from the monotonic one is being put right, not set."""


class Tick(Frozen):
    """What one tick saw and decided; pod ids."""

    looked: int = 0
    in_use: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    """A witness of theirs is missing: they are left alone."""
    warned: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    """Their warning is void: they are used again, or kept."""
    stopping: tuple[str, ...] = ()


class Reaper:
    """Decides; the launcher acts. A tick writes only what changed."""

    def __init__(self, store: Store, witness: Witness, launcher: Launcher, board: Board) -> None:
        self._store = store
        self._witness = witness
        self._launcher = launcher
        self._board = board
        self._before: tuple[datetime, float] | None = None
        self._beats: dict[tuple[str, int], datetime | None] = {}
        """The last sign of life of each run, as of the last tick."""

    async def tick(self, now: datetime, uptime: float | None = None, *, act: bool = True) -> Tick:
        """Look once at every running pod; without `act` nobody is warned and nothing stopped.

        `uptime`: seconds of a clock that nobody sets and that stands while the machine sleeps. Where the wall clock
        has gone another way since the last tick, the difference counts neither as use nor as silence.
        """
        await self._mind_the_gap(now, now.timestamp() if uptime is None else uptime)
        running = await self._store.pods(status={Status.RUNNING})
        self._beats = {(pod.id, pod.run): pod.heartbeat_at for pod in running}
        pods = [pod for pod in running if not self._launcher.carrying(pod.id)]
        look = await self._witness.tick(pods, now)
        used = {pod.id: pod.run for pod in pods if look.evidence[pod.id].in_use}
        await self._store.saw_use(used, now)
        warned: list[str] = []
        withdrawn: list[str] = []
        stopping: list[str] = []
        for pod in pods:
            current = pod.model_copy(update={"last_active_at": now}) if pod.id in used else pod
            decided = verdict(current, look.evidence[pod.id], now)
            # A warning from before counters were lost is void; where this look may not give it again, the next one may.
            void = not act and current.warned_at is not None and decided.evidence.reset
            if (decided.withdraws or void) and await self._withdraw(current, now):
                withdrawn.append(pod.id)
            if not act:
                continue
            if decided.decision is Decision.WARN:
                if await self._warn(current, decided, now):
                    warned.append(pod.id)
            elif decided.decision is Decision.STOP:
                stopping.append(pod.id)
                self._launcher.retire(pod, self._look_again(now))
        await self._store.save_readings(look.readings)
        return Tick(
            looked=len(pods),
            in_use=tuple(used),
            unseen=tuple(pod.id for pod in pods if look.evidence[pod.id].missing),
            warned=tuple(warned),
            withdrawn=tuple(withdrawn),
            stopping=tuple(stopping),
        )

    async def propose(self, now: datetime, after: timedelta) -> tuple[str, ...]:
        """Ask, once, the owners of pods stopped for `after` (zero: never) whether they may be deleted; the pods' ids.

        Nothing is deleted without a yes.
        """
        asked: list[str] = []
        for pod in await self._store.pods(status={Status.EXITED}) if after else ():
            if pod.proposed_at is None and pod.ended_at is not None and now - pod.ended_at >= after:
                data = {"since": pod.ended_at.isoformat(), "volume": pod.spec.volume}
                draft = Draft(kind="pod.forget_proposed", actor="reaper", via="reaper", data=data)
                if await self._store.amend(pod.id, pod.run, {Status.EXITED}, told=(draft, now), proposed_at=now):
                    asked.append(pod.id)
                    self._board.ring(pod.id)
        return tuple(asked)

    async def _mind_the_gap(self, now: datetime, uptime: float) -> None:
        if self._before is None:
            await self._come_back(now)
        else:
            gap = (now - self._before[0]) - timedelta(seconds=uptime - self._before[1])
            if abs(gap) >= JUMP:
                log.warning("the clock jumped by %s, or the machine slept; that counts as no idle time", gap)
                await self._shift(gap, self._before[0], now)
        self._before = (now, uptime)

    async def _come_back(self, now: datetime) -> None:
        """What was seen later than now was seen by a clock that has been set back since: the last of it is now."""
        pods = await self._store.pods(status={Status.RUNNING})
        stamps = [at for pod in pods for at in (pod.last_active_at, pod.heartbeat_at, pod.warned_at) if at is not None]
        gap = now - max(stamps, default=now)
        if gap <= -JUMP:
            log.warning("the clock was set back by %s or more while nobody looked; that counts as no time", -gap)
            await self._store.shift(gap)

    async def _shift(self, gap: timedelta, before: datetime, now: datetime) -> None:
        pods = await self._store.pods(status={Status.RUNNING})
        # Who became ready, or said that it is in use, since the tick before may have been stamped by either clock.
        known = {pod.id for pod in pods if self._beats.get((pod.id, pod.run), pod) == pod.heartbeat_at}
        # A notice warns of nothing. Were it moved near the end of life, it would pass for the warning of that.
        telling = [pod for pod in pods if pod.spec.idle.action is IdleAction.NOTIFY]
        noticed = [pod.id for pod in telling if not life_is_ending(pod, before)]
        await self._store.shift(gap, {pod.id: now for pod in pods if pod.id not in known}, noticed)

    def _look_again(self, now: datetime) -> Callable[[Pod], Awaitable[Verdict]]:
        async def look(pod: Pod) -> Verdict:
            return verdict(pod, await self._witness.look(pod, now, ask=True), now)

        return look

    async def _warn(self, pod: Pod, decided: Verdict, now: datetime) -> bool:
        kind = "pod.idle_notice" if decided.action is IdleAction.NOTIFY else "pod.idle_warning"
        data: dict[str, object] = {"reason": decided.reason, "action": decided.action}
        data["by_lifetime"] = decided.by_lifetime
        if decided.deadline is not None:
            data["deadline"] = decided.deadline.isoformat()
        draft = Draft(kind=kind, actor="reaper", via="reaper", data=data)
        return await self._tell(pod, draft, now, warned_at=now)

    async def _withdraw(self, pod: Pod, now: datetime) -> bool:
        draft = Draft(kind="pod.warning_withdrawn", actor="reaper", via="reaper")
        return await self._tell(pod, draft, now, warned_at=None)

    async def _tell(self, pod: Pod, draft: Draft, now: datetime, *, warned_at: datetime | None) -> bool:
        """False when somebody has kept the pod, or moved it, since the tick read it: the next tick sees how it is."""
        same = {"keep_until": pod.keep_until, "warned_at": pod.warned_at}
        expect = {Status.RUNNING}
        told = await self._store.amend(pod.id, pod.run, expect, told=(draft, now), same=same, warned_at=warned_at)
        if told is not None:
            self._board.ring(pod.id)
        return told is not None
