"""What pods took and cost, and how long their starts take."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Forbidden
from core.model import Cause, Run
from core.service import Bill
from core.service.costs import SLEEP_COUNTED, bill
from tests.houses import FakeHouse

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_run(begun: datetime, ended: datetime | None, number: int = 1, **more: object) -> Run:
    plain = {"pod_id": "p1", "run": number, "name": "a", "owner": "o", "owner_name": "ann", "template": "t"}
    return Run.model_validate({"price_per_hour": 2.0, **plain, "started_at": begun, "ended_at": ended, **more})


def month(*runs: Run, until: datetime = NOW) -> Bill:
    return bill(runs, BEGIN, until)


def test_a_run_is_counted_on_the_days_that_it_crosses() -> None:
    found = month(a_run(datetime(2026, 11, 3, 22, tzinfo=UTC), datetime(2026, 11, 5, 1, tzinfo=UTC)))
    assert (found.total.hours, found.total.cost) == (27, 54)
    took = {day.day: share.hours for day, share in found.days.items() if share.time}
    assert took == {3: 2, 4: 24, 5: 1}
    assert (min(found.days), max(found.days)) == (date(2026, 11, 1), date(2026, 11, 24))
    assert (found.total.slept, found.total.saved, found.stopped) == (timedelta(), 0, ())


def test_what_lies_outside_is_left_out_and_what_goes_on_counts_until_now() -> None:
    found = month(a_run(BEGIN - 5 * HOUR, BEGIN + HOUR), a_run(NOW - 3 * HOUR, None, pod_id="p2", price_per_hour=None))
    assert {one.pod_id: (one.share.hours, one.share.cost) for one in found.pods} == {"p1": (1, 2), "p2": (3, None)}
    assert found.total.cost == 2


def test_rest_after_a_stop_for_silence_is_saved_until_the_next_start_or_the_end_or_a_week() -> None:
    begun, ended = BEGIN + 10 * HOUR, BEGIN + 20 * HOUR
    idle = a_run(begun, ended, cause=Cause.IDLE)
    woken = month(idle, a_run(ended + 5 * HOUR, ended + 6 * HOUR, 2, cause=Cause.PERSON))
    assert (woken.total.slept, woken.total.saved, woken.stopped) == (5 * HOUR, 10, (idle,))
    assert month(idle.model_copy(update={"gone_at": ended + 2 * HOUR})).total.slept == 2 * HOUR
    assert month(idle).total.slept == SLEEP_COUNTED == 24 * HOUR
    assert month(idle, until=ended + HOUR).total.slept == HOUR
    assert month(a_run(begun, ended, cause=Cause.PERSON)).total.slept == timedelta()
    # One that was terminated for its silence rests from then on, too, until it is made anew.
    for gone in (ended - timedelta(microseconds=18), ended, ended + timedelta(milliseconds=3)):
        assert month(idle.model_copy(update={"gone_at": gone})).total.slept == SLEEP_COUNTED
    anew = a_run(ended + HOUR, ended + 2 * HOUR, pod_id="p2")
    assert month(idle.model_copy(update={"gone_at": ended}), anew).total.slept == HOUR
    # The end of a lifetime is no silence.
    aged = month(idle.model_copy(update={"max_lifetime": ended - begun}))
    assert (aged.total.slept, aged.stopped) == (timedelta(), ())


def test_days_begin_at_midnight_of_the_zone_also_where_the_clock_is_changed() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    since = datetime(2026, 10, 24, 22, tzinfo=UTC)  # the 25th, a day of 25 hours
    found = bill([a_run(since, since + 26 * HOUR)], since, since + 40 * HOUR, berlin)
    assert {day.day: share.hours for day, share in found.days.items()} == {25: 25, 26: 1}


@given(
    spans=st.lists(
        st.tuples(st.integers(-200, 600), st.integers(0, 300), st.booleans(), st.integers(1, 4)), max_size=12
    )
)
def test_days_and_pods_add_up_to_the_whole(spans: list[tuple[int, int, bool, int]]) -> None:
    runs = sorted(
        (
            a_run(
                BEGIN + begin * HOUR,
                BEGIN + (begin + length) * HOUR,
                n,
                pod_id=f"p{pod}",
                cause=Cause.IDLE if idle else Cause.PERSON,
            )
            for n, (begin, length, idle, pod) in enumerate(spans)
        ),
        key=lambda run: (run.pod_id, run.started_at),
    )
    found = month(*runs)
    for share in (found.days.values(), [one.share for one in found.pods]):
        assert sum((one.time for one in share), timedelta()) == found.total.time
        assert sum((one.slept for one in share), timedelta()) == found.total.slept
    assert found.total.time == sum((run.within(BEGIN, NOW) for run in runs), timedelta())


async def test_the_service_tells_a_month_by_owner_and_everybody_to_an_admin(home: FakeHouse) -> None:
    ann, bob = await home.member("U1"), await home.member("U2")
    pod = await home.started(ann)
    await home.started(bob)
    home.clock.forward(hours=2)
    costs = home.house.services.costs
    assert [one.name for one in (await costs.month(ann)).pods] == [pod.name]
    assert (await costs.month(ann)).total.hours == 2
    with pytest.raises(Forbidden, match="Only an admin"):
        await costs.month(ann, everyone=True)
    assert len((await costs.month(await home.local(), everyone=True)).pods) == 2
    assert (await costs.between("default", home.clock() - HOUR, home.clock())).total.hours == 2
    assert (await costs.between("elsewhere", home.clock() - HOUR, home.clock())).pods == ()


async def test_the_expected_time_of_a_start_is_the_middle_of_the_last_ones(home: FakeHouse) -> None:
    costs, caller = home.house.services.costs, await home.local()
    assert await costs.expected("default", "hello") is None
    for _ in range(3):
        await home.started(caller)
    assert await costs.expected("default", "hello") == timedelta()
