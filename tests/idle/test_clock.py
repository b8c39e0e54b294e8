"""Clock jumps and missed ticks: a machine that slept, a clock that was set, ticks that came late or never."""

from datetime import timedelta

import pytest

from core.idle import Decision
from core.model import Event, IdleAction, Pod, Status
from tests.houses import FakeHouse
from tests.idle.case import MINUTE, Case


async def told(home: FakeHouse, pod: Pod, kind: str) -> list[Event]:
    """The pod's events of a kind."""
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    return [e for e in await store.events(0, pod_id=pod.id) if e.kind == kind]


async def test_a_night_that_the_machine_slept_is_not_idleness(home: FakeHouse) -> None:
    pod = await home.started(warning="0")
    await home.house.reaper.tick(home.clock.forward(minutes=10), 600)
    await home.house.reaper.tick(home.clock.forward(hours=9), 630)
    assert (await home.after(pod)).status is Status.RUNNING
    await home.house.reaper.tick(home.clock.forward(minutes=20), 1830)
    assert (await home.after(pod)).status is Status.EXITED


@pytest.mark.parametrize("hours", [-5, -1, 1, 5])
async def test_a_clock_that_was_set_moves_no_deadline(home: FakeHouse, hours: int) -> None:
    pod = await home.started(warning="0")
    await home.house.reaper.tick(home.clock.forward(minutes=20), 1200)
    await home.house.reaper.tick(home.clock.forward(hours=hours, seconds=30), 1230)
    await home.house.reaper.tick(home.clock.forward(minutes=9), 1770)
    assert (await home.after(pod)).status is Status.RUNNING
    await home.house.reaper.tick(home.clock.forward(seconds=30), 1800)
    assert (await home.after(pod)).status is Status.EXITED


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_pod_that_became_ready_by_the_new_clock_has_its_whole_time(home: FakeHouse, hours: int) -> None:
    await home.house.reaper.tick(home.clock(), 0)
    home.clock.forward(hours=hours)
    pod = await home.started(warning="0")
    await home.house.reaper.tick(home.clock.forward(seconds=30), 30)
    await home.house.reaper.tick(home.clock.forward(minutes=29), 1770)
    assert (await home.after(pod)).status is Status.RUNNING
    await home.house.reaper.tick(home.clock.forward(minutes=1), 1830)
    assert (await home.after(pod)).status is Status.EXITED


@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_sign_of_life_by_the_new_clock_counts_once(home: FakeHouse, hours: int) -> None:
    pod = await home.started(warning="0")
    await home.house.reaper.tick(home.clock.forward(minutes=29), 1740)
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    await store.beat(pod.id, home.clock.forward(hours=hours, seconds=10))
    await home.house.reaper.tick(home.clock.forward(seconds=50), 1800)
    await home.house.reaper.tick(home.clock.forward(minutes=29), 3540)
    assert (await home.after(pod)).status is Status.RUNNING
    await home.house.reaper.tick(home.clock.forward(minutes=1), 3600)
    assert (await home.after(pod)).status is Status.EXITED


async def test_a_warning_before_the_night_is_a_whole_one_after_it(home: FakeHouse) -> None:
    pod = await home.started()
    await home.house.reaper.tick(home.clock.forward(minutes=26), 1560)
    await home.house.reaper.tick(home.clock.forward(hours=9), 1590)
    await home.house.reaper.tick(home.clock.forward(minutes=4), 1830)
    assert (await home.after(pod)).status is Status.RUNNING
    await home.house.reaper.tick(home.clock.forward(minutes=1), 1890)
    assert (await home.after(pod)).status is Status.EXITED
    assert len(await told(home, pod, "pod.idle_warning")) == 1


async def test_ticks_that_were_missed_warn_first_and_in_full(home: FakeHouse) -> None:
    pod = await home.started()
    home.clock.forward(hours=7)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
    (warning,) = await told(home, pod, "pod.idle_warning")
    assert warning.data["deadline"] == (home.clock() + timedelta(minutes=5)).isoformat()
    home.clock.forward(minutes=5)
    await home.tick()
    assert (await home.after(pod)).status is Status.EXITED


def test_a_last_use_in_the_future_counts_as_now() -> None:
    case = Case()
    case.change(last_active_at=case.now + timedelta(days=1))
    assert case.look(MINUTE).decision is Decision.KEEP
    assert case.last is not None
    assert case.last.deadline == case.now + 30 * MINUTE


async def test_a_notice_before_the_night_is_no_warning_of_the_end_of_life_after_it(home: FakeHouse) -> None:
    pod = await home.started(lifetime="8h")
    rule = pod.spec.idle.model_copy(update={"action": IdleAction.NOTIFY})
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    await store.amend(pod.id, pod.run, {Status.RUNNING}, spec=pod.spec.model_copy(update={"idle": rule}))
    await home.house.reaper.tick(home.clock.forward(minutes=31), 1860)
    assert len(await told(home, pod, "pod.idle_notice")) == 1
    await home.house.reaper.tick(home.clock.forward(hours=9), 1890)
    assert len(await told(home, pod, "pod.idle_warning")) == 1
    await home.house.reaper.tick(home.clock.forward(minutes=4), 2130)
    assert (await home.after(pod)).status is Status.RUNNING
    await home.house.reaper.tick(home.clock.forward(minutes=1), 2190)
    assert (await home.after(pod)).status is Status.EXITED
