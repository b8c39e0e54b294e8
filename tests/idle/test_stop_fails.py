"""Stop fails: it stays STOPPING, is told after the second failure, repeated, and never called stopped before."""

from collections.abc import Iterable
from pathlib import Path

from core.errors import Unavailable
from core.gateway.base import Route
from core.gateway.fake import FakeGateway
from core.model import Status
from tests.helpers import until
from tests.houses import FakeHouse, fake_house


async def test_it_is_told_and_repeated_until_it_succeeds(home: FakeHouse) -> None:
    pod = await home.started(warning="0")
    home.engine.stop_fails = True
    home.clock.forward(hours=1)
    await home.house.reaper.tick(home.clock())
    store = home.house._store  # pyright: ignore[reportPrivateUsage]

    async def failed() -> bool:
        return "pod.stop_failed" in [e.kind for e in await store.events(0, pod_id=pod.id)]

    await until(failed)
    current = await store.pod(pod.id)
    assert current is not None
    assert current.status is Status.STOPPING
    assert len(await home.engine.list()) == 1
    home.engine.stop_fails = False
    assert (await home.after(pod)).status is Status.EXITED
    assert await home.engine.list() == ()


async def test_an_engine_that_is_away_at_the_stop_gets_it_later(home: FakeHouse) -> None:
    pod = await home.started(warning="0")
    home.engine.down = True
    home.clock.forward(hours=1)
    await home.house.reaper.tick(home.clock())
    store = home.house._store  # pyright: ignore[reportPrivateUsage]

    async def stopping() -> bool:
        current = await store.pod(pod.id)
        return current is not None and current.status is Status.STOPPING

    await until(stopping)
    home.engine.down = False
    assert (await home.after(pod)).status is Status.EXITED


class Stuck(FakeGateway):
    """Its doors do not close, for some attempts."""

    stuck = 0

    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        if self.stuck:
            self.stuck -= 1
            raise Unavailable("Envoy does not answer")
        await super().apply(routes, remove)


async def test_a_door_that_cannot_be_closed_stops_nothing(tmp_path: Path) -> None:
    gateway = Stuck()
    async with fake_house(tmp_path / "data", gateway=gateway) as home:
        pod = await home.started(warning="0")
        home.clock.forward(minutes=30)
        gateway.stuck = 3
        await home.tick()
        assert (await home.after(pod)).status is Status.RUNNING
        assert gateway.stuck == 0
        await home.tick()
        assert (await home.after(pod)).status is Status.EXITED
