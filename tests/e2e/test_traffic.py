"""What passes through the gateway of a whole house, and what of it keeps a pod alive."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from core.gateway.base import Route, RouteState
from core.gateway.envoy import EnvoyGateway
from core.model import Pod, Status
from tests.e2e.parts import PORT, Place, RealHouse, release
from tests.e2e.scripts import ANSWERS_SOCKETS, STREAMS
from tests.helpers import until
from tests.parts import Images

IDLE = timedelta(seconds=2)
STREAM = "/cgi-bin/stream"


@pytest.fixture
def written(place: Place, busybox_image: Images) -> Place:
    """A place with the templates of these tests."""
    place.template("stream", busybox_image.web, args=STREAMS, idle={"timeout": f"{IDLE.seconds}s", "warning": "0"})
    place.template(
        "socket", busybox_image.web, args=ANSWERS_SOCKETS, idle={"timeout": f"{IDLE.seconds}s", "warning": "0"}
    )
    return place


@asynccontextmanager
async def streamed(home: RealHouse, pod: Pod) -> AsyncIterator[aiohttp.ClientResponse]:
    """A stream whose first event has come."""
    async with home.site.opened(f"{pod.id}-{PORT}", STREAM) as answer:
        assert answer.status == 200
        assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
        yield answer


async def used_past_its_time(home: RealHouse, pod: Pod) -> None:
    """Wait until use was seen when silence would have stopped the pod already."""

    async def seen() -> bool:
        last = (await home.look(pod)).last_active_at
        return last is not None and pod.ready_at is not None and last - pod.ready_at > IDLE * 1.5

    await until(seen)


async def test_a_request_longer_than_the_idle_timeout_is_not_cut_and_the_pod_stops_after_it(written: Place) -> None:
    async with written.house() as home:
        pod = await home.up("stream")
        async with streamed(home, pod) as answer:
            assert answer.headers["transfer-encoding"] == "chunked"
            await used_past_its_time(home, pod)
            assert (await home.look(pod)).status is Status.RUNNING
            await release(pod)
            assert await answer.content.read() == b"data: second\n\n"
        ended = await home.becomes(pod, Status.EXITED)
        assert "nobody used it for" in (ended.reason or "")


async def test_messages_on_a_websocket_keep_a_pod_alive_and_a_silent_one_does_not(written: Place) -> None:
    async with written.house() as home:
        pod = await home.up("socket")
        async with home.site.socket(f"{pod.id}-{PORT}", "/") as socket:

            async def talk() -> None:
                while True:
                    await socket.send("ping")
                    assert await socket.recv() == "pong"
                    await asyncio.sleep(0.2)

            talking = asyncio.create_task(talk())
            await used_past_its_time(home, pod)
            assert not talking.done()
            talking.cancel()
            ended = await home.becomes(pod, Status.EXITED)
            assert "nobody used it" in (ended.reason or "")
            await asyncio.wait_for(socket.wait_closed(), 5)


async def test_a_pod_that_nobody_ever_visits_is_stopped(written: Place) -> None:
    async with written.house() as home:
        pod = await home.up("stream")
        ended = await home.becomes(pod, Status.EXITED)
        assert "nobody used it" in (ended.reason or "")
        assert ended.last_active_at is not None
        assert pod.ready_at is not None
        assert ended.last_active_at - pod.ready_at < timedelta(seconds=0.2)


class Watched(EnvoyGateway):
    """Lets something happen just before, or just after, a pod's door is closed for the last look."""

    def __init__(self, place: Place) -> None:
        listen = ("127.0.0.1", place.site.port)
        super().__init__(place.data / "gateway", listen, "proxy.localhost", ("http", f":{place.site.port}"))
        self.before: Callable[[], Awaitable[Any]] | None = None
        self.after: Callable[[], Awaitable[Any]] | None = None

    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        routes = list(routes)
        closing = any(route.state is RouteState.CLOSING for route in routes)
        if closing:
            before, self.before = self.before, None
            if before is not None:
                await before()
        await super().apply(routes, remove)
        if closing and (after := self.after) is not None:
            self.after = None
            await after()


async def test_a_request_that_comes_after_the_decision_and_before_the_door_closes_is_served(written: Place) -> None:
    gateway = Watched(written)
    async with written.house(gateway=gateway) as home:
        pod = await home.up("stream")
        got: list[str] = []

        async def visit() -> None:
            got.append((await home.ask(pod)).text.strip())

        gateway.before = visit
        await until(lambda: got, 10)
        assert got == [pod.id]
        await _goes_on(home, pod)


async def test_a_stream_that_begins_after_the_decision_is_neither_cut_nor_forgotten(written: Place) -> None:
    gateway = Watched(written)
    async with written.house(gateway=gateway) as home:
        pod = await home.up("stream")
        begun, over = asyncio.Event(), asyncio.Event()

        async def read() -> bytes:
            async with streamed(home, pod) as answer:
                begun.set()
                await over.wait()
                return await answer.content.read()

        reading: list[asyncio.Task[bytes]] = []

        async def visit() -> None:
            reading.append(asyncio.create_task(read()))
            await begun.wait()

        shut: list[tuple[int, str | None]] = []

        async def another() -> None:
            answer = await home.ask(pod)
            shut.append((answer.status, answer.gateway))

        gateway.before, gateway.after = visit, another
        await until(lambda: shut, 10)
        assert shut == [(503, "starting")]
        await _goes_on(home, pod)
        await release(pod)
        over.set()
        assert await reading[0] == b"data: second\n\n"


async def _goes_on(home: RealHouse, pod: Pod) -> None:
    """Its door opens again, it was never stopped, and once it is silent it is."""

    async def open_again() -> bool:
        return (await home.ask(pod)).status == 200

    await until(open_again)
    found = await home.look(pod)
    assert (found.status, found.run) == (Status.RUNNING, 1)
    kinds = [event.kind for event in await home.store.events(0, pod_id=pod.id)]
    assert kinds == ["pod.created", "pod.starting", "pod.running"]
