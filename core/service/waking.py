"""Waking: what a visitor of a stopped pod's address may know of it, and may do."""

import hmac
import ipaddress
import math
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta

from core.engines.base import Engine
from core.errors import Conflict, Forbidden, NoCapacity, NotFound, PodError, QuotaExceeded, Unavailable
from core.model import Cause, Frozen, Ignore, Pod, Progress, Stage, Status, Wake
from core.progress import Board
from core.service.pods import PodService
from core.store import Store
from core.units import format_duration

WAKES_PER_POD = 6
WAKES_PER_VISITOR = 20
HOUR = timedelta(hours=1)
TICKET_LIFE = HOUR
_REMEMBERED = 10_000
"""Pods and visitors each, that is."""
_STAGES = {
    Stage.PULL: (0.0, 0.55, "Fetching its image"),
    Stage.CREATE: (0.55, 0.05, "Making its container"),
    Stage.START: (0.6, 0.1, "Starting its container"),
    Stage.READY: (0.7, 0.0, "Waiting for its first answer"),
}
"""Where each begins on the whole way, its length, and what visitors are told."""


class TooOften(QuotaExceeded):
    """Somebody, or some pod, has had its share of this hour."""

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        """Seconds."""


class Sleeper(Frozen):
    """What a stranger may know of a pod: nobody's name, no log, nothing that anybody wrote but the pod's name."""

    key: str
    """The pod port that was asked for."""
    name: str
    status: Status
    run: int
    since: datetime | None
    """When its last run was over."""
    why: str
    """Why it does not run: one sentence."""
    wake: Wake
    keeps: bool
    """It has a volume, whose content is kept."""
    idle: timedelta
    """After so long without use it stops; zero: never."""
    price_per_hour: float | None
    took: timedelta | None
    """How long its last start took."""
    ignore: Ignore
    """Requests that are no use of it, and no reason to start it."""

    @property
    def starting(self) -> bool:
        """It is on its way, or there already."""
        return self.status in (Status.PROVISIONING, Status.STARTING, Status.RUNNING)


class Stride(Frozen):
    """How far a start is, for visitors."""

    status: Status
    fraction: float | None = None
    """0..1 of the whole way, None when unknown."""
    message: str


class Waking:
    """Only PodErrors come out, in words for strangers: they name nobody and nothing of the inside."""

    def __init__(
        self, store: Store, engine: Engine, pods: PodService, board: Board, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._engine = engine
        self._pods = pods
        self._board = board
        self._now = now
        self._by_pod = _Shares(WAKES_PER_POD)
        self._by_visitor = _Shares(WAKES_PER_VISITOR)

    async def sleeper(self, key: str) -> Sleeper | None:
        """The pod of this pod port; None when there is none."""
        pod = await self._pod(key)
        if pod is None:
            return None
        return Sleeper(
            key=key,
            name=pod.name,
            status=pod.status,
            run=pod.run,
            since=pod.ended_at,
            why=_why(pod),
            wake=self._mode(pod),
            keeps=pod.spec.volume is not None or pod.spec.network_volume is not None,
            idle=pod.spec.idle.timeout,
            price_per_hour=pod.spec.price_per_hour,
            took=pod.ready_at - pod.started_at if pod.ready_at is not None and pod.started_at is not None else None,
            ignore=pod.spec.idle.ignore,
        )

    def ticket(self, sleeper: Sleeper) -> str:
        """What the form on its page carries: good for this pod port, for this stop of it, and for an hour."""
        until = int((self._now() + TICKET_LIFE).timestamp())
        return f"{until}.{self._sign(sleeper, until)}"

    def admits(self, sleeper: Sleeper, ticket: str) -> bool:
        """Whether the ticket is one of ours for it, and still good."""
        until, _, signature = ticket.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) < 12):
            return False
        known = hmac.compare_digest(signature.encode(), self._sign(sleeper, int(until)).encode())
        return known and int(until) >= self._now().timestamp()

    async def wake(self, key: str, visitor: str) -> Pod:
        """Begin to start the stopped pod, as its owner's resume would; `visitor` is an address.

        Forbidden (only its owner can), Conflict (not stopped, or somebody was faster), TooOften, QuotaExceeded (its
        owner's), NoCapacity, Unavailable, NotFound.
        """
        pod = await self._pod(key)
        if pod is None:
            raise NotFound("There is nothing at this address.")
        if pod.status is not Status.EXITED:
            raise Conflict("It is not stopped any more. Load its address again.")
        if self._mode(pod) is Wake.OFF:
            raise Forbidden("Only its owner can start it.")
        now, who = self._now(), _network(visitor)
        self._by_visitor.check(who, now, "You have asked for pods {limit} times within an hour.")
        self._by_pod.check(pod.id, now, "It has been started {limit} times within an hour.")
        self._by_visitor.take(who, now)
        try:
            woken = await self._pods.wake(pod)
        except PodError as error:
            raise _for_strangers(error) from None
        self._by_pod.take(pod.id, now)
        return woken

    async def follow(self, key: str) -> AsyncGenerator[Stride]:
        """How far it is, now and at each change and at least each second, until nothing is under way."""
        pod_id = key.rpartition("-")[0]
        with self._board.listen(pod_id) as ear:
            while True:
                ear.still()
                pod = await self._pod(key)
                if pod is None:
                    return
                yield _stride(pod, self._board.latest(pod.id, pod.run))
                if not pod.status.under_way:
                    return
                await ear.wait(timeout=1)

    async def _pod(self, key: str) -> Pod | None:
        pod = await self._store.pod(key.rpartition("-")[0])
        return None if pod is None or pod.status in (Status.TERMINATING, Status.TERMINATED) else pod

    def _mode(self, pod: Pod) -> Wake:
        return pod.spec.wake or self._engine.features.wake

    def _sign(self, sleeper: Sleeper, until: int) -> str:
        return self._store.sign("wake", f"{sleeper.key} {sleeper.run} {until}")


