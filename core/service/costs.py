"""Costs: how long a start of a template takes, and what pods took and cost, by the runs that are written down."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from core.errors import Forbidden
from core.model import Caller, Frozen, Role, Run
from core.store import Store
from core.units import price

SLEEP_COUNTED = timedelta(days=1)
"""Of the rest after a stop for silence, this much counts as saved at most: the next day somebody might have noticed."""
_AT_ONCE = timedelta(seconds=5)
"""A pod whose end and whose termination are no further apart was terminated instead of being stopped."""
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
    ends = [end for _, _, end in spans]
    days = {day: Share() for day, _, _ in spans}
    pods: defaultdict[str, Share] = defaultdict(Share)
    last: dict[str, Run] = {}
    for run, awake in _with_rest(runs, until):
        last[run.pod_id] = run
        # Only the days that it touches: of thousands of runs most are short.
        for day, begin, end in spans[bisect_right(ends, run.started_at) :]:
            if begin >= max(awake, run.ended_at or until):
                break
            share = _share(run, awake, begin, end)
            if share is not None:
                days[day] += share
                pods[run.pod_id] += share
    shares = [
        PodShare(pod_id=i, name=run.name, template=run.template, owner_name=run.owner_name, share=pods[i])
        for i, run in last.items()
        if i in pods
    ]
    shares.sort(key=lambda one: (-(one.share.cost or 0), -one.share.time, one.name))
    ended = [run for run in runs if run.unused and run.ended_at and since <= run.ended_at < until]
    return Bill(
        since=since,
        until=until,
        total=sum(days.values(), Share()),
        days=days,
        pods=tuple(shares),
        stopped=tuple(sorted(ended, key=lambda run: run.ended_at or until)),
    )


def _share(run: Run, awake: datetime, begin: datetime, end: datetime) -> Share | None:
    """Of one run, and of the rest after it that ends at `awake`, within a day; None: nothing."""
    time = run.within(begin, end)
    slept = max(timedelta(), min(awake, end) - max(run.ended_at or awake, begin))
    if not time and not slept:
        return None
    cost = price(time, run.price_per_hour)
    return Share(time=time, cost=cost, slept=slept, saved=price(slept, run.price_per_hour))


def _with_rest(runs: Sequence[Run], until: datetime) -> Iterable[tuple[Run, datetime]]:
    """Each run with the end of the rest after it; its own end where it was not stopped for silence.

    A pod that was terminated for its silence is made anew under its owner and name, so these say what goes on.
    """
    starts: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
    for run in runs:
        starts[run.owner, run.name].append(run.started_at)
    for known in starts.values():
        known.sort()
    for run in runs:
        if not run.unused or run.ended_at is None:
            yield run, run.ended_at or until
            continue
        known = starts[run.owner, run.name]
        at = bisect_right(known, run.ended_at)
        later = known[at : at + 1]
        # What ended for silence by being terminated was not deleted by anybody.
        gone = [run.gone_at] if run.gone_at is not None and run.gone_at - run.ended_at > _AT_ONCE else []
        yield run, min(run.ended_at + SLEEP_COUNTED, until, *later, *gone)


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
