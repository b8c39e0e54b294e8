"""The reaper through the real store and launcher, on the fake gateway, with the clock in the hand.

What is use and what is not, and everything that can go wrong with it, is in `tests/idle`.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from core.model import Cause, Pod, Status
from tests.houses import FakeHouse, fake_house


async def kinds(home: FakeHouse, pod: Pod) -> list[str]:
    """What happened to the pod."""
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    return [event.kind for event in await store.events(0, pod_id=pod.id)]


async def test_a_pod_that_nobody_visits_is_warned_and_stopped_and_not_before(home: FakeHouse) -> None:
    pod = await home.started()
    for minutes, seconds in ((24, 59), (0, 1), (4, 59)):
        home.clock.forward(minutes=minutes, seconds=seconds)
        await home.tick()
        assert (await home.after(pod)).status is Status.RUNNING
    home.clock.forward(seconds=1)
    await home.tick()
    stopped = await home.after(pod)
    assert (stopped.status, stopped.cause) == (Status.EXITED, Cause.IDLE)
    assert stopped.reason == "nobody used it for 30m (its limit is 30m)"
    assert await home.engine.list() == ()


async def test_the_events_of_an_idle_stop_name_reaper_cause_reason_and_deadline(home: FakeHouse) -> None:
    pod = await home.started()
    warned = home.clock.forward(minutes=25)
    await home.tick()
    home.clock.forward(minutes=5)
    await home.tick()
    await home.after(pod)
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    events = await store.events(0, pod_id=pod.id)
    assert [e.kind for e in events[3:]] == ["pod.idle_warning", "pod.idle_stop", "pod.exited"]
    warning, stop, end = events[3:]
    assert warning.data["deadline"] == (warned + timedelta(minutes=5)).isoformat()
    assert warning.data["action"] == "stop"
    assert (stop.actor, stop.data["by_lifetime"]) == ("reaper", False)
    assert (end.data["cause"], end.data["reason"]) == ("idle", "nobody used it for 30m (its limit is 30m)")


async def test_traffic_moves_the_deadline_and_withdraws_the_warning(home: FakeHouse) -> None:
    pod = await home.started()
    for _ in range(3):
        home.clock.forward(minutes=26)
        await home.tick()
        home.gateway.count(pod.id, 8080, completed=1, succeeded=1)
        home.clock.forward(seconds=30)
        await home.tick()
    assert (await home.after(pod)).last_active_at == home.clock()
    assert (await kinds(home, pod))[3:] == ["pod.idle_warning", "pod.warning_withdrawn"] * 3


async def test_a_look_that_does_not_act_writes_use_and_withdraws_but_warns_of_nothing(home: FakeHouse) -> None:
    used, silent = await home.started(), await home.started()
    home.clock.forward(minutes=26)
    await home.tick()
    home.gateway.count(used.id, 8080, completed=1, succeeded=1)
    third = await home.started()
    home.clock.forward(minutes=27)
    await home.house.reaper.tick(home.clock(), act=False)
    assert (await home.after(used)).last_active_at == home.clock()
    assert (await home.after(silent)).status is Status.RUNNING
    assert (await kinds(home, used))[3:] == ["pod.idle_warning", "pod.warning_withdrawn"]
    assert (await kinds(home, third))[3:] == []


@pytest.mark.parametrize("count", [60])
async def test_a_tick_over_many_pods_stops_just_the_silent_ones(tmp_path: Path, count: int) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=count) as home:
        pods = [await home.started(warning="0") for _ in range(count)]
        home.clock.forward(minutes=31)
        for pod in pods[::2]:
            home.gateway.count(pod.id, 8080, completed=1, succeeded=1)
        await home.tick()
        after = [(await home.after(pod)).status for pod in pods]
        assert after[::2] == [Status.RUNNING] * (count // 2)
        assert after[1::2] == [Status.EXITED] * (count // 2)


async def test_a_tick_at_which_nothing_happened_writes_nothing(home: FakeHouse) -> None:
    pod = await home.started()
    await home.tick()
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    before = (await home.after(pod), await store.readings(), await store.last_event())
    home.clock.forward(minutes=1)
    await home.tick()
    assert (await home.after(pod), await store.readings(), await store.last_event()) == before


async def test_a_pod_stopped_for_long_leads_to_one_proposal_and_to_nothing_else(home: FakeHouse) -> None:
    pod = await home.started()
    await home.pods.stop(await home.local(), pod.id)
    await home.after(pod)
    reaper, fortnight = home.house.reaper, timedelta(days=14)
    assert await reaper.propose(home.clock.forward(days=13), fortnight) == ()
    assert await reaper.propose(home.clock.forward(days=2), timedelta()) == ()
    assert await reaper.propose(home.clock(), fortnight) == (pod.id,)
    assert await reaper.propose(home.clock.forward(days=99), fortnight) == ()
    assert (await home.after(pod)).status is Status.EXITED
    assert (await kinds(home, pod))[-1] == "pod.forget_proposed"
