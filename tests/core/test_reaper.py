"""The reaper through the real store and launcher, on the fake gateway, with the clock in the hand."""

from pathlib import Path

import pytest

from core.engines.fake import Script
from core.errors import Unavailable
from core.gateway.base import Route
from core.idle import Decision, Evidence, PortEvidence, Verdict
from core.launcher import Launcher
from core.model import Cause, Pod, Status
from core.progress import Board
from core.store import Store
from tests.houses import FakeHouse, fake_house


async def test_a_pod_that_nobody_visits_is_stopped_after_its_timeout_and_not_before(home: FakeHouse) -> None:
    pod = await home.started()
    home.clock.forward(minutes=29, seconds=59)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
    home.clock.forward(seconds=1)
    await home.tick()
    stopped = await home.after(pod)
    assert (stopped.status, stopped.cause) == (Status.EXITED, Cause.IDLE)
    assert stopped.reason == "no traffic for 30m (its limit is 30m)"
    assert await home.engine.list() == ()


async def test_traffic_moves_the_deadline(home: FakeHouse) -> None:
    pod = await home.started()
    for _ in range(5):
        home.clock.forward(minutes=20)
        home.gateway.count(pod.id, 8080, completed=1, succeeded=1)
        await home.tick()
    assert (await home.after(pod)).last_active_at == home.clock()
    home.clock.forward(minutes=29)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
    home.clock.forward(minutes=1)
    await home.tick()
    assert (await home.after(pod)).status is Status.EXITED


