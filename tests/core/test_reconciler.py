"""Rows and engine agree again, whatever went past us."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from core.engines.base import Order
from core.engines.fake import FakeEngine, Script
from core.errors import AlreadyRunning
from core.model import Cause, Pod, Status
from core.service import StartRequest
from core.store import Store
from tests.helpers import until
from tests.houses import FakeHouse, fake_house


@pytest.mark.parametrize("script", [Script.SLOW_PULL, Script.SLOW_START])
async def test_a_pod_half_started_when_we_died_is_finished_by_the_next_one(tmp_path: Path, script: Script) -> None:
    engine = FakeEngine(script=script)
    async with fake_house(tmp_path / "data", engine=engine) as first:
        pod = await first.pods.start(await first.local(), StartRequest(template="hello"))
        await engine.waiting.wait()
    engine.script = Script.OK
    async with fake_house(tmp_path / "data", engine=engine) as second:
        found = await second.after(pod)
        assert (found.status, found.run) == (Status.RUNNING, 1)
        assert len(await engine.list()) == 1
        # The next one takes over what was made, at the address it has.
        assert {order.address for order in engine.orders} == {found.upstreams[8080].host} or script is Script.SLOW_PULL
        claimed = await second.house._store.claimed("address")  # pyright: ignore[reportPrivateUsage]
        assert list(claimed) == [found.upstreams[8080].host]


async def test_the_leases_of_a_killed_process_are_not_waited_for(tmp_path: Path) -> None:
    engine = FakeEngine(script=Script.SLOW_PULL)
    async with fake_house(tmp_path / "data", engine=engine) as first:
        pod = await first.pods.start(await first.local(), StartRequest(template="hello"))
        await engine.waiting.wait()
    engine.script = Script.OK
    store = await Store.open(first.house.settings.database, tmp_path / "data" / "registry.key")
    await store.amend(pod.id, 1, {Status.PROVISIONING}, lease_until=first.clock.forward(hours=1))
    await store.close()
    async with fake_house(tmp_path / "data", engine=engine) as second:
        assert (await second.after(pod)).status is Status.RUNNING


async def test_a_half_done_stop_is_finished_by_the_next_one(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with fake_house(tmp_path / "data", engine=engine) as first:
        pod = await first.started()
        engine.stop_fails = True
        await first.pods.stop(await first.local(), pod.id)
    engine.stop_fails = False
    async with fake_house(tmp_path / "data", engine=engine) as second:
        assert (await second.after(pod)).status is Status.EXITED
        assert await engine.list() == ()


async def test_running_pods_are_found_again_after_a_restart(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data") as first:
        pod = await first.started()
    async with fake_house(tmp_path / "data", engine=first.engine) as second:
        assert (await second.after(pod)).status is Status.RUNNING
        assert second.gateway.routes[f"{pod.id}-8080"].state == "live"


async def test_a_pod_terminated_and_one_stopped_before_a_restart_have_no_live_route_after_it(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data") as first:
        me = await first.local()
        gone, asleep = await first.started(), await first.started()
        await first.pods.terminate(me, gone.id)
        await first.pods.stop(me, asleep.id)
        await first.house.launcher.idle()
    async with fake_house(tmp_path / "data", engine=first.engine) as second:
        assert {key: r.state for key, r in second.gateway.routes.items()} == {f"{asleep.id}-8080": "sleeping"}


async def test_a_container_that_no_row_claims_is_halted_and_told_once(home: FakeHouse) -> None:
    pod = await home.started()
    stray = pod.model_copy(update={"id": "strangeorphan1"})
    async for _ in home.engine.start(Order(pod=stray, address="10.255.9.9")):
        pass
    found = await home.house.reconciler.tick(home.clock())
    assert found.orphans == ("strangeorphan1",)
    assert {i.pod_id: i.running for i in await home.engine.list()} == {pod.id: True, "strangeorphan1": False}
    events = await home.house._store.events(0)  # pyright: ignore[reportPrivateUsage]
    assert events[-1].kind == "pod.orphan"
    assert (await home.house.reconciler.tick(home.clock())).orphans == ()


async def test_a_row_whose_container_vanished_becomes_exited_with_the_reason(home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.vanish(pod.id)
    await home.house.reconciler.tick(home.clock())
    ended = await home.after(pod)
    assert ended.status is Status.EXITED
    assert "vanished" in (ended.reason or "")
    assert ended.cause is Cause.ITSELF


@pytest.mark.parametrize(
    ("code", "memory", "status", "told"),
    [
        (0, False, Status.EXITED, "exit code 0"),
        (1, False, Status.ERROR, "exit code 1"),
        (1, True, Status.ERROR, "ran out of memory"),
    ],
)
async def test_the_engine_tells_of_an_end_and_the_row_follows_at_once(
    home: FakeHouse, code: int, memory: bool, status: Status, told: str
) -> None:
    me = await home.local()
    pod = await home.started()
    home.engine.die(pod.id, code, out_of_memory=memory)

    async def ended() -> bool:
        return (await home.pods.get(me, pod.id)).status is status

    await until(ended)
    assert told in ((await home.pods.get(me, pod.id)).reason or "")
    assert home.gateway.routes[f"{pod.id}-8080"].state == "sleeping"


class StumblingEngine(FakeEngine):
    """Tells something that we cannot read, once."""

    stumbled = False

    async def changes(self) -> AsyncGenerator[str]:
        if not self.stumbled:
            self.stumbled = True
            raise KeyError("timeNano")
        async for pod_id in super().changes():
            yield pod_id


async def test_the_engine_is_listened_to_again_after_something_that_could_not_be_read(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=StumblingEngine()) as home:
        me = await home.local()
        pod = await home.started()

        async def ended() -> bool:
            return (await home.pods.get(me, pod.id)).status is Status.EXITED

        await until(lambda: bool(home.engine._listeners))  # pyright: ignore[reportPrivateUsage]
        home.engine.die(pod.id, 0)
        await until(ended)


async def test_an_engine_that_does_not_answer_is_no_evidence(home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.down = True
    home.clock.forward(hours=2)
    await home.house.reconciler.tick(home.clock())
    home.engine.down = False
    assert (await home.after(pod)).status is Status.RUNNING


async def test_a_second_house_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data"):
        with pytest.raises(AlreadyRunning, match="already running on"):
            async with fake_house(tmp_path / "data"):
                pass
    async with fake_house(tmp_path / "data"):
        pass


async def test_leftovers_of_a_pod_at_rest_are_removed(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    await home.pods.stop(me, pod.id)
    await home.after(pod)
    async for _ in home.engine.start(Order(pod=pod, address="10.255.9.9")):
        pass
    found = await home.house.reconciler.tick(home.clock())
    assert found.leftovers == (pod.id,)
    await home.house.launcher.idle()
    assert await home.engine.list() == ()


class SlowToStop(FakeEngine):
    """Its next stop waits."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False
        self.stopping = asyncio.Event()
        self.go_on = asyncio.Event()

    async def stop(self, pod: Pod, grace: float = 10) -> None:
        if self.slow:
            self.slow = False
            self.stopping.set()
            await self.go_on.wait()
        await super().stop(pod, grace)


async def test_a_resume_while_a_leftover_is_being_removed_keeps_its_new_container(tmp_path: Path) -> None:
    engine = SlowToStop()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        me = await home.local()
        pod = await home.started()
        await home.pods.stop(me, pod.id)
        await home.after(pod)
        async for _ in engine.start(Order(pod=pod, address="10.255.9.9")):
            pass
        engine.slow = True
        tick = asyncio.create_task(home.house.reconciler.tick(home.clock()))
        await engine.stopping.wait()
        await home.pods.resume(me, pod.id)
        await home.after(pod)
        engine.go_on.set()
        await tick
        assert (await home.after(pod)).status is Status.RUNNING
        assert [(instance.run, instance.running) for instance in await engine.list()] == [(2, True)]
