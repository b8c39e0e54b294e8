"""The contract of the engine seam: the same body for the fake, a real Docker Engine, and RunPod's API (as we serve it).

As the launcher does, it saves what each step of a start carries.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiodocker import Docker

from core.engines.base import Engine, Instance, Step, Usage
from core.engines.docker import DockerEngine
from core.engines.fake import FakeEngine
from core.errors import Conflict, PodFailed
from core.model import Pod, Stage, Status, Upstream, Wake
from tests.core.engines.orders import again, make_pod, make_volume, order_of
from tests.helpers import until
from tests.parts import Images
from tests.runpod.cloud import Cloud, cloud

DISK = 10 * 1024**3


@dataclass
class World:
    """An engine, an image it can run, and a way into the pods."""

    engine: Engine
    image: str
    write: Callable[[Pod, str, str], Awaitable[None]]
    read: Callable[[Pod, str], Awaitable[str | None]]

    def pod(self, **spec: object) -> Pod:
        return make_pod(self.image, **spec)

    async def begun(self, pod: Pod) -> tuple[Pod, list[Step]]:
        """The pod as its row is after a start, and the steps of it."""
        steps = [step async for step in self.engine.start(order_of(self.engine, pod))]
        return saved(pod, steps), steps

    async def started(self, pod: Pod) -> Pod:
        return (await self.begun(pod))[0]

    async def listed(self, pod: Pod) -> list[Instance]:
        """What `list` tells of it."""
        return [one for one in await self.engine.list() if one.pod_id == pod.id]

    async def gone(self, pod: Pod) -> bool:
        """Nothing of it uses compute; where a stopped pod is kept, it rests."""
        seen = await self.engine.inspect(pod)
        return seen is None or (self.engine.features.keeps_pods and seen.resting and not seen.running)


def saved(pod: Pod, steps: Iterable[Step]) -> Pod:
    """With the last reference of these steps."""
    for step in steps:
        if step.ref is not None:
            pod = pod.model_copy(update={"ref": step.ref})
    return pod


@pytest.fixture(params=["fake", "docker", "runpod"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "runpod":
        async with cloud(tmp_path) as sky:
            yield World(sky.engine, "docker.io/test/web:1", _There(sky).write, _There(sky).read)
        return
    async with _near(request) as opened:
        yield opened


@pytest.fixture(params=["fake", "docker"])
async def near(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """One whose pods are on this machine."""
    async with _near(request) as opened:
        yield opened


@asynccontextmanager
async def _near(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        yield await _fake()
        return
    images: Images = request.getfixturevalue("busybox_image")
    engine = DockerEngine()
    await engine.open(request.getfixturevalue("installation"))
    async with Docker() as docker:
        yield World(engine, images.web, _Shell(docker).write, _Shell(docker).read)
    for instance in await engine.list():
        await engine.terminate(make_pod(pod_id=instance.pod_id))
    await engine.close()


async def _fake() -> World:
    engine = FakeEngine()
    await engine.open("test")

    async def write(pod: Pod, path: str, text: str) -> None:
        engine.write(pod, path, text)

    async def read(pod: Pod, path: str) -> str | None:
        return engine.read(pod, path)

    return World(engine, "fake/web:1", write, read)


class _There:
    """Files of a pod in the cloud, which is a fake engine behind a real API."""

    def __init__(self, sky: Cloud) -> None:
        self._sky = sky

    async def write(self, pod: Pod, path: str, text: str) -> None:
        self._sky.there.engine.write(await self._row(pod), path, text)

    async def read(self, pod: Pod, path: str) -> str | None:
        return self._sky.there.engine.read(await self._row(pod), path)

    async def _row(self, pod: Pod) -> Pod:
        return await self._sky.there.pods.get(await self._sky.there.local(), (pod.ref or "").partition("@")[0])


class _Shell:
    """Files of a container, through its shell."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker

    async def write(self, pod: Pod, path: str, text: str) -> None:
        await self._run(pod, f"echo -n '{text}' > {path}")

    async def read(self, pod: Pod, path: str) -> str | None:
        return await self._run(pod, f"cat {path} 2>/dev/null") or None

    async def _run(self, pod: Pod, command: str) -> str:
        container = self._docker.containers.container(f"podkeeper-{pod.id}-{pod.run}")
        execution = await container.exec(["sh", "-c", command])
        async with execution.start(detach=False) as stream:
            out = b""
            while (message := await stream.read_out()) is not None:
                out += message.data
        return out.decode()


