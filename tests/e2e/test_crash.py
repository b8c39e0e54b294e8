"""`kill -9` of the control plane: what serves goes on, and the next one puts everything in order."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from core.model import Draft, Pod, Status
from core.store import Store
from tests.e2e.parts import Place, RealHouse, container, release
from tests.e2e.scripts import LATE
from tests.e2e.slow_registry import SlowRegistry
from tests.helpers import until
from tests.parts import Images, Registry, docker, load_web

VISITS = 7


@asynccontextmanager
async def stored(place: Place) -> AsyncIterator[Store]:
    """The database, while nobody runs on it."""
    store = await Store.open(place.settings().database, place.data / "registry.key")
    try:
        yield store
    finally:
        await store.close()


async def row(store: Store, pod_id: str) -> Pod:
    found = await store.pod(pod_id)
    assert found is not None
    return found


def gateway_state(place: Place) -> dict[str, Any]:
    """Process and generation of the Envoy that runs."""
    return json.loads((place.data / "gateway" / "gateway.json").read_text())


async def nothing_without_a_row(home: RealHouse) -> None:
    """Every container of ours belongs to a pod that says so."""
    label = f"label=podkeeper.installation={home.store.installation}"
    names = docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split()
    pods = await home.pods.list(await home.me(), everyone=True)
    assert set(names) == {container(pod) for pod in pods if pod.status.holds_compute}


async def start(place: Place, template: str, **more: Any) -> dict[str, Any]:
    async with place.client() as client:
        return await client.call("pod_start", {"template": template, **more})


async def test_a_running_pod_is_served_on_and_its_envoy_is_adopted_with_its_counters(
    place: Place, busybox_image: Images
) -> None:
    place.template("web", busybox_image.web, idle={"timeout": "10m"})
    async with place.process() as process, stored(place) as store:
        pod = await start(place, "web")
        host = f"{pod['id']}-8080"
        for _ in range(VISITS):
            assert (await place.site.get(host)).status == 200
        before = gateway_state(place)
        found = await row(store, pod["id"])
        assert found.last_active_at is not None
        last = await _later(store, pod["id"], found.last_active_at)
        await process.kill()
        assert (await place.site.get(host)).text.strip() == pod["id"]
        assert (await row(store, pod["id"])).last_active_at == last
    async with place.house() as home:
        assert gateway_state(place) == before
        traffic = await home.traffic()
        assert traffic.generation == before["node"]
        assert traffic.ports[host].succeeded >= VISITS + 1
        found = await row(home.store, pod["id"])
        assert (found.status, found.run) == (Status.RUNNING, 1)
        # The visit while nobody looked is use as well.
        assert await _later(home.store, pod["id"], last) > last
        assert (await home.ask(found)).text.strip() == pod["id"]
        await nothing_without_a_row(home)


async def _later(store: Store, pod_id: str, than: datetime) -> datetime:
    """When it was used after that, once somebody has seen it."""

    async def seen() -> datetime | None:
        last = (await row(store, pod_id)).last_active_at
        return last if last is not None and last > than else None

    found = await until(seen)
    assert found is not None
    return found


async def test_the_time_without_a_control_plane_stops_no_pod_that_was_used_meanwhile(
    place: Place, busybox_image: Images
) -> None:
    place.template("web", busybox_image.web, idle={"timeout": "2s"})
    async with place.process() as process, stored(place) as store:
        pod = await start(place, "web")
        await process.kill()
        last = (await row(store, pod["id"])).last_active_at
        assert last is not None
        await until(lambda: (datetime.now(UTC) - last).total_seconds() > 2.2)
        assert (await place.site.get(f"{pod['id']}-8080")).status == 200
    async with place.house() as home:
        await _later(home.store, pod["id"], last)
        found = await row(home.store, pod["id"])
        assert found.status is Status.RUNNING
        await home.becomes(found, Status.EXITED)


async def test_what_was_terminated_or_removed_behind_a_dead_control_plane_is_gone_after_it(
    place: Place, busybox_image: Images
) -> None:
    place.template("web", busybox_image.web)
    async with place.process() as process, stored(place) as store:
        terminated, removed = [await row(store, (await start(place, "web"))["id"]) for _ in range(2)]
        await process.kill()
        draft = Draft(kind="pod.terminated", actor="test", via="test")
        now = datetime.now(UTC)
        assert await store.move(terminated.id, 1, {Status.RUNNING}, Status.TERMINATED, now, draft, upstreams={})
        docker("rm", "-f", container(terminated), container(removed))
    async with place.house() as home:
        assert (await home.ask(terminated)).status == 404
        found = await home.becomes(removed, Status.EXITED)
        assert "vanished" in (found.reason or "")
        answer = await home.ask(found)
        assert (answer.status, answer.gateway) == (503, "sleeping")
        await nothing_without_a_row(home)
        assert (await home.resume(found)).status is Status.RUNNING
        assert (await home.ask(found)).text.strip() == found.id


@pytest.fixture
async def slow(docker_registry: Registry) -> AsyncIterator[SlowRegistry]:
    """A registry that can be held, with an image that is nowhere else."""
    registry = SlowRegistry(docker_registry)
    name = f"test/slow-{secrets.token_hex(4)}:1"
    image = docker_registry.image(name)
    load_web(image, blobs=1)
    docker("push", "-q", image)
    docker("image", "rm", "-f", image)
    registry.name = registry.image(name)
    async with registry.running():
        yield registry
    await asyncio.to_thread(docker, "image", "rm", "-f", registry.name)


async def test_a_start_killed_during_the_pull_is_finished_by_the_next_one(place: Place, slow: SlowRegistry) -> None:
    place.template("slow", slow.name)
    async with place.process() as process, stored(place) as store:
        pod = await start(place, "slow", wait_seconds=0)
        await slow.asked.wait()
        await process.kill()
        begun = await row(store, pod["id"])
        assert begun.status is Status.PROVISIONING
    slow.release.set()
    async with place.house() as home:
        found = await home.becomes(begun, Status.RUNNING, 30)
        assert found.run == 1
        assert (await home.ask(found)).text.strip() == pod["id"]
        await nothing_without_a_row(home)


async def test_a_start_killed_while_the_pod_was_getting_ready_is_finished_with_the_same_container(
    place: Place, busybox_image: Images
) -> None:
    place.template("late", busybox_image.web, args=LATE)
    begun = await _killed_while_getting_ready(place)
    made = docker("inspect", "-f", "{{.Id}}", container(begun))
    async with place.house() as home:
        assert (await home.look(begun)).status is Status.STARTING
        answer = await home.ask(begun)
        assert (answer.status, answer.gateway) == (503, "starting")
        await release(begun)
        found = await home.becomes(begun, Status.RUNNING)
        assert docker("inspect", "-f", "{{.Id}}", container(found)) == made
        assert (await home.ask(found)).text.strip() == "late"
        await nothing_without_a_row(home)


async def test_a_start_killed_and_terminated_afterwards_leaves_nothing(place: Place, busybox_image: Images) -> None:
    place.template("late", busybox_image.web, args=LATE, volume="1g")
    begun = await _killed_while_getting_ready(place)
    async with place.house() as home:
        assert (await home.terminate(begun)).status is Status.TERMINATED
        await nothing_without_a_row(home)
        assert not docker("volume", "ls", "-q", "--filter", f"label=podkeeper.installation={home.store.installation}")
        assert (await home.ask(begun)).status == 404


async def _killed_while_getting_ready(place: Place) -> Pod:
    async with place.process() as process, stored(place) as store:
        pod = await start(place, "late", wait_seconds=0)

        async def runs() -> Pod | None:
            found = await row(store, pod["id"])
            return found if found.status is Status.STARTING and found.upstreams else None

        begun = await until(runs, 20)
        await process.kill()
    assert begun is not None
    return begun
