"""Started outside: what no row claims is halted and told, not counted and not forgotten (Sablier never stops it)."""

from core.engines.base import Order
from core.model import Status
from tests.houses import FakeHouse


async def test_what_carries_our_label_without_a_row_is_halted_and_told(home: FakeHouse) -> None:
    pod = await home.started()
    stranger = pod.model_copy(update={"id": "b" * 14, "ref": None})
    async for _ in home.engine.start(Order(pod=stranger, address="10.255.3.3")):
        pass
    found = await home.house.reconciler.tick(home.clock())
    assert found.orphans == (stranger.id,)
    running = [i.pod_id for i in await home.engine.list() if i.running]
    assert running == [pod.id]
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    assert [e.kind for e in await store.events(0, pod_id=stranger.id)] == ["pod.orphan"]


async def test_the_reaper_looks_only_at_rows(home: FakeHouse) -> None:
    await home.started()
    home.gateway.count("b" * 14, 8080, completed=5, succeeded=5)
    found = await home.house.reaper.tick(home.clock())
    assert found.looked == 1
    assert found.unseen == ()


async def test_a_container_that_was_stopped_outside_ends_its_row_and_needs_no_idle_stop(home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.vanish(pod.id)
    await home.house.reconciler.tick(home.clock())
    assert (await home.after(pod)).status in (Status.EXITED, Status.ERROR)
    home.clock.forward(hours=3)
    assert (await home.house.reaper.tick(home.clock())).looked == 0