async def test_a_start_tells_its_reference_before_anything_exists_and_upstreams_at_the_end(world: World) -> None:
    pod = world.pod()
    stages: list[Stage] = []
    last = None
    first = True
    async for step in world.engine.start(order := order_of(world.engine, pod)):
        pod = saved(pod, [step])
        if step.ref is not None and first:
            first = False
            assert await world.engine.inspect(pod) is None
        stages.append(step.stage)
        last = step
    assert stages == sorted(stages, key=list(Stage).index)
    assert set(stages) == {Stage.PULL, Stage.CREATE, Stage.START}
    assert last is not None
    assert last.upstreams is not None
    assert set(last.upstreams) == {8080}
    if order.address is not None:
        assert last.upstreams == {8080: Upstream(host=order.address, port=8080)}


async def test_only_the_steps_of_the_pull_come_before_the_reference(world: World) -> None:
    _, steps = await world.begun(world.pod())
    refs = [step.ref for step in steps if step.ref is not None]
    assert refs
    before = [s.stage for s in steps[: [s.ref for s in steps].index(refs[0])]]
    assert set(before) == {Stage.PULL}


async def test_a_started_pod_is_seen_alike_by_inspect_and_list(world: World) -> None:
    pod, steps = await world.begun(world.pod())
    seen = await world.engine.inspect(pod)
    assert seen is not None
    [listed] = await world.listed(pod)
    assert listed == (seen if listed.run else seen.model_copy(update={"run": 0, "ref": listed.ref, "upstreams": {}}))
    assert (seen.pod_id, seen.run, seen.running, seen.exit_code, seen.out_of_memory) == (pod.id, 1, True, None, False)
    assert seen.ref == pod.ref
    assert seen.upstreams == steps[-1].upstreams


async def test_every_verb_is_fine_when_nothing_is_there(world: World) -> None:
    pod, engine = world.pod(volume=DISK), world.engine
    for _ in range(2):
        await engine.stop(pod)
        await engine.terminate(pod)
        await engine.delete_volume(make_volume())
    await engine.halt(Instance(pod_id=pod.id, run=1, ref="podkeeper-nothing-1", running=True))
    assert await engine.inspect(pod) is None
    assert await engine.logs(pod, 10) == ""
    assert await engine.usage(pod) == Usage()
    assert await engine.upstream(pod, 8080) is None


async def test_a_stop_loses_the_container_disk_and_keeps_the_volume_disk_until_terminate(world: World) -> None:
    pod = await world.started(world.pod(volume=DISK))
    await world.write(pod, "/disk.txt", "volatile")
    await world.write(pod, "/workspace/kept.txt", "kept")
    assert await world.read(pod, "/disk.txt") == "volatile"
    await world.engine.stop(pod, 5)
    assert await world.gone(pod)

    pod = await world.started(again(pod))
    assert await world.read(pod, "/disk.txt") is None
    assert await world.read(pod, "/workspace/kept.txt") == "kept"
    await world.engine.terminate(pod)
    assert await world.engine.inspect(pod) is None

    pod = await world.started(again(pod.model_copy(update={"ref": None})))
    assert await world.read(pod, "/workspace/kept.txt") is None


