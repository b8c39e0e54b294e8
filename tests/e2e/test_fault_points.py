"""`kill -9` of the control plane at every point of a start, a stop, a wake and a terminate, on real Docker.

The points are not guessed: a run that is not killed says which there are.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.model import Pod, Status
from tests.e2e.parts import Place, RealHouse, container, inside
from tests.parts import Images, docker

KEPT = "/workspace/kept"


@pytest.fixture
def disk(place: Place, busybox_image: Images) -> Place:
    """A place whose template has a volume disk."""
    place.template("web", busybox_image.web, volume="1g")
    return place


async def act(place: Place, action: str, pod: str, point: str = "none") -> list[str]:
    """One act in a process of its own; the points that it passed. Only one that was told to dies."""
    trace = place.base / "trace"
    trace.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.e2e.faulty", action, pod, point, str(trace)),
        env=place.environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == (0 if point == "none" else -9), errors.decode()
    return trace.read_text().splitlines()


@asynccontextmanager
async def afterwards(place: Place) -> AsyncIterator[RealHouse]:
    """The next house, once it has put everything in order."""
    async with place.house() as home:
        for pod in await home.pods.list(await home.me()):
            await home.settled(pod)
        yield home
        await nothing_lies(home)


async def nothing_lies(home: RealHouse) -> None:
    """No container without a row, no row without its container, and each pod with its volume."""
    label = f"label=podkeeper.installation={home.store.installation}"
    pods = await home.pods.list(await home.me(), everyone=True)
    running = {container(pod) for pod in pods if pod.status is Status.RUNNING}
    assert set(docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split()) == running
    volumes = docker("volume", "ls", "--filter", label, "--format", "{{.Name}}").split()
    assert len(volumes) == len(pods)
    assert all(any(pod.id in volume for volume in volumes) for pod in pods)
    assert not any(pod.status.under_way for pod in pods)


async def up(home: RealHouse) -> Pod:
    """A pod that runs, with something on its volume."""
    pod = await home.up("web")
    inside(pod, f"echo kept > {KEPT}")
    return pod


async def test_a_start_that_is_killed_anywhere_is_finished_or_cleaned_up(disk: Place) -> None:
    await act(disk, "start", "web")  # pulls the image, in as many steps as it likes
    points = await act(disk, "start", "web")
    assert len(points) >= 8
    for point in points:
        await act(disk, "start", "web", point)
        async with afterwards(disk) as home:
            pod = (await home.pods.list(await home.me()))[0]
            assert pod.status is Status.RUNNING, (point, pod.reason)
            assert (await home.ask(pod)).text.strip() == pod.id, point
            await home.clear()


async def test_a_stop_that_is_killed_anywhere_is_carried_to_its_end_and_loses_no_volume(disk: Place) -> None:
    async with disk.house() as home:
        pod = await up(home)
    points = await act(disk, "stop", pod.id)
    assert len(points) == 2
    for point in points:
        async with disk.house() as home:
            await home.resume(pod)
        await act(disk, "stop", pod.id, point)
        async with afterwards(disk) as home:
            stopped = await home.look(pod)
            assert stopped.status is Status.EXITED, (point, stopped.reason)
            resumed = await home.resume(stopped)
            assert inside(resumed, f"cat {KEPT}") == "kept"
            await home.stop(resumed)


async def test_a_wake_that_is_killed_anywhere_is_finished_and_loses_no_volume(disk: Place) -> None:
    async with disk.house() as home:
        pod = await up(home)
        await home.stop(pod)
    points = await act(disk, "wake", pod.id)
    assert len(points) >= 8
    for point in points:
        async with disk.house() as home:
            if (await home.look(pod)).status is Status.RUNNING:
                await home.stop(pod)
        await act(disk, "wake", pod.id, point)
        async with afterwards(disk) as home:
            woken = await home.look(pod)
            assert woken.status is Status.RUNNING, (point, woken.reason)
            assert inside(woken, f"cat {KEPT}") == "kept", point


async def test_a_terminate_that_is_killed_anywhere_leaves_nothing(disk: Place) -> None:
    async with disk.house() as home:
        pods = [await up(home) for _ in range(3)]
    points = await act(disk, "terminate", pods[0].id)
    assert len(points) == 2
    for pod, point in zip(pods[1:], points, strict=True):
        await act(disk, "terminate", pod.id, point)
        async with afterwards(disk) as home:
            assert (await home.look(pod)).status is Status.TERMINATED, point
            assert (await home.ask(pod)).status == 404, point
