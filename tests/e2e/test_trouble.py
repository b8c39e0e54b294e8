"""What is missing, taken or full when the house opens or while it runs: a sentence, and nothing half-made."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.app import utcnow
from core.engines.docker import DockerEngine
from core.errors import AlreadyRunning, PodError, Unavailable
from core.model import Pod, Status
from tests.e2e.parts import Place, RealHouse, release
from tests.e2e.scripts import LATE
from tests.helpers import until
from tests.parts import Images


async def test_a_house_opens_without_an_engine_and_says_so(
    place: Place, busybox_image: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.template("web", busybox_image.web)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place.base / 'no-such.sock'}")
    async with place.served() as home:
        [missing] = await home.house.missing()
        assert "no-such.sock" in missing
        assert "Is Docker running?" in missing
        with pytest.raises(Unavailable, match="Is Docker running"):
            await home.begun("web")
        assert await home.pods.list(await home.me(), ended=True) == ()
        async with place.site.session.get(f"{place.url}/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["missing"] == [missing]


async def test_an_engine_that_goes_away_and_comes_back_costs_no_pod_and_no_stop(
    place: Place, busybox_image: Images
) -> None:
    place.template("web", busybox_image.web)
    relay = Relay(place.base / "docker.sock")
    async with place.house(DockerEngine(f"unix://{relay.path}")) as home:
        await relay.on()
        pod = await home.up("web")
        await relay.off()
        [missing] = await home.house.missing()
        assert "Is Docker running?" in missing
        with pytest.raises(Unavailable, match="Is Docker running"):
            await home.begun("web")
        assert (await home.house.reconciler.tick(utcnow())).ended == ()
        assert (await home.ask(pod)).text.strip() == pod.id
        await home.pods.stop(await home.me(), pod.id)
        await until(lambda: _told(home, pod, "pod.stop_failed"))
        assert (await home.look(pod)).status is Status.STOPPING
        assert (await home.ask(pod)).gateway == "sleeping"
        await relay.on()
        assert (await home.settled(pod)).status is Status.EXITED
        assert (await home.resume(pod)).status is Status.RUNNING
        await home.terminate(pod)
    await relay.off()


async def _told(home: RealHouse, pod: Pod, kind: str) -> bool:
    return kind in [event.kind for event in await home.store.events(0, pod_id=pod.id)]


class Relay:
    """A socket of the engine's that can be taken away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def on(self) -> None:
        self._server = await asyncio.start_unix_server(self._pass, self.path)

    async def off(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()
        self.path.unlink()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection("/var/run/docker.sock")
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, there[1]))
                group.create_task(_copy(there[0], writer))
        except asyncio.CancelledError:
            pass
        finally:
            there[1].close()
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def test_a_gateway_address_that_is_taken_is_told_and_leaves_the_data_free(place: Place) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", place.site.port))
        other.listen()
        with pytest.raises(Unavailable, match=rf"{place.site.port}: address already in use.*PODKEEPER_GATEWAY_LISTEN"):
            async with place.house():
                pass
    async with place.house() as home:
        assert await home.house.missing() == []


async def test_a_second_house_on_the_same_data_stays_out_and_harms_nothing(place: Place, busybox_image: Images) -> None:
    place.template("web", busybox_image.web)
    async with place.house() as home:
        pod = await home.up("web")
        with pytest.raises(AlreadyRunning, match="already running"):
            async with place.house():
                pass
        assert (await home.ask(pod)).text.strip() == pod.id


@pytest.fixture
async def small(place: Place) -> AsyncIterator[Path]:
    """The data directory on a disk of its own that can be filled."""
    place.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(place.data)], check=True)
    try:
        yield place.data
    finally:
        subprocess.run(["umount", "-l", str(place.data)], check=True)


def fill(directory: Path) -> Path:
    """Not a byte is left."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return filler


async def test_a_disk_that_is_full_at_the_start_is_told_and_later_all_is_well(place: Place, small: Path) -> None:
    filler = fill(small)
    with pytest.raises(PodError, match=r"(?i)full|space"):
        async with place.house():
            pass
    filler.unlink()
    async with place.house() as home:
        assert await home.house.missing() == []


async def test_a_disk_that_fills_up_while_the_house_runs_costs_a_sentence_and_no_pod(
    place: Place, small: Path, busybox_image: Images
) -> None:
    place.template("web", busybox_image.web)
    async with place.house() as home:
        pod = await home.up("web")
        filler = fill(small)
        refused: PodError | None = None
        for _ in range(200):  # the database has some room of its own
            try:
                await home.begun("web", env={"FILLING": "x" * 30_000})
            except PodError as error:
                refused = error
                break
        assert refused is not None
        assert "disk" in str(refused) or "full" in str(refused)
        assert (await home.ask(pod)).text.strip() == pod.id
        filler.unlink()
        for left in await home.pods.list(await home.me()):
            await home.settled(left)


async def test_a_gateway_whose_disk_is_full_is_told_and_comes_back_when_there_is_room(
    place: Place, small: Path, busybox_image: Images
) -> None:
    place.template("web", busybox_image.web)
    elsewhere = {"database_url": f"sqlite+aiosqlite:///{place.base / 'podkeeper.db'}"}
    async with place.house(**elsewhere) as home:
        pod = await home.up("web")
    filler = fill(small)
    with pytest.raises(Unavailable, match=r"(?i)space.*PODKEEPER_DATA_DIR"):
        async with place.house(**elsewhere):
            pass
    filler.unlink()
    async with place.house(**elsewhere) as home:
        assert (await home.ask(pod)).text.strip() == pod.id
        filler = fill(small)
        os.kill(place.site.pid, signal.SIGKILL)
        await until(lambda: _said(home, "is not back yet"))
        filler.unlink()
        await until(lambda: _said(home, None))
        assert (await home.ask(pod)).text.strip() == pod.id


async def _said(home: RealHouse, words: str | None) -> bool:
    missing = await home.house.missing()
    return missing == [] if words is None else any(words in said for said in missing)


async def test_a_start_that_a_full_disk_broke_off_is_taken_up_again(
    place: Place, small: Path, busybox_image: Images
) -> None:
    place.template("late", busybox_image.web, args=LATE)
    async with place.house() as home:
        pod = await home.begun("late")
        await until(lambda: _runs(home, pod))
        filler = fill(small)
        await release(pod)
        await home.house.launcher.idle()
        filler.unlink()
        assert (await home.look(pod)).status is Status.STARTING
        assert (await home.house.reconciler.tick(utcnow())).taken_up == (pod.id,)
        await release(pod)
        assert (await home.settled(pod)).status is Status.RUNNING


async def _runs(home: RealHouse, pod: Pod) -> bool:
    """Its container does, and the row knows where."""
    return bool((await home.look(pod)).upstreams)
