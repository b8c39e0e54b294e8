"""Pods as documented, on one house with Docker and Envoy: how they fail, what they keep, what they cannot reach."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.errors import Conflict
from core.model import Credential, Pod, Status
from tests.e2e.parts import PORT, Place, RealHouse, container, inside
from tests.e2e.scripts import SHOWS_VOLUME, shell
from tests.helpers import free_port
from tests.parts import PASSWORD, USERNAME, Images, Registry, docker

pytestmark = pytest.mark.asyncio(loop_scope="module")

BURST = 20
MB = 1 << 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(busybox_image: Images, private_image: str) -> AsyncIterator[RealHouse]:
    """One house for all of these tests."""
    place = Place()
    web = busybox_image.web
    place.template("web", web)
    place.template("no-such-tag", f"{web}-that-is-not-there")
    place.template("registry-down", f"127.0.0.1:{free_port()}/test/web:1")
    place.template("ends", web, args=shell("echo the sky fell >&2; exit 3"))
    place.template("no-command", web, args=["not-there"])
    place.template("eats", web, args=shell("echo eating; tail /dev/zero"), memory="8m")
    place.template("deaf", web, args=shell("echo I sleep; sleep 1000"), ready={"port": 8080, "timeout": "1s"})
    place.template("arm64", busybox_image.arm64)
    place.template("private", private_image)
    place.template("disk", web, args=SHOWS_VOLUME, volume="1g")
    place.template("data", web, args=SHOWS_VOLUME)
    try:
        async with place.house() as home:
            yield home
    finally:
        await place.close()


@pytest_asyncio.fixture(loop_scope="module")
async def home(shared: RealHouse) -> AsyncIterator[RealHouse]:
    """The house; afterwards it has no pods and nothing of any pod is left."""
    yield shared
    await shared.clear()
    assert left_on_engine(shared) == []
    assert await shared.store.claimed("address") == {}


def left_on_engine(home: RealHouse) -> list[str]:
    """Containers and volumes of the house."""
    label = f"label=podkeeper.installation={home.store.installation}"
    containers = docker("ps", "-a", "--filter", label, "--format", "{{.Names}}")
    return [*containers.split(), *docker("volume", "ls", "-q", "--filter", label).split()]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("no-such-tag", ["has no image", "web:1-that-is-not-there", "check the name and the tag"]),
        ("registry-down", ["127.0.0.1:"]),
        ("ends", ["exit code 3", "Last lines:\nthe sky fell"]),
        ("no-command", ["'not-there' cannot be started", "not found"]),
        ("eats", ["ran out of memory", "Last lines:\neating"]),
        ("deaf", ["did not answer on port 8080 within 1s", "Last lines:\nI sleep"]),
        ("arm64", ["linux/arm64", "--platform linux/amd64"]),
    ],
)
async def test_a_pod_that_does_not_come_up_says_why_and_leaves_nothing_running(
    home: RealHouse, template: str, told: list[str]
) -> None:
    pod = await home.started(template)
    assert pod.status is Status.ERROR
    for words in told:
        assert words.lower() in (pod.reason or "").lower()
    assert left_on_engine(home) == []
    assert await home.store.claimed("address") == {}
    answer = await home.ask(pod)
    assert (answer.status, answer.gateway) == (503, "sleeping")
    assert await home.house.missing() == []


async def test_a_private_image_needs_the_stored_credential(
    home: RealHouse, private_registry: Registry, private_image: str
) -> None:
    registries = home.house.services.registries
    if docker("image", "ls", "--quiet", private_image):  # another test has pulled it, and it is not pulled again
        docker("image", "rm", "--force", private_image)
    without = await home.started("private")
    assert without.status is Status.ERROR
    assert f"podkeeper registry add {private_registry.host}" in (without.reason or "")
    secret = f"wrong-{secrets.token_hex(8)}"
    await registries.save(Credential(host=private_registry.host, username=USERNAME, secret=secret))
    wrong = await home.resume(without)
    assert wrong.status is Status.ERROR
    assert private_registry.host in (wrong.reason or "")
    assert secret not in (wrong.reason or "")
    await registries.save(Credential(host=private_registry.host, username=USERNAME, secret=PASSWORD))
    try:
        right = await home.resume(wrong)
        assert right.status is Status.RUNNING, right.reason
        assert (await home.ask(right)).text.strip() == right.id
    finally:
        await registries.remove(private_registry.host)


async def test_a_network_volume_outlives_its_pods_and_they_cannot_be_stopped(home: RealHouse) -> None:
    me, volumes = await home.me(), home.house.services.volumes
    volume = await volumes.create(me, "models", "1g")
    first = await home.up("data", network_volume="models")
    inside(first, "echo weights > /workspace/model")
    with pytest.raises(Conflict, match="cannot be stopped, only terminated"):
        await home.pods.stop(me, first.id)
    with pytest.raises(Conflict, match=first.name):
        await volumes.delete(me, "models")
    assert (await home.restart(first)).status is Status.RUNNING
    await home.terminate(first)
    second = await home.up("data", network_volume=volume.id)
    assert (await home.ask(second, "/model")).text == "weights\n"
    assert inside(second, 'echo "$RUNPOD_VOLUME_ID"') == volume.id
    await home.terminate(second)
    await volumes.delete(me, "models")
    assert left_on_engine(home) == []


async def test_the_container_disk_is_lost_and_the_volume_disk_kept_until_terminate(home: RealHouse) -> None:
    pod = await home.up("disk")
    inside(pod, "echo kept > /workspace/file; echo lost > /file")
    for again in (_stop_and_resume, _restart):
        pod = await again(home, pod)
        assert inside(pod, "cat /workspace/file; ls /file 2>/dev/null || true") == "kept"
        assert (await home.ask(pod, "/file")).text == "kept\n"
    await home.terminate(pod)
    assert left_on_engine(home) == []
    assert (await home.ask(pod, "/file")).status == 404


async def _stop_and_resume(home: RealHouse, pod: Pod) -> Pod:
    stopped = await home.stop(pod)
    assert stopped.status is Status.EXITED
    assert left_on_engine(home) == [f"podkeeper-{pod.id}"]
    return await home.resume(stopped)


async def _restart(home: RealHouse, pod: Pod) -> Pod:
    return await home.restart(pod)


async def test_cpu_and_memory_are_what_was_asked_for(home: RealHouse) -> None:
    pod = await home.up("web", cpu="0.25", memory="48m")
    host = json.loads(docker("inspect", "-f", "{{json .HostConfig}}", container(pod)))
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (250_000_000, 48 * MB, 48 * MB)
    # Seen from inside, whichever cgroup version this machine has.
    limit = inside(pod, "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true")
    assert limit == str(48 * MB)
    assert inside(pod, 'echo "$RUNPOD_POD_ID $RUNPOD_GPU_COUNT"') == f"{pod.id} 0"


async def test_pods_do_not_reach_each_others_ports_and_nothing_of_them_is_published(home: RealHouse) -> None:
    one, two = await asyncio.gather(home.up("web"), home.up("web"))
    assert one.id in fetched(one, "127.0.0.1")
    assert one.id in fetched(one, one.upstreams[PORT].host)
    assert fetched(one, two.upstreams[PORT].host) == "cut off"
    assert (await home.ask(two)).text.strip() == two.id
    assert docker("port", container(two)) == ""


def fetched(pod: Pod, host: str) -> str:
    """What the pod gets from port 8080 of a host."""
    return inside(pod, rf"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 1 {host} {PORT} || echo cut off")


async def test_a_strangers_containers_are_left_alone(home: RealHouse, busybox_image: Images) -> None:
    pod = await home.up("web")
    given = {
        "plain": [],
        "another-podkeeper": ["--label", f"podkeeper.pod={pod.id}", "--label", "podkeeper.installation=another"],
        "only-the-pod-label": ["--label", "podkeeper.pod=somebodyelses1"],
    }
    strangers = {
        name: docker("run", "-d", *labels, busybox_image.web, "sleep", "1000") for name, labels in given.items()
    }
    try:
        found = await home.house.reconciler.tick(home.house.launcher._now())  # pyright: ignore[reportPrivateUsage]
        assert (found.orphans, found.leftovers, found.ended) == ((), (), ())
        await home.terminate(pod)
        running = docker("inspect", "-f", "{{.State.Running}}", *strangers.values()).split()
        assert running == ["true"] * len(strangers)
    finally:
        docker("rm", "-f", *strangers.values())


async def test_twenty_pods_started_at_once_all_run_and_answer(home: RealHouse) -> None:
    begun = await asyncio.gather(*(home.begun("web", cpu="0.1", memory="16m") for _ in range(BURST)))
    pods = await asyncio.gather(*(home.settled(pod) for pod in begun))
    assert [pod.reason for pod in pods if pod.status is not Status.RUNNING] == []
    answers = await asyncio.gather(*(home.ask(pod) for pod in pods))
    assert [answer.text.strip() for answer in answers] == [pod.id for pod in pods]
    assert len({pod.name for pod in pods}) == len({pod.upstreams[PORT] for pod in pods}) == BURST
