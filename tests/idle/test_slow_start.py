"""Slow start: the time before a pod is ready is no idleness, and our own probe is no use."""

import asyncio

from core.engines.fake import Script
from core.model import Status
from core.service import StartRequest
from tests.houses import FakeHouse


async def test_an_hour_of_loading_is_no_idleness(home: FakeHouse) -> None:
    home.engine.script = Script.SLOW_START
    pod = await home.pods.start(await home.local(), StartRequest(template="hello", warning="0"))
    await asyncio.wait_for(home.engine.waiting.wait(), 10)
    for _ in range(3):
        home.clock.forward(minutes=20)
        assert (await home.house.reaper.tick(home.clock())).looked == 0
    home.engine.proceed.set()
    ready = await home.after(pod)
    assert (ready.status, ready.ready_at, ready.last_active_at) == (Status.RUNNING, home.clock(), home.clock())
    home.clock.forward(minutes=29, seconds=59)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
    home.clock.forward(seconds=1)
    await home.tick()
    assert (await home.after(pod)).status is Status.EXITED


async def test_the_probe_of_the_start_is_no_visit(home: FakeHouse) -> None:
    pod = await home.started()
    found = await home.house.reaper.tick(home.clock.forward(minutes=1))
    assert found.in_use == ()
    current = await home.after(pod)
    assert current.last_active_at == current.ready_at


async def test_a_resumed_pod_has_its_whole_time_again(home: FakeHouse) -> None:
    pod = await home.started(warning="0")
    home.clock.forward(minutes=30)
    await home.tick()
    await home.pods.again(await home.local(), pod.id)
    await home.after(pod)
    home.clock.forward(minutes=29)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