class _Shares:
    """So many an hour for each name; of more names than can be remembered the oldest is forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: OrderedDict[str, deque[datetime]] = OrderedDict()

    def check(self, name: str, now: datetime, words: str) -> None:
        """TooOften, beginning with these words, when its share of this hour is used up."""
        taken = self._taken.get(name)
        if taken is None or len(taken) < self._limit or now - taken[0] >= HOUR:
            return
        left = HOUR - (now - taken[0])
        wait = timedelta(minutes=math.ceil(left.total_seconds() / 60))
        told = f"{words.format(limit=self._limit)} Try again in {format_duration(wait)}."
        raise TooOften(told, math.ceil(left.total_seconds()))

    def take(self, name: str, now: datetime) -> None:
        """Once more, now."""
        self._taken.setdefault(name, deque(maxlen=self._limit)).append(now)
        self._taken.move_to_end(name)
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)


def _why(pod: Pod) -> str:
    ended, lived = pod.ended_at, pod.spec.max_lifetime
    if pod.status is Status.ERROR:
        return "It could not be started." if pod.ready_at is None else "Its program failed."
    if pod.cause is Cause.IDLE:
        begun = pod.started_at
        over = lived is not None and ended is not None and begun is not None and ended - begun >= lived
        return "Its time was up." if over else "Nobody used it for a while."
    return "Its program ended." if pod.cause is Cause.ITSELF else "Somebody stopped it."


def _stride(pod: Pod, progress: Progress | None) -> Stride:
    match pod.status:
        case Status.RUNNING:
            return Stride(status=pod.status, fraction=1.0, message="It is up")
        case Status.PROVISIONING | Status.STARTING if progress is not None:
            begin, length, words = _STAGES[progress.stage]
            known = progress.fraction is not None or progress.stage is not Stage.PULL
            return Stride(
                status=pod.status, fraction=begin + length * (progress.fraction or 0) if known else None, message=words
            )
        case Status.PROVISIONING | Status.STARTING:
            return Stride(status=pod.status, message="Preparing its start")
        case Status.STOPPING:
            return Stride(status=pod.status, message="It is being stopped")
        case _:
            return Stride(status=pod.status, message=_why(pod))


def _network(address: str) -> str:
    """Whoever has one IPv6 address has 2⁶⁴ of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def _for_strangers(error: PodError) -> PodError:
    match error:
        case QuotaExceeded():
            return QuotaExceeded("Its owner has as many pods running as one person may. It can start when one stops.")
        case Conflict():
            return Conflict("Somebody else was faster. Load its address again.")
        case NoCapacity():
            return NoCapacity("What it needs is in use elsewhere now. Nothing was started; try again later.")
        case _:
            return Unavailable("It cannot be started now, and nothing was changed. Try again in a minute.")
