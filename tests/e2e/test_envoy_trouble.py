"""Envoy killed under load, Docker away for minutes, and more WebSockets than a port carries: no pod is harmed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from core.app import running
from core.engines.docker import DockerEngine
from core.errors import Unavailable
from core.gateway.envoy import EnvoyGateway
from core.model import Pod, Status
from core.reaper import Tick
from tests.e2e.parts import PORT, Place, RealHouse, container
from tests.e2e.scripts import ANSWERS_SOCKETS, STREAMS
from tests.e2e.test_trouble import Relay
from tests.helpers import until
from tests.idle.envoy_house import HandClocks
from tests.parts import Images, docker

BACK = 5.0
"""Seconds; on a machine with nothing else to do it is back within one."""
STREAMS_OPEN, VISITORS = 10, 30


@asynccontextmanager
async def by_hand(place: Place, clock: HandClocks, engine: DockerEngine | None = None) -> AsyncIterator[RealHouse]:
    """A house whose clocks, and whose reaper, only the hand moves."""
    settings = place.settings(reaper_interval=timedelta(days=1))
    async with running(settings, engine=engine, now=clock, uptime=lambda: clock.uptime, patience=0.1) as house:
        home = RealHouse(house, place.site)
        place.installations.add(home.store.installation)
        yield home


async def later(home: RealHouse, clock: HandClocks, **span: float) -> Tick:
    clock.forward(**span)
    return await home.house.reaper.tick(clock(), clock.uptime)


async def kinds(home: RealHouse, pod: Pod) -> list[str]:
    """What has happened to it since it ran."""
    return [event.kind for event in await home.store.events(0, pod_id=pod.id)][3:]


async def test_a_killed_envoy_under_load_is_back_at_once_and_no_pod_is_stopped_for_it(
    place: Place, busybox_image: Images
) -> None:
    place.template("stream", busybox_image.web, args=STREAMS, idle={"timeout": "30m", "warning": "5m"})
    clock, loop = HandClocks(), asyncio.get_running_loop()
    async with by_hand(place, clock) as home, AsyncExitStack() as stack:
        busy, silent = await home.up("stream"), await home.up("stream")
        seen: list[int | None] = []
        over = asyncio.Event()

        async def visit() -> None:
            while not over.is_set():
                try:
                    seen.append((await home.ask(busy)).status)
                except aiohttp.ClientError:
                    seen.append(None)
                    await asyncio.sleep(0.02)

        stack.callback(over.set)
        opened = [home.site.opened(f"{busy.id}-{PORT}", "/cgi-bin/stream") for _ in range(STREAMS_OPEN)]
        streams = [await stack.enter_async_context(stream) for stream in opened]
        visitors = [asyncio.create_task(visit()) for _ in range(VISITORS)]
        await until(lambda: len(seen) > VISITORS)
        before = await later(home, clock, minutes=25)
        assert (before.in_use, before.warned) == ((busy.id,), (silent.id,))
        killed, begun = place.site.pid, loop.time()
        os.kill(killed, signal.SIGKILL)
        assert (await later(home, clock, minutes=6)).stopping == ()  # when the silent one would have been
        cut = await asyncio.gather(*(stream.read() for stream in streams), return_exceptions=True)
        assert all(isinstance(end, aiohttp.ClientError) for end in cut)
        broken = len(seen)
        await until(lambda: 200 in seen[broken:], BACK)
        assert loop.time() - begun < BACK
        assert place.site.pid != killed
        after = [await later(home, clock, seconds=1) for _ in range(2)]
        over.set()
        await asyncio.gather(*visitors)
        assert [tick.stopping for tick in after] == [(), ()]
        for pod, events in ((busy, []), (silent, ["pod.idle_warning", "pod.warning_withdrawn", "pod.idle_warning"])):
            found = await home.look(pod)
            assert (found.status, found.run) == (Status.RUNNING, 1)
            assert await kinds(home, pod) == events
        assert (await later(home, clock, minutes=5)).stopping == (silent.id,)
        await home.house.launcher.idle()
        assert (await home.look(busy)).status is Status.RUNNING


async def test_an_engine_that_is_away_for_two_minutes_stops_nothing_and_everything_recovers(
    place: Place, busybox_image: Images
) -> None:
    place.template("web", busybox_image.web, idle={"timeout": "30m"})
    working = {"timeout": "1m", "warning": "0", "busy_above": {"cpu": "90%"}}
    place.template("works", busybox_image.web, idle=working)
    relay, clock = Relay(place.base / "docker.sock"), HandClocks()
    async with by_hand(place, clock, DockerEngine(f"unix://{relay.path}")) as home:
        await relay.on()
        web, works = await home.up("web"), await home.up("works")
        await relay.off()
        for _ in range(4):
            seen = await later(home, clock, seconds=30)
            assert (seen.unseen, seen.warned, seen.stopping) == ((works.id,), (), ())
            mended = await home.house.reconciler.tick(clock())
            assert (mended.ended, mended.leftovers, mended.orphans) == ((), (), ())
            assert (await home.ask(web)).text.strip() == web.id
        with pytest.raises(Unavailable, match="Is Docker running"):
            await home.begun("web")
        await relay.on()
        assert await home.house.missing() == []
        for pod in (web, works):
            assert (await home.look(pod)).status is Status.RUNNING
            assert await kinds(home, pod) == []
        # What it could not see it sees again, and decides.
        assert works.id in await until(lambda: _stopping(home, clock))
        await home.house.launcher.idle()
        assert (await home.look(works)).status is Status.EXITED
        assert (await home.resume(works)).status is Status.RUNNING
        docker("kill", container(web))
        await home.becomes(web, Status.ERROR)
        await home.clear()
    await relay.off()


async def _stopping(home: RealHouse, clock: HandClocks) -> tuple[str, ...]:
    return (await later(home, clock, seconds=1)).stopping


class Narrow(EnvoyGateway):
    """The limit of a port as it is, only with fewer files."""

    connections_per_port = 5


async def test_one_websocket_more_than_a_port_carries_is_refused_at_once_and_nobody_else_notices(
    place: Place, busybox_image: Images
) -> None:
    place.template("socket", busybox_image.web, args=ANSWERS_SOCKETS)
    listen = ("127.0.0.1", place.site.port)
    gateway = Narrow(place.data / "gateway", listen, "proxy.localhost", ("http", f":{place.site.port}"))
    async with place.house(gateway=gateway) as home, AsyncExitStack() as stack:
        full, other = await home.up("socket"), await home.up("socket")

        async def come(pod: Pod) -> None:
            socket = await home.site.socket(f"{pod.id}-{PORT}", "/")
            stack.callback(socket.transport.abort)  # the script in the pod does not know how to say goodbye
            await socket.send("ping")
            assert await socket.recv() == "pong"

        for _ in range(Narrow.connections_per_port):
            await come(full)
        with pytest.raises(InvalidStatus) as refused:
            await asyncio.wait_for(come(full), 2)
        answer = refused.value.response
        assert (answer.status_code, answer.headers["x-podkeeper-gateway"]) == (503, "busy")
        assert answer.headers["retry-after"] == "30"
        assert b"Too many connections" in answer.body
        for _ in range(Narrow.connections_per_port):
            await come(other)
        assert (await home.ask(full)).text == "ws\n"
        await stack.aclose()

        async def room() -> bool:
            try:
                await come(full)
            except InvalidStatus:
                return False
            return True

        await until(room)
