"""Promises, signs of life, and why: the service that answers for them, on the fakes."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from core.engines.fake import FakeEngine, Script
from core.errors import Conflict, Forbidden, InvalidInput, Unavailable
from core.gateway.base import Route, RouteState
from core.gateway.fake import FakeGateway
from core.idle import Decision
from core.model import Line, Pod, Status, Traffic
from core.progress import Board
from core.service import Keeping, StartRequest, Why
from core.store import Store
from core.witness import Witness
from tests.houses import FakeHouse, fake_house


def keeping(home: FakeHouse) -> Keeping:
    return home.house.services.keeping


async def why(home: FakeHouse, pod: Pod) -> Why:
    return await keeping(home).why(await home.local(), pod.id)


async def row(home: FakeHouse, pod: Pod) -> Pod:
    return await home.pods.get(await home.local(), pod.id)


async def test_a_kept_pod_outlives_its_timeout_and_is_warned_of_the_end_of_the_promise(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started(idle="30m")
    kept = await keeping(home).keep(me, pod.name, "2h")
    assert (kept.keep_until, kept.kept_by) == (home.clock() + timedelta(hours=2), "local admin")
    home.clock.forward(minutes=114)
    await home.tick()
    assert "kept by local admin until 16:00" in (await why(home, pod)).text
    assert (await row(home, pod)).warned_at is None
    home.clock.forward(minutes=1)
    await home.tick()
    assert (await row(home, pod)).warned_at == home.clock()
    home.clock.forward(minutes=5)
    await home.tick()
    assert (await row(home, pod)).status is Status.EXITED


async def test_keeping_withdraws_the_warning_and_a_resume_forgets_the_promise(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started(idle="30m")
    home.clock.forward(minutes=26)
    await home.tick()
    assert (await row(home, pod)).warned_at is not None
    kept = await keeping(home).keep(me, pod.id, "1h")
    assert kept.warned_at is None
    await home.pods.stop(me, pod.id)
    await home.after(pod)
    await home.pods.resume(me, pod.id)
    assert (await home.after(pod)).keep_until is None


async def test_a_promise_is_taken_back_with_zero(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started(idle="30m")
    await keeping(home).keep(me, pod.id, "8h")
    back = await keeping(home).keep(me, pod.id, "0")
    assert (back.keep_until, back.kept_by) == (None, None)
    found = (await why(home, pod)).verdict
    assert found is not None
    assert found.deadline == home.clock() + timedelta(minutes=30)


@pytest.mark.parametrize("duration", ["30", "-1m", "1e9h", "٣٠m", "31d", "", "x" * 10_000])
async def test_no_promise_is_made_for_what_is_no_duration(home: FakeHouse, duration: str) -> None:
    pod = await home.started()
    with pytest.raises(InvalidInput, match="keep: ") as told:
        await keeping(home).keep(await home.local(), pod.id, duration)
    assert len(str(told.value)) < 300
    assert (await row(home, pod)).keep_until is None


async def test_only_the_owner_keeps_a_pod_and_only_while_it_runs(home: FakeHouse) -> None:
    owner = await home.member("U1")
    pod = await home.started(owner)
    with pytest.raises(Forbidden, match="belongs to u1"):
        await keeping(home).keep(await home.member("U2"), pod.id, "1h")
    await home.pods.stop(owner, pod.id)
    await home.after(pod)
    with pytest.raises(Conflict, match="is already stopped"):
        await keeping(home).keep(owner, pod.id, "1h")
    assert (await why(home, pod)).text == "not running (EXITED): stopped by u1"


async def test_why_says_what_counts_and_since_when(home: FakeHouse) -> None:
    pod = await home.started(idle="30m")
    assert (await why(home, pod)).text == (
        "idle 0s of 30m: nobody has used it since it was ready, warning at 14:25, stop at 14:30"
    )
    home.clock.forward(minutes=2)
    home.gateway.count(pod.id, 8080, in_flight=1)
    await home.tick()
    home.clock.forward(minutes=10)
    assert (await why(home, pod)).text == "busy: 1 request in flight on 8080 since 14:02"
    home.gateway.count(pod.id, 8080, in_flight=-1, completed=1, succeeded=1)
    await home.tick()
    home.gateway.count(pod.id, 8080, upgrades=1, upgraded=1)
    home.clock.forward(minutes=5)
    await home.tick()
    home.clock.forward(minutes=15)
    found = await why(home, pod)
    assert found.text == (
        "idle 20m of 30m: last request 14:12 on 8080, 1 silent WebSocket open on 8080 since 14:17 (does not count), "
        "warning at 14:37, stop at 14:42"
    )
    assert found.verdict is not None
    assert found.verdict.decision is Decision.KEEP


async def test_why_names_the_missing_witness_and_since_when(home: FakeHouse) -> None:
    pod = await home.started(idle="30m")
    home.clock.forward(minutes=1)
    home.gateway.failing = Unavailable("no counters")
    await home.tick()
    home.clock.forward(hours=3)
    await home.tick()
    assert (await why(home, pod)).text == (
        "cannot see: the traffic on 8080 missing since 14:01, will not stop before it returns"
    )


async def test_why_knows_the_shares_of_a_pod_that_no_tick_has_seen_yet(home: FakeHouse) -> None:
    pod = await home.started(template="jupyter")
    assert "cpu 0% (counts from 10%)" in (await why(home, pod)).text


async def test_asking_why_changes_nothing(home: FakeHouse) -> None:
    pod = await home.started(idle="30m")
    home.clock.forward(minutes=10)
    home.gateway.count(pod.id, 8080, completed=1, succeeded=1)
    assert "busy" in (await why(home, pod)).text
    assert (await row(home, pod)).last_active_at == home.clock() - timedelta(minutes=10)
    await home.tick()
    assert (await row(home, pod)).last_active_at == home.clock()


async def test_a_pod_says_by_its_own_address_that_it_is_in_use(home: FakeHouse) -> None:
    pod = await home.started(idle="30m")
    other = await home.started(idle="30m")
    url = home.engine.orders[0].environment["PODKEEPER_KEEPALIVE_URL"]
    token = url.removeprefix("http://10.255.255.1:8701/keepalive/")
    assert token.startswith(pod.id)
    home.clock.forward(minutes=26)
    await home.tick()
    assert await keeping(home).beat(token)
    home.clock.forward(seconds=30)
    await home.tick()
    used = await row(home, pod)
    assert (used.last_active_at, used.warned_at) == (home.clock(), None)
    assert (await row(home, other)).warned_at is not None
    home.clock.forward(minutes=10)
    assert "it last said that it is in use at 14:26" in (await why(home, pod)).text


@pytest.mark.parametrize(
    "forged", ["{id}", "{id}-", "{id}-{other}", "{other_id}-{sig}", "", "-", "é" * 50, "x" * 10_000]
)
async def test_a_forged_sign_of_life_is_nobodys(home: FakeHouse, forged: str) -> None:
    pod, other = await home.started(), await home.started()
    tokens = [order.environment["PODKEEPER_KEEPALIVE_URL"].rpartition("/")[2] for order in home.engine.orders]
    signatures = [token.partition("-")[2] for token in tokens]
    made = forged.format(id=pod.id, other_id=other.id, sig=signatures[0], other=signatures[1])
    assert not await keeping(home).beat(made)
    assert [(await row(home, p)).heartbeat_at for p in (pod, other)] == [None, None]


async def test_a_pod_that_is_still_on_its_way_may_say_so_already(home: FakeHouse) -> None:
    home.engine.script = Script.SLOW_START
    pod = await home.pods.start(await home.local(), StartRequest(template="hello"))
    await home.engine.waiting.wait()
    token = home.engine.orders[0].environment["PODKEEPER_KEEPALIVE_URL"].rpartition("/")[2]
    # A script that ends at the first error must not fail for being early.
    assert await keeping(home).beat(token)
    home.engine.proceed.set()
    assert (await home.after(pod)).heartbeat_at is None
    await home.pods.stop(await home.local(), pod.id)
    await home.after(pod)
    assert not await keeping(home).beat(token)


class Talkative(FakeEngine):
    """Its pods print their keep-alive address, as `set -x` before a `curl` does."""

    @override
    async def lines(self, pod: Pod, tail: int, since: datetime | None = None) -> tuple[Line, ...]:
        said = "+ curl -fsS " + self.orders[-1].environment["PODKEEPER_KEEPALIVE_URL"]
        return (Line(self.now(), said),)


async def test_the_reason_of_a_failure_keeps_the_keep_alive_token_to_itself(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=Talkative()) as home:
        pod = await home.started()
        token = home.engine.orders[0].environment["PODKEEPER_KEEPALIVE_URL"].rpartition("-")[2]
        home.engine.die(pod.id)
        await home.house.reconciler.tick(home.clock())
        reason = (await home.after(pod)).reason or ""
        assert "curl" in reason
        assert token not in reason


class Interrupted(FakeGateway):
    """Something happens just when the counters are read behind a closed door."""

    def __init__(self) -> None:
        super().__init__()
        self.interruption: Callable[[], Awaitable[object]] | None = None

    @override
    async def traffic(self) -> Traffic:
        found = await super().traffic()
        if self.interruption is not None and any(r.state is RouteState.CLOSING for r in self.routes.values()):
            await self.interruption()
            self.interruption = None
        return found


@pytest.mark.parametrize("what", ["keep", "beat", "nothing"])
async def test_a_promise_or_a_sign_of_life_after_the_last_look_still_counts(tmp_path: Path, what: str) -> None:
    gateway = Interrupted()
    async with fake_house(tmp_path / "data", gateway=gateway) as home:
        me = await home.local()
        pod = await home.started(idle="30m", warning="0")
        token = home.engine.orders[0].environment["PODKEEPER_KEEPALIVE_URL"].rpartition("/")[2]
        happens: dict[str, Callable[[], Awaitable[object]]] = {
            "keep": lambda: keeping(home).keep(me, pod.id, "1h"),
            "beat": lambda: keeping(home).beat(token),
        }
        gateway.interruption = happens.get(what)
        home.clock.forward(minutes=31)
        await home.tick()
        after = await home.after(pod)
        runs = what != "nothing"
        assert after.status is (Status.RUNNING if runs else Status.EXITED)
        assert gateway.routes[f"{pod.id}-8080"].state is (RouteState.LIVE if runs else RouteState.SLEEPING)


class Draining(FakeGateway):
    """What is in flight ends after the counters have been read three times behind a closed door."""

    reads = 0

    @override
    async def traffic(self) -> Traffic:
        found = await super().traffic()
        closing = [route for route in self.routes.values() if route.state is RouteState.CLOSING]
        self.reads += bool(closing)
        if self.reads == 3:
            self.count(closing[0].pod_id, closing[0].port, in_flight=-1)
        return found


async def test_a_stop_lets_what_is_in_flight_finish(tmp_path: Path) -> None:
    gateway = Draining()
    async with fake_house(tmp_path / "data", gateway=gateway) as home:
        pod = await home.started()
        gateway.count(pod.id, 8080, in_flight=1)
        await home.pods.stop(await home.local(), pod.id)
        assert (await home.after(pod)).status is Status.EXITED
        assert gateway.reads == 4
        assert [r.state for r in gateway.history[-3:] if isinstance(r, Route)] == ["closing", "sleeping", "sleeping"]


async def test_a_stop_does_not_wait_longer_than_the_drain(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", drain=timedelta(milliseconds=50)) as home:
        pod = await home.started()
        home.gateway.count(pod.id, 8080, in_flight=1)
        await home.pods.stop(await home.local(), pod.id)
        assert (await home.after(pod)).status is Status.EXITED


class Midway(FakeGateway):
    """Something happens just when a tick reads the counters."""

    interruption: Callable[[], Awaitable[object]] | None = None

    @override
    async def traffic(self) -> Traffic:
        happens, self.interruption = self.interruption, None
        if happens is not None:
            await happens()
        return await super().traffic()


async def test_nobody_is_warned_of_what_was_put_off_while_the_tick_looked(tmp_path: Path) -> None:
    gateway = Midway()
    async with fake_house(tmp_path / "data", gateway=gateway) as home:
        me = await home.local()
        pod = await home.started(idle="30m")
        home.clock.forward(minutes=26)
        gateway.interruption = lambda: keeping(home).keep(me, pod.id, "1h")
        ticked = await home.house.reaper.tick(home.clock())
        assert (ticked.warned, (await row(home, pod)).warned_at) == ((), None)


async def test_a_warning_is_withdrawn_once(tmp_path: Path) -> None:
    gateway = Midway()
    async with fake_house(tmp_path / "data", gateway=gateway) as home:
        me = await home.local()
        pod = await home.started(idle="30m")
        home.clock.forward(minutes=26)
        await home.tick()
        gateway.count(pod.id, 8080, completed=1, succeeded=1)
        gateway.interruption = lambda: keeping(home).keep(me, pod.id, "1h")
        home.clock.forward(seconds=30)
        assert (await home.house.reaper.tick(home.clock())).withdrawn == ()


class Overtaken(Store):
    """Something happens just before a row is written."""

    first: Callable[[], Awaitable[object]] | None = None

    @override
    async def amend(self, *given: Any, **more: Any) -> Pod | None:
        happens, self.first = self.first, None
        if happens is not None:
            await happens()
        return await super().amend(*given, **more)


async def test_who_takes_a_promise_back_does_not_take_back_a_warning_that_just_came(home: FakeHouse) -> None:
    pod = await home.started(idle="30m")
    settings = home.house.settings
    store = await Overtaken.open(settings.database, settings.data_dir / "registry.key")
    witness = Witness(store, home.gateway, home.engine)
    late = Keeping(store, home.pods, witness, Board(), home.clock)
    store.first = lambda: home.house.reaper.tick(home.clock.forward(minutes=26))
    assert (await late.keep(await home.local(), pod.id, "0")).warned_at == home.clock()
    await store.close()


async def test_who_is_warned_as_early_as_can_be_is_not_warned_while_the_pod_is_used(home: FakeHouse) -> None:
    pod = await home.started(idle="5m", warning="5m")
    home.gateway.count(pod.id, 8080, in_flight=1)
    for _ in range(3):
        home.clock.forward(minutes=1)
        assert (await home.house.reaper.tick(home.clock())).warned == ()
    home.gateway.count(pod.id, 8080, in_flight=-1, completed=1, succeeded=1)
    await home.tick()
    home.clock.forward(minutes=1)
    assert (await home.house.reaper.tick(home.clock())).warned == (pod.id,)
    home.clock.forward(minutes=1)
    home.gateway.count(pod.id, 8080, completed=1, succeeded=1)
    assert (await home.house.reaper.tick(home.clock())).withdrawn == (pod.id,)


async def test_a_clock_that_was_set_back_while_nobody_looked_gives_no_pod_more_time(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        home.clock.forward(hours=5)
        pod = await home.started(idle="30m")
    async with fake_house(tmp_path / "data", engine=engine) as home:
        await home.tick()
        assert (await row(home, pod)).last_active_at == home.clock()
        home.clock.forward(minutes=25)
        await home.tick()
        home.clock.forward(minutes=5)
        await home.tick()
        assert (await row(home, pod)).status is Status.EXITED