async def test_an_open_request_keeps_a_pod_for_ever(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.count(pod.id, 8080, in_flight=1)
    for _ in range(10):
        home.clock.forward(hours=1)
        await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING


async def test_a_reading_that_fails_stops_nothing_and_the_next_good_one_decides(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.failing = Unavailable("the counters cannot be read")
    for _ in range(10):
        home.clock.forward(hours=1)
        await home.tick()
    home.gateway.failing = None
    assert (await home.after(pod)).status is Status.RUNNING
    await home.tick()
    assert (await home.after(pod)).status is Status.EXITED


async def test_a_port_without_counters_stops_nothing(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.missing.add(f"{pod.id}-8080")
    home.clock.forward(days=2)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING


async def test_after_a_restart_of_the_data_plane_one_look_decides_nothing(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.count(pod.id, 8080, completed=9, succeeded=9)
    await home.tick()
    home.clock.forward(hours=2)
    home.gateway.restart_data_plane()
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
    await home.tick()
    assert (await home.after(pod)).status is Status.EXITED


class VisitedWhileClosing:
    """Somebody's request is counted at the very moment the door closes."""

    def __init__(self, home: FakeHouse, pod_id: str) -> None:
        self.home = home
        self.pod_id = pod_id

    def append(self, change: Route | str) -> None:
        if isinstance(change, Route) and change.state == "closing":
            self.home.gateway.count(self.pod_id, 8080, completed=1, succeeded=1)


async def test_a_visit_between_decision_and_stop_keeps_the_pod_and_opens_its_door_again(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.history = VisitedWhileClosing(home, pod.id)  # pyright: ignore[reportAttributeAccessIssue]
    home.clock.forward(hours=1)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
    assert home.gateway.routes[f"{pod.id}-8080"].state == "live"


async def test_a_failed_stop_stays_stopping_is_told_and_is_repeated_until_it_succeeds(home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.stop_fails = True
    home.clock.forward(hours=1)
    await home.house.reaper.tick(home.clock())
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    async for event in home.pods.tail("test-late"):
        if event.kind == "pod.stop_failed":
            break
    current = await store.pod(pod.id)
    assert current is not None
    assert current.status is Status.STOPPING
    assert "may still be running" in event.data["reason"]
    home.engine.stop_fails = False
    assert (await home.after(pod)).status is Status.EXITED


async def test_the_events_of_an_idle_stop_name_reaper_cause_and_reason(home: FakeHouse) -> None:
    pod = await home.started()
    home.clock.forward(hours=1)
    await home.tick()
    events = await home.house._store.events(0, pod_id=pod.id)  # pyright: ignore[reportPrivateUsage]
    assert [e.kind for e in events] == ["pod.created", "pod.starting", "pod.running", "pod.idle_stop", "pod.exited"]
    assert events[3].actor == "reaper"
    assert events[4].data["cause"] == "idle"
    assert events[4].data["reason"] == "no traffic for 1h (its limit is 30m)"


async def test_a_zero_timeout_never_stops(home: FakeHouse) -> None:
    pod = await home.started(idle="0")
    home.clock.forward(days=300)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING


async def test_last_activity_survives_a_restart_of_the_house(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data") as first:
        pod = await first.started()
        first.clock.forward(minutes=20)
        first.gateway.count(pod.id, 8080, completed=1, succeeded=1)
    # The last look at closing has written the use down, although no tick came.
    async with fake_house(tmp_path / "data", engine=first.engine, gateway=first.gateway) as second:
        second.clock.time = first.clock.time
        second.clock.forward(minutes=29)
        await second.tick()
        assert (await second.after(pod)).status is Status.RUNNING
        second.clock.forward(minutes=1)
        await second.tick()
        assert (await second.after(pod)).status is Status.EXITED


@pytest.mark.parametrize("count", [60])
async def test_a_tick_over_many_pods_stops_just_the_silent_ones(tmp_path: Path, count: int) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=count) as home:
        pods = [await home.started() for _ in range(count)]
        home.clock.forward(minutes=31)
        for pod in pods[::2]:
            home.gateway.count(pod.id, 8080, completed=1, succeeded=1)
        await home.tick()
        after = [(await home.after(pod)).status for pod in pods]
        assert after[::2] == [Status.RUNNING] * (count // 2)
        assert after[1::2] == [Status.EXITED] * (count // 2)


SILENT = Evidence(ports=(PortEvidence(port=8080),))
SILENT_LONG = Verdict(decision=Decision.STOP, reason="silent", deadline=None, evidence=SILENT)


async def silence(_pod: Pod) -> Evidence:
    return SILENT


async def test_a_pod_that_was_restarted_since_the_tick_looked_is_left_to_its_restart(home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.script = Script.SLOW_START
    await home.pods.restart(await home.local(), pod.id)
    await home.engine.waiting.wait()
    home.house.launcher.retire(pod, SILENT_LONG, silence)
    home.engine.proceed.set()
    after = await home.after(pod)
    assert (after.status, after.run) == (Status.RUNNING, 2)


async def test_a_pod_that_was_terminated_since_the_tick_looked_gets_no_route_again(home: FakeHouse) -> None:
    pod = await home.started()
    await home.pods.terminate(await home.local(), pod.id)
    await home.after(pod)
    home.house.launcher.retire(pod, SILENT_LONG, silence)
    await home.house.launcher.idle()
    assert home.gateway.routes == {}


class AbsentStore(Store):
    """A database that is away for some looks at a row."""

    away = 0

    async def pod(self, pod_id: str) -> Pod | None:
        if self.away:
            self.away -= 1
            raise Unavailable("the database does not answer")
        return await super().pod(pod_id)


async def test_a_door_that_was_closed_for_nothing_opens_again_although_the_database_was_away(home: FakeHouse) -> None:
    pod = await home.started()
    store = await AbsentStore.open(home.house.settings.database, home.house.settings.data_dir / "registry.key")
    launcher = Launcher(store, home.engine, home.gateway, Board(), home.clock, patience=0.01)

    async def visited(_pod: Pod) -> Evidence:
        assert home.gateway.routes[f"{pod.id}-8080"].state == "closing"
        store.away = 3
        return Evidence(ports=(PortEvidence(port=8080, succeeded=1),))

    launcher.retire(pod, SILENT_LONG, visited)
    await launcher.idle()
    await store.close()
    assert store.away == 0
    assert home.gateway.routes[f"{pod.id}-8080"].state == "live"
