"""The Docker engine's pulls from real registries: progress, passwords, what is missing, and the stand-in image."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from core.engines.docker import DockerEngine
from core.engines.docker.client import Client
from core.engines.docker.pull import pull
from core.errors import InvalidInput, PodFailed, Unavailable
from core.model import Credential, Stage
from tests.core.engines.orders import make_pod, start
from tests.helpers import free_port
from tests.parts import PASSWORD, USERNAME, Images, Registry, docker, load_web

_STAND_IN = "podkeeper/test-stand-in:local"


@pytest.fixture
async def engine(installation: str) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine()
    await engine.open(installation)
    yield engine
    for instance in await engine.list():
        await engine.terminate(make_pod(pod_id=instance.pod_id))
    await engine.close()


def forget(*images: str) -> None:
    """Take images off the engine."""
    for image in images:
        if docker("image", "ls", "-q", image):
            docker("image", "rm", "-f", image)


async def test_a_pull_tells_how_far_it_is(engine: DockerEngine, busybox_image: Images) -> None:
    forget(busybox_image.layered)
    steps = await start(engine, make_pod(busybox_image.layered))
    pulled = [s for s in steps if s.stage is Stage.PULL]
    assert [s for s in pulled if "of 3 layers" in s.message]
    fractions = [s.fraction for s in pulled]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(pulled) < 60


async def test_an_image_that_is_here_is_not_pulled(engine: DockerEngine, docker_registry: Registry) -> None:
    image = docker_registry.image("test/only:here")
    load_web(image)
    steps = await start(engine, make_pod(image))
    assert [s.message for s in steps if s.stage is Stage.PULL] == [f"the image {image} is here"]


async def test_a_pull_that_is_given_up_hangs_up(tmp_path: Path) -> None:
    hung_up = asyncio.Event()

    async def daemon(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As dockerd: a version, then a pull that never ends."""
        while line := await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            if b"/version" in line:
                body = b'{"ApiVersion": "1.41"}'
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(head % len(body) + body)
            else:
                event = b'{"status": "Downloading", "id": "a", "progressDetail": {"current": 1, "total": 9}}\n'
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + event)
        hung_up.set()
        writer.close()

    server = await asyncio.start_unix_server(daemon, tmp_path / "docker.sock")
    client = Client(f"unix://{tmp_path / 'docker.sock'}")
    async with aclosing(pull(client, "web:1", None, None)) as steps:
        async for step in steps:
            if "0 of 1 layers" in step.message:
                break
    async with asyncio.timeout(5):
        await hung_up.wait()
    await client.close()
    server.close()
    await server.wait_closed()


async def test_a_missing_tag_and_a_missing_image_are_named(engine: DockerEngine, docker_registry: Registry) -> None:
    for name in ("test/web:nope", "test/nothing:1"):
        image = docker_registry.image(name)
        with pytest.raises(PodFailed, match=f"has no image {image}. Check the name and the tag"):
            await start(engine, make_pod(image))


async def test_a_registry_that_is_down_is_unavailable(engine: DockerEngine) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=f"registry {host} cannot be reached"):
        await start(engine, make_pod(f"{host}/test/web:1"))


async def test_a_private_registry_takes_the_right_password_only(engine: DockerEngine, private_image: str) -> None:
    forget(private_image)  # another test may have pulled it
    host = private_image.partition("/")[0]
    with pytest.raises(InvalidInput, match=f"asks for a password.*podkeeper registry add {host}"):
        await start(engine, make_pod(private_image))
    wrong = Credential(host=host, username=USERNAME, secret="wr0ng-secret")
    with pytest.raises(InvalidInput, match=f"refuses the stored credential of {USERNAME}") as caught:
        await start(engine, make_pod(private_image), credential=wrong)
    assert "wr0ng-secret" not in str(caught.value)
    right = Credential(host=host, username=USERNAME, secret=PASSWORD)
    steps = await start(engine, make_pod(private_image), credential=right)
    assert steps[-1].upstreams


async def test_an_arm64_image_is_refused_with_the_way_out(engine: DockerEngine, busybox_image: Images) -> None:
    pod = make_pod(busybox_image.arm64)
    for _ in range(2):  # from the registry, and when it is on the engine
        with pytest.raises(PodFailed, match="docker build --platform linux/amd64"):
            await start(engine, pod)
    assert await engine.inspect(pod) is None


async def test_an_image_here_for_another_platform_is_looked_for_again(
    engine: DockerEngine, busybox_image: Images
) -> None:
    forget(busybox_image.web)
    load_web(busybox_image.web, architecture="arm64")
    assert (await start(engine, make_pod(busybox_image.web)))[-1].upstreams


@pytest.mark.parametrize("image", ["../containers/json", "a b", "x?y=1", "web#1", "", "é"])
async def test_a_name_that_is_no_image_name_is_refused(engine: DockerEngine, image: str) -> None:
    with pytest.raises(InvalidInput, match="not an image name"):
        await start(engine, make_pod(image))


@pytest.fixture
def no_stand_in() -> Iterator[None]:
    forget(_STAND_IN)
    yield
    forget(_STAND_IN)


@pytest.mark.usefixtures("no_stand_in")
async def test_a_stand_in_is_made_when_its_image_cannot_be_pulled_and_used_again(installation: str) -> None:
    image = f"127.0.0.1:{free_port()}/busybox:stable"
    engine = DockerEngine(stand_ins={image: _STAND_IN})
    await engine.open(installation)
    for pulls in (True, False):
        pod = make_pod(image, args=("httpd", "-f", "-p", "8080"))
        steps = await start(engine, pod)
        assert any(s.message.startswith("pulling") for s in steps) is pulls
        assert any(f"using {_STAND_IN}" in s.message for s in steps)
        seen = await engine.inspect(pod)
        assert seen is not None
        assert seen.running
        await engine.terminate(pod)
    await engine.close()


async def test_a_stand_in_gives_way_to_the_image_when_that_is_there(installation: str, busybox_image: Images) -> None:
    forget(busybox_image.web)
    engine = DockerEngine(stand_ins={busybox_image.web: _STAND_IN})
    await engine.open(installation)
    pod = make_pod(busybox_image.web)
    steps = await start(engine, pod)
    assert not any("using" in s.message for s in steps)
    await engine.terminate(pod)
    await engine.close()


async def test_a_registry_that_stays_silent_is_given_up_after_the_bound() -> None:
    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = Client()
    with pytest.raises(Unavailable, match=f"{host} sent nothing"):
        async for _ in pull(client, f"{host}/busybox:stable", None, 0.5):
            pass
    await client.close()
    over.set()
    server.close()
    await server.wait_closed()
