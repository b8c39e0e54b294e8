"""Orders that overtake each other, and askers who leave: nothing stays alive that no row claims."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from core.engines.base import Order, Step
from core.engines.fake import FakeEngine, Script
from core.errors import (
    Conflict,
)
from core.model import Pod, Stage, Status, Volume
from core.progress import Board
from core.service import PodService, StartRequest
from core.store import Store
from tests.houses import FakeHouse, fake_house


async def test_a_stop_during_a_slow_start_leaves_nothing_alive(home: FakeHouse) -> None:
    home.engine.script = Script.SLOW_START
    me = await home.local()
    pod = await home.pods.start(me, StartRequest(template="hello"))
    await home.engine.waiting.wait()
    await home.pods.stop(me, pod.id)
    home.engine.proceed.set()
    pod = await home.after(pod)
    assert pod.status is Status.EXITED
    assert await home.engine.list() == ()


class LateEngine(FakeEngine):
    """Makes the container although whoever asked has gone: the daemon works on when a request is dropped."""

    async def start(self, order: Order) -> AsyncGenerator[Step]:
        yield Step(stage=Stage.CREATE, message="creating the container", ref="late")
        self.making = asyncio.ensure_future(self._late(order))
        self.waiting.set()
        await asyncio.shield(self.making)

    async def _late(self, order: Order) -> None:
        await self.proceed.wait()
        async for _ in super().start(order):
            pass


async def test_a_container_that_is_made_after_its_start_was_broken_off_is_removed_too(tmp_path: Path) -> None:
    engine = LateEngine()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        me = await home.local()
        pod = await home.pods.start(me, StartRequest(template="hello"))
        await engine.waiting.wait()
        await home.pods.stop(me, pod.id)
        asyncio.get_running_loop().call_later(0.2, engine.proceed.set)
        pod = await home.after(pod)
        await engine.making
        assert pod.status is Status.EXITED
        assert await engine.list() == ()


async def test_a_terminate_after_a_stop_after_a_start_waits_for_both(tmp_path: Path) -> None:
    engine = LateEngine()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        me = await home.local()
        pod = await home.pods.start(me, StartRequest(template="hello"))
        await engine.waiting.wait()
        await home.pods.stop(me, pod.id)
        asyncio.get_running_loop().call_later(0.2, engine.proceed.set)
        await home.pods.terminate(me, pod.id)
        pod = await home.after(pod)
        await engine.making
        assert pod.status is Status.TERMINATED
        assert await engine.list() == ()


@pytest.mark.parametrize("script", [Script.SLOW_PULL, Script.SLOW_START])
async def test_a_terminate_during_a_start_leaves_nothing_alive(home: FakeHouse, script: Script) -> None:
    home.engine.script = script
    me = await home.local()
    pod = await home.pods.start(me, StartRequest(template="hello"))
    await home.engine.waiting.wait()
    await home.pods.terminate(me, pod.id)
    if script is Script.SLOW_START:
        home.engine.proceed.set()
    async with asyncio.timeout(10):
        pod = await home.after(pod)
    assert pod.status is Status.TERMINATED
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("pod ")] == []
    assert await home.engine.list() == ()
    assert f"{pod.id}-8080" not in home.gateway.routes


async def test_a_restart_that_cannot_stop_the_old_run_is_not_called_failed_while_that_one_runs(
    home: FakeHouse,
) -> None:
    me = await home.local()
    pod = await home.started()
    home.engine.stop_fails = True
    await home.pods.restart(me, pod.id)
    async for event in home.pods.tail("test"):
        if event.kind == "pod.stop_failed":
            break
    assert (await home.pods.get(me, pod.id)).status is Status.STARTING
    assert [instance.running for instance in await home.engine.list()] == [True]
    claimed = await home.house._store.claimed("address")  # pyright: ignore[reportPrivateUsage]
    assert list(claimed.values()) == [pod.id]
    home.engine.stop_fails = False
    assert (await home.after(pod)).status is Status.ERROR
    assert await home.engine.list() == ()


async def test_two_people_stop_at_once_and_one_of_them_is_told(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    results = await asyncio.gather(*(home.pods.stop(me, pod.id) for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(r, BaseException) for r in results) == 1
    assert all(isinstance(r, Conflict) for r in results if isinstance(r, BaseException))
    assert (await home.after(pod)).status is Status.EXITED


class HearingStore(Store):
    """Tells when it is about to write."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.writing = asyncio.Event()

    async def move(self, *given: Any, **more: Any) -> Pod | None:
        self.writing.set()
        return await super().move(*given, **more)


async def test_an_order_whose_asker_leaves_while_it_is_written_is_carried_out_at_once(home: FakeHouse) -> None:
    pod = await home.started()
    settings, services = home.house.settings, home.house.services
    store = await HearingStore.open(settings.database, settings.data_dir / "registry.key")
    board, launcher = Board(), home.house.launcher
    pods = PodService(
        settings, store, home.engine, home.gateway, launcher, services.templates, services.volumes, board, home.clock
    )
    asking = asyncio.create_task(pods.stop(await home.local(), pod.id))
    await store.writing.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await home.after(pod)).status is Status.EXITED
    await store.close()


class StaleStore(Store):
    """Reads pods as they were one step before."""

    async def pods(self, **asked: Any) -> tuple[Pod, ...]:
        return tuple(pod.model_copy(update={"status": Status.STARTING}) for pod in await super().pods(**asked))


async def test_a_stop_reaches_a_start_that_has_gone_one_step_on_since_it_was_looked_at(home: FakeHouse) -> None:
    pod = await home.started()
    settings, services = home.house.settings, home.house.services
    store = await StaleStore.open(settings.database, settings.data_dir / "registry.key")
    board, launcher = Board(), home.house.launcher
    pods = PodService(
        settings, store, home.engine, home.gateway, launcher, services.templates, services.volumes, board, home.clock
    )
    await pods.stop(await home.local(), pod.id)
    assert (await home.after(pod)).status is Status.EXITED
    assert await home.engine.list() == ()
    await store.close()


class SlowDisks(FakeEngine):
    """Takes its time to make a volume."""

    async def create_volume(self, volume: Volume) -> None:
        self.waiting.set()
        await self.proceed.wait()
        await super().create_volume(volume)


async def test_a_volume_whose_asker_leaves_is_made_all_the_same(tmp_path: Path) -> None:
    engine = SlowDisks()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        asking = asyncio.create_task(home.house.services.volumes.create(await home.local(), "shared"))
        await engine.waiting.wait()
        asking.cancel()
        asyncio.get_running_loop().call_soon(engine.proceed.set)
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await home.started(network_volume="shared")).status is Status.RUNNING
