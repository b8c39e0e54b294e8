"""Keeping: promises that a pod is wanted, signs of life from inside it, and why it is, or is not, idle."""

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

from core.errors import InvalidInput
from core.idle import Verdict, explain, life_is_ending, verdict
from core.launcher import keepalive_token
from core.model import Action, Caller, Draft, Frozen, Pod, Status
from core.policy import moved_on
from core.progress import Board
from core.service.pods import PodService
from core.store import Store
from core.store.whole import whole
from core.units import parse_duration
from core.witness import Witness

LONGEST = timedelta(days=30)
_TOO_LONG = "keep: at most 30d at a time. For a pod that never stops, start it with --idle 0."
OFTEN = timedelta(seconds=1)
"""A pod that says so more often than this costs no more writes."""
_KEEPABLE = {Status.PROVISIONING, Status.STARTING, Status.RUNNING}


class Why(Frozen):
    """How it is with a pod's use, in words and as data."""

    pod: Pod
    text: str
    """Its times are UTC."""
    verdict: Verdict | None = None
    """None: it does not run, so there is nothing to decide."""
    at: datetime

    def told(self, clock: Callable[[datetime], str]) -> str:
        """`text`, with its times written by this clock."""
        return self.text if self.verdict is None else explain(self.pod, self.verdict, self.at, clock)


class Keeping:
    """Only PodErrors come out."""

    def __init__(
        self, store: Store, pods: PodService, witness: Witness, board: Board, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._pods = pods
        self._witness = witness
        self._board = board
        self._now = now

    async def keep(self, caller: Caller, reference: str, duration: str) -> Pod:
        """Keep it for so long from now, whatever its traffic; `0` takes the promise back. A warning is withdrawn.

        `max_lifetime` is not moved. InvalidInput (no duration, or more than 30 days), Conflict (it does not run).
        """
        pod = await self._pods.may(caller, reference, Action.KEEP)
        length = parse_duration(duration, "keep", "no longer")
        if length > LONGEST:
            raise InvalidInput(_TOO_LONG)
        return await self._keep(caller, pod, self._now() + length if length else None)

    async def keep_until(self, caller: Caller, reference: str, until: datetime) -> Pod:
        """As `keep`, until a time. InvalidInput for one that is past, or more than 30 days away."""
        pod = await self._pods.may(caller, reference, Action.KEEP)
        if until <= self._now():
            raise InvalidInput(f"keep: that time is past. Keep {pod.name} for so long from now, for example 2h.")
        if until - self._now() > LONGEST:
            raise InvalidInput(_TOO_LONG)
        return await self._keep(caller, pod, until)

    @whole
    async def _keep(self, caller: Caller, pod: Pod, until: datetime | None) -> Pod:
        now = self._now()
        data = caller.signature | {"until": until.isoformat() if until is not None else None}
        kept = await self._store.amend(
            pod.id,
            pod.run,
            _KEEPABLE,
            told=(Draft(kind="pod.kept", actor=caller.person, via=caller.via, data=data), now),
            keep_until=until,
            kept_by=caller.name if until is not None else None,
            # Otherwise it stays as it is, which may be newer than what we have read.
            **({"warned_at": None} if until is not None and not life_is_ending(pod, now) else {}),
        )
        if kept is None:
            raise moved_on(pod)
        self._board.ring(pod.id)
        return kept

    async def why(self, caller: Caller, reference: str) -> Why:
        """What counts as use now, what does not, which witness is missing, and when it will stop."""
        pod, now = await self._pods.get(caller, reference), self._now()
        if pod.status is not Status.RUNNING:
            told = f": {pod.reason.splitlines()[0]}" if pod.reason else ""
            return Why(pod=pod, text=f"not running ({pod.status}){told}", at=now)
        evidence = await self._witness.look(pod, now)
        if evidence.in_use:
            pod = pod.model_copy(update={"last_active_at": now})
        decided = verdict(pod, evidence, now)
        return Why(pod=pod, text=explain(pod, decided, now), verdict=decided, at=now)

    async def beat(self, token: str) -> bool:
        """The pod whose keep-alive address carries this token says that it is in use; False: there is none."""
        pod_id = token.partition("-")[0]
        if not hmac.compare_digest(token.encode(), keepalive_token(pod_id, self._store).encode()):
            return False
        pod, now = await self._store.pod(pod_id), self._now()
        if pod is None or pod.status not in _KEEPABLE:
            return False
        if pod.status is not Status.RUNNING:
            return True  # silence has not begun, and a script that says so early is not told that it is wrong
        if pod.heartbeat_at is not None and timedelta() <= now - pod.heartbeat_at < OFTEN:
            return True
        return await self._store.beat(pod_id, now)