async def test_a_network_volume_outlives_its_pod_and_is_not_deleted_while_mounted(world: World) -> None:
    volume = make_volume()
    for _ in range(2):
        await world.engine.create_volume(volume)
    first, second = (world.pod(network_volume=volume.id, volume=DISK, volume_path="/data") for _ in range(2))
    first = await world.started(first)
    await world.write(first, "/data/kept.txt", "kept")
    with pytest.raises(Conflict, match="still mounted"):
        await world.engine.delete_volume(volume)
    await world.engine.terminate(first)

    second = await world.started(second)
    assert await world.read(second, "/data/kept.txt") == "kept"
    await world.engine.terminate(second)
    for _ in range(2):
        await world.engine.delete_volume(volume)


async def test_a_network_volume_grows_with_its_data_and_one_that_is_gone_does_not(world: World) -> None:
    volume = make_volume()
    await world.engine.create_volume(volume)
    pod = await world.started(world.pod(network_volume=volume.id, volume=DISK, volume_path="/data"))
    await world.write(pod, "/data/kept.txt", "kept")
    larger = volume.model_copy(update={"size": 2 * (volume.size or 0)})
    for _ in range(2):
        await world.engine.grow_volume(larger)
    assert await world.read(pod, "/data/kept.txt") == "kept"
    await world.engine.terminate(pod)
    await world.engine.delete_volume(larger)
    with pytest.raises(PodFailed, match="gone"):
        await world.engine.grow_volume(larger)


async def test_it_says_what_pods_may_have(world: World) -> None:
    offers = await world.engine.offers()
    assert offers.cpu is not None
    assert offers.cpu.most >= 2


async def test_a_network_volume_without_data_is_not_replaced_by_an_empty_one(world: World) -> None:
    with pytest.raises(PodFailed, match="network volume is gone"):
        await world.started(world.pod(network_volume="nothing"))


async def test_a_next_run_removes_what_was_left_of_the_one_before(world: World) -> None:
    pod = await world.started(world.pod())
    await world.write(pod, "/mark", "of the run before")
    restarted = await world.started(again(pod).model_copy(update={"status": Status.STARTING}))
    assert await world.engine.inspect(restarted.model_copy(update={"run": 1})) is None
    assert [(i.run or 2, i.running) for i in await world.listed(pod)] == [(2, True)]
    assert await world.read(restarted, "/mark") is None


async def test_a_run_that_is_already_there_is_taken_over(world: World) -> None:
    engine = world.engine
    order = order_of(engine, world.pod())
    first = [step async for step in engine.start(order)]
    pod = saved(order.pod, first)
    await world.write(pod, "/mark", "same container")
    second = [step async for step in engine.start(order.model_copy(update={"pod": pod}))]
    assert second[-1] == first[-1]
    assert await world.read(pod, "/mark") == "same container"


async def test_a_start_given_up_after_its_reference_is_cleaned_up_by_stop(world: World) -> None:
    pod = world.pod()
    async with aclosing(world.engine.start(order_of(world.engine, pod))) as steps:
        async for step in steps:
            pod = saved(pod, [step])
            if step.stage is Stage.START:
                break
    await world.engine.stop(pod)
    assert await world.gone(pod)


async def test_what_a_failed_first_start_has_made_is_gone_when_it_is_abandoned(world: World) -> None:
    pod = await world.started(world.pod(volume=DISK))
    await world.engine.abandon(pod)
    assert await world.engine.inspect(pod) is None
    assert await world.listed(pod) == []


async def test_a_halted_instance_is_left_there_to_look_at(world: World) -> None:
    pod = await world.started(world.pod())
    seen = await world.engine.inspect(pod)
    assert seen is not None
    for _ in range(2):
        await world.engine.halt(seen)
    left = await world.engine.inspect(pod)
    assert left is not None
    assert not left.running
    assert left.exit_code is not None
    assert left.upstreams == {}
    assert [one.running for one in await world.listed(pod)] == [False]


