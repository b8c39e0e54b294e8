"""The Docker engine on a real daemon: limits, walls between pods, strangers, ends, and the daemon being away."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from core.engines.base import Engine, Instance
from core.engines.docker import DockerEngine
from core.engines.docker.client import Client
from core.errors import Conflict, NoCapacity, PodFailed, Unavailable
from core.model import Pod
from tests.core.engines.orders import MB, again, make_pod, make_volume, order_of, start
from tests.helpers import free_port, until
from tests.parts import Images, docker, sweep


@pytest.fixture
async def engine(installation: str) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine()
    await engine.open(installation)
    yield engine
    for instance in await engine.list():
        await engine.terminate(make_pod(pod_id=instance.pod_id))
    await engine.close()


@pytest.fixture
def images(busybox_image: Images) -> Images:
    return busybox_image


async def page(address: str) -> str | None:
    """What a pod serves; None until it does."""
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(f"http://{address}:8080/")).text.strip()
    except httpx.TransportError:
        return None


async def ended(engine: Engine, pod: Pod) -> Instance:
    async def look() -> Instance | None:
        seen = await engine.inspect(pod)
        return seen if seen is not None and not seen.running else None

    seen = await until(look)
    assert seen is not None
    return seen


def inspected(pod: Pod) -> dict[str, object]:
    return json.loads(docker("inspect", f"podkeeper-{pod.id}-{pod.run}"))[0]


async def test_a_pod_answers_on_its_address_with_its_environment(engine: DockerEngine, images: Images) -> None:
    pod = make_pod(images.web)
    upstream = (await start(engine, pod))[-1].upstreams[8080]
    assert await until(lambda: page(upstream.host)) == pod.id


async def test_many_pods_start_at_once(engine: DockerEngine, images: Images) -> None:
    pods = [make_pod(images.web, volume=1) for _ in range(8)]
    started = await asyncio.gather(*(start(engine, pod) for pod in pods))
    assert len({steps[-1].upstreams[8080].host for steps in started}) == len(pods)
    assert {i.pod_id for i in await engine.list() if i.running} >= {pod.id for pod in pods}
    await asyncio.gather(*(engine.terminate(pod) for pod in pods))
    assert not {i.pod_id for i in await engine.list()} & {pod.id for pod in pods}


async def test_limits_and_labels_are_on_the_container(engine: DockerEngine, images: Images, installation: str) -> None:
    pod = make_pod(images.web, cpu=0.25, memory=32 * MB)
    await start(engine, pod)
    found = inspected(pod)
    host = found["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (250_000_000, 32 * MB, 32 * MB)
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["PortBindings"] in (None, {})
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    labels = found["Config"]["Labels"]
    assert labels["podkeeper.pod"] == pod.id
    assert labels["podkeeper.run"] == "1"
    assert labels["podkeeper.installation"] == installation


async def test_a_pod_that_passes_its_memory_ends_as_out_of_memory_and_is_told(
    engine: DockerEngine, images: Images
) -> None:
    pod = make_pod(images.web, memory=16 * MB, args=("dd", "if=/dev/zero", "of=/dev/null", "bs=200M"))
    heard: list[str] = []

    async def listen() -> None:
        async with aclosing(engine.changes()) as changes:
            async for pod_id in changes:
                heard.append(pod_id)

    async def told() -> bool:
        return pod.id in heard

    listener = asyncio.create_task(listen())
    await start(engine, pod)
    seen = await ended(engine, pod)
    assert (seen.exit_code, seen.out_of_memory) == (137, True)
    await until(told)
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)


async def test_a_pod_that_is_killed_by_hand_is_not_out_of_memory(engine: DockerEngine, images: Images) -> None:
    pod = make_pod(images.web)
    await start(engine, pod)
    docker("kill", f"podkeeper-{pod.id}-1")
    seen = await ended(engine, pod)
    assert (seen.exit_code, seen.out_of_memory) == (137, False)


async def test_a_pod_cannot_reach_another_pods_port(engine: DockerEngine, images: Images) -> None:
    one, other = make_pod(images.web), make_pod(images.web)
    address = (await start(engine, one))[-1].upstreams[8080].host
    await start(engine, other)
    assert await until(lambda: page(address)) == one.id
    ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} 8080 || true"
    assert one.id in docker("exec", f"podkeeper-{one.id}-1", "sh", "-c", ask)  # the question is a good one
    assert docker("exec", f"podkeeper-{other.id}-1", "sh", "-c", ask) == ""


async def test_a_strangers_container_of_the_same_name_is_left_alone(engine: DockerEngine, images: Images) -> None:
    pod = make_pod(images.web)
    await start(engine, make_pod(images.web))  # the image is here now
    name = f"podkeeper-{pod.id}-1"
    docker("run", "-d", "--name", name, "--label", f"podkeeper.pod={pod.id}", images.web)
    try:
        with pytest.raises(Conflict, match="not made by this Podkeeper"):
            await start(engine, pod)
        await engine.stop(pod)
        await engine.terminate(pod)
        await engine.halt(Instance(pod_id=pod.id, run=1, ref=name, running=True))
        assert await engine.inspect(pod) is None
        assert await engine.logs(pod, 5) == ""
        assert pod.id not in [i.pod_id for i in await engine.list()]
        assert docker("inspect", "-f", "{{.State.Running}}", name) == "true"
    finally:
        docker("rm", "-f", name)


async def test_a_strangers_volume_of_the_same_name_is_left_alone(engine: DockerEngine, images: Images) -> None:
    pod, volume = make_pod(images.web, volume=1), make_volume()
    names = [f"podkeeper-{pod.id}", f"podkeeper-volume-{volume.id}"]
    for name in names:
        docker("volume", "create", name)
    try:
        with pytest.raises(Conflict, match="not made by this Podkeeper"):
            await start(engine, pod)
        with pytest.raises(Conflict, match="not made by this Podkeeper"):
            await engine.create_volume(volume)
        await engine.terminate(pod)
        await engine.delete_volume(volume)
    finally:
        docker("volume", "rm", *names)


async def test_a_strangers_network_of_the_same_name_is_left_alone() -> None:
    installation = secrets.token_hex(8)
    name = f"podkeeper-{installation[:8]}"
    docker("network", "create", name)
    engine = DockerEngine()
    try:
        await engine.open(installation)
        with pytest.raises(Conflict, match="not made by this Podkeeper"):
            await engine.check()
        with pytest.raises(Unavailable, match="no network"):
            engine.addresses()
    finally:
        await engine.close()
        docker("network", "rm", name)


async def test_the_network_is_used_again_and_made_anew_when_it_was_removed(images: Images) -> None:
    installation = secrets.token_hex(8)
    engine = DockerEngine()
    try:
        await engine.open(installation)
        first = set(engine.addresses() or ())
        await engine.open(installation)
        assert set(engine.addresses() or ()) == first
        docker("network", "rm", f"podkeeper-{installation[:8]}")
        assert (await start(engine, make_pod(images.web)))[-1].upstreams
    finally:
        await engine.close()
        sweep(installation)


async def test_a_stop_removes_nameless_volumes_and_keeps_the_volume_disk(engine: DockerEngine, images: Images) -> None:
    pod = make_pod(images.anonymous, volume=1)
    await start(engine, pod)
    names = {m["Destination"]: m["Name"] for m in inspected(pod)["Mounts"]}
    await engine.stop(pod)
    left = docker("volume", "ls", "-q").split()
    assert names["/data"] not in left
    assert names["/workspace"] in left


async def test_an_address_in_use_is_told(engine: DockerEngine, images: Images) -> None:
    order = order_of(engine, make_pod(images.web))
    async for _ in engine.start(order):
        pass
    with pytest.raises(Unavailable, match="start it again"):
        async for _ in engine.start(order.model_copy(update={"pod": make_pod(images.web)})):
            pass


@pytest.mark.parametrize("args", [("nope",), ("/bin/nope",), ("/bin",)])
async def test_a_command_that_is_not_there_is_named(
    engine: DockerEngine, images: Images, args: tuple[str, ...]
) -> None:
    with pytest.raises(PodFailed, match=f"'{args[0]}' cannot be started.*(not found|not executable)"):
        await start(engine, make_pod(images.web, args=args))


async def test_an_end_at_once_is_seen_with_its_code_and_its_last_words(engine: DockerEngine, images: Images) -> None:
    pod = make_pod(images.web, args=("sh", "-c", "echo out; echo wrong: \\\\303 >&2; printf '\\303'; exit 3"))
    await start(engine, pod)
    seen = await ended(engine, pod)
    assert (seen.exit_code, seen.out_of_memory, seen.upstreams) == (3, False, {})
    assert seen in await engine.list()
    logs = await engine.logs(pod, 10)
    assert "out" in logs
    assert "wrong" in logs
    assert "\N{REPLACEMENT CHARACTER}" in logs


async def test_an_ended_run_is_made_again(engine: DockerEngine, images: Images) -> None:
    pod = make_pod(images.web)
    await start(engine, pod)
    docker("kill", f"podkeeper-{pod.id}-1")
    await ended(engine, pod)
    await start(engine, pod)
    seen = await engine.inspect(pod)
    assert seen is not None
    assert seen.running


async def test_more_cpus_than_there_are_is_no_capacity(engine: DockerEngine, images: Images) -> None:
    with pytest.raises(NoCapacity, match="vCPUs"):
        await start(engine, make_pod(images.web, cpu=4000))


async def test_gpus_without_a_runtime_is_no_capacity(engine: DockerEngine, images: Images) -> None:
    with pytest.raises(NoCapacity, match="GPU"):
        await start(engine, make_pod(images.web), gpus=("GPU-none",))


@pytest.fixture
async def absent(tmp_path: Path) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine(f"unix://{tmp_path / 'docker.sock'}")
    await engine.open(secrets.token_hex(8))
    yield engine
    await engine.close()


async def test_an_engine_that_is_not_there_is_told_by_every_verb(absent: DockerEngine, tmp_path: Path) -> None:
    pod, volume = make_pod("web"), make_volume()
    instance = Instance(pod_id=pod.id, run=1, ref="x", running=True)
    verbs = [
        absent.check(), absent.gpus(), absent.stop(pod), absent.terminate(pod), absent.inspect(pod), absent.list(),
        absent.halt(instance), absent.logs(pod, 1), absent.usage(pod), absent.create_volume(volume),
        absent.delete_volume(volume), absent.upstream(pod, 8080), absent.inside(), absent.offers(),
        absent.grow_volume(volume),
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(Unavailable, match=f"does not answer at unix://{tmp_path}/docker.sock.*Is Docker running"):
            await verb
    with pytest.raises(Unavailable, match="Start Docker"):
        absent.addresses()


async def test_an_engine_that_comes_later_is_used_and_heard(
    absent: DockerEngine, images: Images, tmp_path: Path
) -> None:
    heard: set[str] = set()

    async def listen() -> None:
        async with aclosing(absent.changes()) as changes:
            async for pod_id in changes:
                heard.add(pod_id)

    listener = asyncio.create_task(listen())
    (tmp_path / "docker.sock").symlink_to("/var/run/docker.sock")
    try:
        await absent.check()
        pod = make_pod(images.web)

        async def end_one() -> bool:
            await start(absent, pod)
            await absent.stop(pod)
            return pod.id in heard

        await until(end_one)
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        sweep(absent._installation)


async def test_a_daemon_that_hangs_is_given_up(tmp_path: Path) -> None:
    over, gone = asyncio.Event(), asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_unix_server(silent, tmp_path / "docker.sock")
    client = Client(f"unix://{tmp_path / 'docker.sock'}")
    with pytest.raises(Unavailable, match="did not answer within 0 seconds"):
        await client.call("GET", "containers/json", seconds=0.2)
    await client.close()
    over.set()
    await gone.wait()
    server.close()
    await server.wait_closed()


async def test_no_daemon_at_a_tcp_address(installation: str) -> None:
    engine = DockerEngine(f"tcp://127.0.0.1:{free_port()}")
    await engine.open(installation)
    with pytest.raises(Unavailable, match="does not answer at tcp://127"):
        await engine.list()
    await engine.close()


async def test_a_next_start_after_a_restart_of_podkeeper_takes_over(
    engine: DockerEngine, images: Images, installation: str
) -> None:
    pod = make_pod(images.web)
    order = order_of(engine, pod)
    async for _ in engine.start(order):
        pass
    later = DockerEngine()
    await later.open(installation)
    before = inspected(pod)["Id"]
    async for _ in later.start(order):
        pass
    assert inspected(pod)["Id"] == before
    await later.stop(again(pod))
    assert await later.inspect(pod) is None
    await later.close()


async def test_a_pod_reaches_this_machine_at_the_address_inside(engine: DockerEngine, images: Images) -> None:
    pod = make_pod(images.web)
    await start(engine, pod)
    inside = await engine.inside()
    assert inside is not None

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        answered.set()

    heard: list[bytes] = []
    answered = asyncio.Event()
    async with await asyncio.start_server(answer, inside, 0) as server:
        port = server.sockets[0].getsockname()[1]
        ask = f"echo hello from inside | nc -w 5 {inside} {port}"
        await asyncio.to_thread(docker, "exec", f"podkeeper-{pod.id}-1", "sh", "-c", ask)
        await answered.wait()
    assert heard == [b"hello from inside\n"]


async def test_an_undeclared_port_of_a_pod_is_reached_at_its_upstream(engine: DockerEngine, images: Images) -> None:
    pod = make_pod(images.web, args=("sh", "-c", "mkdir /w; echo later > /w/index.html; httpd -f -p 9000 -h /w"))
    await start(engine, pod)
    upstream = await engine.upstream(pod, 9000)
    assert upstream is not None

    async def answer() -> str | None:
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                return (await client.get(f"http://{upstream.host}:{upstream.port}/")).text.strip()
        except httpx.TransportError:
            return None

    assert await until(answer) == "later"


async def test_without_the_network_there_is_no_address_inside() -> None:
    installation = secrets.token_hex(8)
    engine = DockerEngine()
    await engine.open(installation)
    docker("network", "rm", f"podkeeper-{installation[:8]}")
    assert await engine.inside() is None
    docker("network", "create", f"podkeeper-{installation[:8]}")
    try:
        assert await engine.inside() is None  # a stranger's
    finally:
        docker("network", "rm", f"podkeeper-{installation[:8]}")
        await engine.close()
