"""The fake engine: its scripts and switches do what the house's tests rely on."""

import asyncio
from contextlib import aclosing

import pytest

from core.engines.base import Engine, Usage
from core.engines.fake import FakeEngine, Script
from core.errors import PodError, PodFailed, Unavailable
from core.model import Gpu
from tests.core.engines.orders import make_pod, make_volume, order_of, start


async def test_a_slow_start_waits_until_it_may_proceed() -> None:
    for script, exists in ((Script.SLOW_PULL, False), (Script.SLOW_START, True)):
        engine, pod = FakeEngine(script=script), make_pod()
        task = asyncio.create_task(start(engine, pod))
        await engine.waiting.wait()
        assert (await engine.inspect(pod) is not None) is exists
        engine.proceed.set()
        assert (await task)[-1].upstreams


async def test_a_stop_during_a_slow_start_leaves_nothing_alive() -> None:
    engine, pod = FakeEngine(script=Script.SLOW_START), make_pod()
    task = asyncio.create_task(start(engine, pod))
    await engine.waiting.wait()
    await engine.stop(pod)
    engine.proceed.set()
    with pytest.raises(Unavailable, match="removed while"):
        await task
    assert await engine.list() == ()


@pytest.mark.parametrize(
    ("script", "kind", "left"),
    [
        (Script.NO_IMAGE, PodFailed, 0),
        (Script.BAD_COMMAND, PodFailed, 1),
        (Script.GOES_AWAY, Unavailable, 1),
        (Script.BUG, RuntimeError, 0),
    ],
)
async def test_a_failing_start_fails_as_its_script_says(script: Script, kind: type[Exception], left: int) -> None:
    engine = FakeEngine()
    engine.scripts["bad:1"] = script
    with pytest.raises(kind):
        await start(engine, make_pod("bad:1"))
    engine.down = False
    assert len(await engine.list()) == left
    assert (await start(engine, make_pod("good:1")))[-1].upstreams


@pytest.mark.parametrize(
    ("script", "code", "out_of_memory"), [(Script.EXITS, 3, False), (Script.OUT_OF_MEMORY, 137, True)]
)
async def test_a_pod_may_end_at_once(script: Script, code: int, out_of_memory: bool) -> None:
    engine, pod = FakeEngine(script=script), make_pod()
    await start(engine, pod)
    seen = await engine.inspect(pod)
    assert seen is not None
    assert (seen.running, seen.exit_code, seen.out_of_memory) == (False, code, out_of_memory)
    assert await engine.logs(pod, 10) != ""


async def test_what_dies_or_vanishes_is_heard() -> None:
    engine, pod, other = FakeEngine(), make_pod(), make_pod()
    await start(engine, pod)
    await start(engine, other)
    async with aclosing(engine.changes()) as changes:
        heard = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        engine.die(pod.id, 9)
        assert await heard == pod.id
        engine.vanish(other.id)
        assert await anext(changes) == other.id
    seen = await engine.inspect(pod)
    assert seen is not None
    assert seen.exit_code == 9
    assert await engine.inspect(other) is None


async def test_an_engine_that_is_down_tells_so_with_every_verb() -> None:
    engine, pod, volume = FakeEngine(), make_pod(), make_volume()
    await start(engine, pod)
    seen = await engine.inspect(pod)
    assert seen is not None
    engine.down = True
    verbs = [
        engine.check(), engine.gpus(), start(engine, pod), engine.stop(pod), engine.terminate(pod),
        engine.inspect(pod), engine.list(), engine.halt(seen), engine.logs(pod, 1), engine.usage(pod),
        engine.create_volume(volume), engine.delete_volume(volume), engine.upstream(pod, 8080), engine.inside(),
        engine.offers(), engine.grow_volume(volume),
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(Unavailable):
            await verb
    engine.down = False
    assert await engine.inspect(pod) == seen


async def test_a_stop_may_fail() -> None:
    engine, pod = FakeEngine(), make_pod()
    await start(engine, pod)
    engine.stop_fails = True
    for verb in (engine.stop(pod), engine.terminate(pod)):
        with pytest.raises(PodError):
            await verb
    assert await engine.inspect(pod) is not None


async def test_gpus_and_usage_are_what_the_test_says() -> None:
    device = Gpu(uuid="GPU-1", type="A100", memory=80)
    engine, pod = FakeEngine(gpus=[device]), make_pod()
    assert await engine.gpus() == (device,)
    order = order_of(engine, pod, gpus=("GPU-1",))
    async for _ in engine.start(order):
        pass
    assert engine.orders == [order]
    with_gpu = pod.model_copy(update={"gpus": ("GPU-1",)})
    assert await engine.usage(with_gpu) == Usage(cpu=0.0, memory=0.0, gpu=0.0)
    engine.shares[pod.id] = Usage(cpu=0.5)
    assert await engine.usage(pod) == Usage(cpu=0.5)
    assert isinstance(engine, Engine)


async def test_a_machine_may_have_no_address_for_pods() -> None:
    engine = FakeEngine()
    engine.inside_address = None
    assert await engine.inside() is None