async def test_changes_tells_of_an_instance_that_ended(world: World) -> None:
    pod = world.pod()
    heard: set[str] = set()

    async def listen() -> None:
        async with aclosing(world.engine.changes()) as changes:
            async for pod_id in changes:
                heard.add(pod_id)

    async def end_one() -> bool:
        # The listener may not be on the line yet: what it misses then is not its fault.
        nonlocal pod
        pod = await world.started(pod)
        await world.engine.stop(pod)
        return pod.id in heard

    listener = asyncio.create_task(listen())
    await until(end_one)
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)


async def test_logs_are_the_last_lines(world: World) -> None:
    pod = await world.started(world.pod(args=("sh", "-c", "echo one; echo two; echo hello from here; exec sleep 60")))
    await until(lambda: _has(world.engine, pod, "hello"))
    last = await world.engine.logs(pod, 1)
    assert last.startswith("hello from")
    assert len(last.splitlines()) == 1
    assert await world.engine.logs(pod, 0) == ""


async def test_lines_have_their_times_and_are_asked_for_since_one(world: World) -> None:
    pod = await world.started(world.pod(args=("sh", "-c", "echo one; echo two; echo hello from here; exec sleep 60")))
    await until(lambda: _has(world.engine, pod, "hello"))
    lines = await world.engine.lines(pod, 100)
    assert all(line.at.year > 1970 for line in lines)
    last = lines[-1]
    assert await world.engine.lines(pod, 100, last.at) == tuple(line for line in lines if line.at == last.at)
    assert await world.engine.lines(pod, 100, last.at + timedelta(microseconds=1)) == ()


async def _has(engine: Engine, pod: Pod, word: str) -> bool:
    return word in await engine.logs(pod, 100)


async def test_addresses_begin_at_another_place_each_time(near: World) -> None:
    first, second = near.engine.addresses(), near.engine.addresses()
    assert first is not None
    assert second is not None
    one, other = list(first), list(second)
    assert one[0] != other[0]
    assert set(one) == set(other)
    assert len(set(one)) == len(one) >= 1000


async def test_a_check_is_one_sentence(world: World) -> None:
    assert world.engine.name in (await world.engine.check()).lower()


async def test_any_port_of_the_present_run_has_an_upstream_while_it_runs(near: World) -> None:
    engine = near.engine
    assert engine.features.expose
    pod, steps = await near.begun(near.pod())
    declared = await engine.upstream(pod, 8080)
    assert steps[-1].upstreams == {8080: declared}
    assert declared is not None
    assert await engine.upstream(pod, 9000) == Upstream(host=declared.host, port=9000)
    assert await engine.upstream(again(pod), 8080) is None
    seen = await engine.inspect(pod)
    assert seen is not None
    await engine.halt(seen)
    assert await engine.upstream(pod, 8080) is None


async def test_pods_see_this_machine_at_an_address_that_no_pod_is_given(near: World) -> None:
    inside = await near.engine.inside()
    assert inside is not None
    assert IPv4Address(inside).is_private
    assert inside not in set(near.engine.addresses() or ())


async def test_usage_is_told_for_the_present_run_while_it_runs(world: World) -> None:
    pod, engine = await world.started(world.pod()), world.engine
    assert engine.features.usage
    if engine.features.keeps_pods:  # which tells what it knew some moments ago
        await until(lambda: _told(engine, pod))
    for _ in range(2):
        used = await engine.usage(pod)
        assert used.cpu is not None
        assert used.memory is not None
        assert 0 <= used.cpu <= 1
        assert 0 <= used.memory <= 1
        assert used.gpu is None
    assert await engine.usage(again(pod)) == Usage()
    await engine.stop(pod, 1)
    assert await engine.usage(pod) == Usage()


async def _told(engine: Engine, pod: Pod) -> bool:
    return (await engine.usage(pod)).cpu is not None


def test_visitors_of_a_sleeping_pod_are_offered_a_button(world: World) -> None:
    assert world.engine.features.wake is Wake.BUTTON
