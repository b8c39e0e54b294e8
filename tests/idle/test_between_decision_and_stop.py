"""Request between decision and stop: the door closes first, then the counters are read once more."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest

from core.errors import Unavailable
from core.gateway.base import Route, RouteState
from core.gateway.fake import FakeGateway
from core.idle import Decision, Evidence, PortEvidence, Verdict, verdict
from core.launcher import Launcher, Terms
from core.model import IdleAction, Pod, Status, Traffic
from core.progress import Board
from core.store import Store
from tests.houses import FakeHouse, fake_house


class Door(FakeGateway):
    """Something happens at the very moment the door closes, or just after the counters were read behind it."""

    closing: Callable[[], None] | None = None
    closed: Callable[[], Awaitable[object]] | None = None

    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        routes = list(routes)
        if self.closing is not None and any(r.state is RouteState.CLOSING for r in routes):
            self.closing()
        await super().apply(routes, remove)

    async def traffic(self) -> Traffic:
        read = await super().traffic()
        if self.closed is not None and any(r.state is RouteState.CLOSING for r in self.routes.values()):
            await self.closed()
        return read


@pytest.mark.parametrize("figures", [{"completed": 1, "succeeded": 1}, {"in_flight": 1}])
async def test_a_visit_keeps_the_pod_and_opens_its_door_again(tmp_path: Path, figures: dict[str, int]) -> None:
    door = Door()
    async with fake_house(tmp_path / "data", gateway=door) as home:
        pod = await home.started(warning="0")
        door.closing = lambda: door.count(pod.id, 8080, **figures)
        home.clock.forward(hours=1)
        await home.tick()
        assert (await home.after(pod)).status is Status.RUNNING
        assert door.routes[f"{pod.id}-8080"].state is RouteState.LIVE


async def test_a_request_that_is_answered_behind_the_closing_door_counts(tmp_path: Path) -> None:
    door = Door()
    async with fake_house(tmp_path / "data", gateway=door) as home:
        pod = await home.started(warning="0")
        door.count(pod.id, 8080, in_flight=1)
        await home.tick()
        home.clock.forward(minutes=29)
        await home.tick()
        home.clock.forward(hours=3)
        door.closing = lambda: door.count(pod.id, 8080, completed=1, succeeded=1, in_flight=-1)
        await home.tick()
        assert (await home.after(pod)).status is Status.RUNNING


@pytest.mark.parametrize("what", ["keep", "beat"])
async def test_a_promise_or_a_sign_of_life_after_the_last_look_counts(tmp_path: Path, what: str) -> None:
    door = Door()
    async with fake_house(tmp_path / "data", gateway=door) as home:
        pod = await home.started(warning="0")
        local, store = await home.local(), home.house._store  # pyright: ignore[reportPrivateUsage]
        services = home.house.services

        async def late() -> object:
            door.closed = None
            return await (
                services.keeping.keep(local, pod.id, "1h") if what == "keep" else store.beat(pod.id, home.clock())
            )

        door.closed = late
        home.clock.forward(hours=1)
        await home.tick()
        assert (await home.after(pod)).status is Status.RUNNING


async def test_no_sign_of_life_puts_the_end_of_life_off(tmp_path: Path) -> None:
    door = Door()
    async with fake_house(tmp_path / "data", gateway=door) as home:
        pod = await home.started(idle="0", warning="0", lifetime="1h")
        store = home.house._store  # pyright: ignore[reportPrivateUsage]
        door.closed = lambda: store.beat(pod.id, home.clock.forward(seconds=1))
        home.clock.forward(hours=1)
        await home.tick()
        assert (await home.after(pod)).status is Status.EXITED


SILENT = Evidence(ports=(PortEvidence(port=8080),))
SILENT_LONG = Verdict(
    decision=Decision.STOP, reason="silent", deadline=None, warn_at=None, action=IdleAction.STOP, evidence=SILENT
)


async def silent(_pod: Pod) -> Verdict:
    return SILENT_LONG


async def test_a_pod_that_was_terminated_since_the_tick_looked_gets_no_route_again(home: FakeHouse) -> None:
    pod = await home.started()
    await home.pods.terminate(await home.local(), pod.id)
    await home.after(pod)
    home.house.launcher.retire(pod, silent)
    await home.house.launcher.idle()
    assert home.gateway.routes == {}


async def test_a_pod_that_was_restarted_since_the_tick_looked_is_left_to_its_new_run(home: FakeHouse) -> None:
    pod = await home.started()
    await home.pods.restart(await home.local(), pod.id)
    await home.after(pod)
    home.house.launcher.retire(pod, silent)
    after = await home.after(pod)
    assert (after.status, after.run) == (Status.RUNNING, 2)


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
    launcher = Launcher(store, home.engine, home.gateway, Board(), home.clock, Terms(patience=0.01))

    async def visited(seen: Pod) -> Verdict:
        assert home.gateway.routes[f"{pod.id}-8080"].state is RouteState.CLOSING
        store.away = 3
        return verdict(seen, Evidence(ports=(PortEvidence(port=8080, succeeded=1),)), home.clock())

    launcher.retire(pod, visited)
    await launcher.idle()
    await store.close()
    assert store.away == 0
    assert home.gateway.routes[f"{pod.id}-8080"].state is RouteState.LIVE
