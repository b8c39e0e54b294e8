"""Costs: how long a start of a template takes, and what pods took and cost, by the runs that are written down."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from core.errors import Forbidden
from core.model import Caller, Cause, Frozen, Role, Run
from core.store import Store
from core.units import price

SLEEP_COUNTED = timedelta(days=1)
"""Of the rest after a stop for silence, this much counts as saved at most: the next day somebody might have noticed."""
_STARTS = 10
"""Past starts that the expected time is taken from."""


class Share(Frozen):
    """What some time of some pods took. Costs are US dollars, of the pods whose template names a price."""

    time: timedelta = timedelta()
    cost: float | None = None
    slept: timedelta = timedelta()
    """How long they rested because nobody had used them."""
    saved: float | None = None
    """What that rest would have cost."""

    @property
    def hours(self) -> float:
        """`time` in hours."""
        return self.time / timedelta(hours=1)

    def __add__(self, other: "Share") -> "Share":
        return Share(
            time=self.time + other.time,
            cost=_sum(self.cost, other.cost),
            slept=self.slept + other.slept,
            saved=_sum(self.saved, other.saved),
        )


class PodShare(Frozen):
    """The share of one pod."""

    pod_id: str
    name: str
    template: str
    owner_name: str
    share: Share


class Bill(Frozen):
    """What the pods of somebody, or of everybody, took between two times."""

    since: datetime
    until: datetime
    total: Share
    days: Mapping[date, Share]
    """Each day from first to last, in the zone that was asked for."""
    pods: tuple[PodShare, ...]
    """The dearest first, then the longest."""
    stopped: tuple[Run, ...]
    """Runs that ended in this time because nobody used them, the oldest first."""


class Costs:
    """Only PodErrors come out."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def expected(self, workspace: str, template: str) -> timedelta | None:
        """How long a start of this template takes, by the last ones of it; None: there was none yet."""
        took = sorted(await self._store.took(workspace, template, _STARTS))
        return took[len(took) // 2] if took else None

    async def month(self, caller: Caller, zone: tzinfo = UTC, *, everyone: bool = False) -> Bill:
        """The caller's pods since the first of the month, in the zone. Forbidden: everyone's, to who is no admin."""
        if everyone and caller.role is not Role.ADMIN:
            raise Forbidden("Only an admin may see what everybody's pods cost. Leave --everyone out to see your own.")
        now = self._now()
        first = now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return await self._bill(caller.workspace, first, now, zone, None if everyone else caller.person)

    async def between(self, workspace: str, since: datetime, until: datetime, zone: tzinfo = UTC) -> Bill:
        """Everybody's, for what the house itself reports."""
        return await self._bill(workspace, since, until, zone, None)

    async def _bill(self, workspace: str, since: datetime, until: datetime, zone: tzinfo, owner: str | None) -> Bill:
        runs = await self._store.runs(workspace, since - SLEEP_COUNTED, until, owner)
        return bill(runs, since, until, zone)


def bill(runs: Sequence[Run], since: datetime, until: datetime, zone: tzinfo = UTC) -> Bill:
    """Pure: from runs (by pod, oldest first; those too that ended up to `SLEEP_COUNTED` before) to what they took."""
    spans = list(_days(since, until, zone))
    days = {day: Share() for day, _, _ in spans}
    pods: defaultdict[str, Share] = defaultdict(Share)
    last: dict[str, Run] = {}
    for run, following in _pairs(runs):
        last[run.pod_id] = run
        for day, begin, end in spans:
            share = _share(run, following, begin, end)
            if share is not None:
                days[day] += share
                pods[run.pod_id] += share
    shares = [
        PodShare(pod_id=i, name=run.name, template=run.template, owner_name=run.owner_name, share=pods[i])
        for i, run in last.items()
        if i in pods
    ]
    shares.sort(key=lambda one: (-(one.share.cost or 0), -one.share.time, one.name))
    ended = [run for run in runs if run.cause is Cause.IDLE and run.ended_at and since <= run.ended_at < until]
    return Bill(
        since=since,
        until=until,
        total=sum(days.values(), Share()),
        days=days,
        pods=tuple(shares),
        stopped=tuple(sorted(ended, key=lambda run: run.ended_at or until)),
    )


def _share(run: Run, following: Run | None, begin: datetime, end: datetime) -> Share | None:
    """Of one run, and of the rest after it, within a day; None: nothing."""
    time = run.within(begin, end)
    slept = timedelta()
    if run.cause is Cause.IDLE and run.ended_at is not None:
        ends = (run.ended_at + SLEEP_COUNTED, run.gone_at if run.ended_at != run.gone_at else None)
        woken = following.started_at if following is not None else None
        awake = min(at for at in (*ends, woken, end) if at is not None)
        slept = max(timedelta(), awake - max(run.ended_at, begin))
    if not time and not slept:
        return None
    cost = price(time, run.price_per_hour)
    return Share(time=time, cost=cost, slept=slept, saved=price(slept, run.price_per_hour))


def _pairs(runs: Sequence[Run]) -> Iterable[tuple[Run, Run | None]]:
    """Each run with the next one of the same pod."""
    for n, run in enumerate(runs, start=1):
        following = runs[n] if n < len(runs) else None
        yield run, following if following is not None and following.pod_id == run.pod_id else None


def _days(since: datetime, until: datetime, zone: tzinfo) -> Iterable[tuple[date, datetime, datetime]]:
    """Each day between the two, with where it begins and ends."""
    day = since.astimezone(zone).date()
    while True:
        begin, end = (datetime.combine(d, time(), zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
        if begin >= until:
            return
        yield day, max(begin, since), min(end, until)
        day += timedelta(days=1)


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other
