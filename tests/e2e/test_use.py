"""Who uses a pod, by every way there is, on real Docker and real Envoy: TCP, signs of life, ports given later, tabs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.errors import InvalidInput
from core.model import Pod, Status
from tests.e2e.parts import PORT, Place, RealHouse, inside
from tests.e2e.scripts import ANSWERS_SOCKETS, SEVERAL_PORTS
from tests.helpers import free_port, until
from tests.parts import Images


@pytest.fixture
def several(place: Place, busybox_image: Images) -> Place:
    """A place with a template of many ports, that nobody is warned about."""
    for name, timeout in (("several", "2s"), ("beating", "4s"), ("patient", "10m")):
        rule = {"timeout": timeout, "warning": "0", "ignore": {"paths": ["/health"], "agents": ["Monitor"]}}
        ports = [f"{PORT}/http", "22/tcp"]
        place.template(name, busybox_image.web, args=SEVERAL_PORTS, ports=ports, idle=rule)
    tab = {"timeout": "2s", "warning": "0", "noise": "64k"}
    place.template("tab", busybox_image.web, args=ANSWERS_SOCKETS, idle=tab)
    return place


async def why(home: RealHouse, pod: Pod) -> str:
    return (await home.house.services.keeping.why(await home.me(), pod.id)).text


@asynccontextmanager
async def connection(listen: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", listen)
    try:
        yield reader, writer
    finally:
        writer.close()


async def lives_past_its_time(home: RealHouse, pod: Pod) -> None:
    async def seen() -> bool:
        last = (await home.look(pod)).last_active_at
        return last is not None and pod.ready_at is not None and last - pod.ready_at > pod.spec.idle.timeout * 1.5

    await until(seen)
    assert (await home.look(pod)).status is Status.RUNNING


async def test_bytes_on_a_tcp_port_keep_a_pod_alive_and_an_open_silent_connection_does_not(several: Place) -> None:
    listen = free_port()
    async with several.house(tcp_ports=(listen,)) as home:
        pod = await home.up("several")
        assert home.pods.urls(pod)[1].url == f"tcp://127.0.0.1:{listen}"
        async with connection(listen) as (reader, writer):

            async def talk() -> None:
                while True:
                    writer.write(b"x" * 4096)
                    await reader.readexactly(4096)
                    await asyncio.sleep(0.1)

            talking = asyncio.create_task(talk())
            await lives_past_its_time(home, pod)
            await until(lambda: _says(home, pod, "bytes on the connections of 22"))
            talking.cancel()
            await until(lambda: _says(home, pod, "1 silent TCP connection open on 22"))
            assert (await home.becomes(pod, Status.EXITED)).reason
            assert await asyncio.wait_for(reader.read(), 10) == b""
        resumed = await home.resume(pod)
        assert resumed.listens == {22: listen}
        async with connection(listen) as (reader, writer):
            writer.write(b"again")
            assert await reader.readexactly(5) == b"again"


async def test_a_pod_that_says_it_is_in_use_is_not_stopped(several: Place) -> None:
    async with several.house() as home:
        pod = await home.up("beating")
        url = inside(pod, "cat /keepalive")
        host, _, path = url.removeprefix("http://").partition("/")
        address, _, port = host.partition(":")

        def asks(text: str) -> str:
            request = f"GET /{text} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n"
            # This nc hangs up when its input ends, so that is held open until the answer is there, for 5 s at most; the
            # image's wget does not run.
            held = f"printf '{request}'; for _ in $(seq 50); do [ -s /answer ] && break; usleep 100000; done"
            return f": > /answer; ({held}) | nc {address} {port} > /answer; head -n 1 /answer"

        async def run(script: str) -> list[str]:
            return (await asyncio.to_thread(inside, pod, script)).splitlines()

        # One script in the pod: an exec for each sign may take longer than the pod has, on a busy machine.
        beating = asyncio.create_task(run(f"touch /on; while [ -e /on ]; do {asks(path)}; done"))
        await lives_past_its_time(home, pod)
        await run("rm /on")
        answers = await beating
        assert answers
        assert [answer for answer in answers if "204" not in answer] == []
        wrong = (f"{path}0", "keepalive/", "", "v2/pods", "mcp")
        answers = await run("\n".join(asks(text) for text in wrong))
        assert len(answers) == len(wrong)
        assert [answer for answer in answers if "404" not in answer] == []
        assert (await home.becomes(pod, Status.EXITED)).last_active_at is not None


async def test_a_port_is_given_an_address_and_loses_it_without_a_restart(several: Place) -> None:
    async with several.house() as home:
        me, pod = await home.me(), await home.up("patient")
        assert (await home.site.get(f"{pod.id}-9000")).status == 404
        await home.house.services.ports.expose(me, pod.id, "9000")
        assert (await home.site.get(f"{pod.id}-9000")).text.strip() == "second"
        await home.house.services.ports.unexpose(me, pod.id, "9000")
        assert (await home.site.get(f"{pod.id}-9000")).status == 404
        assert (await home.ask(pod)).status == 200
        assert (await home.look(pod)).run == 1


async def test_a_tcp_port_that_somebody_else_listens_on_is_told_and_not_exposed(several: Place) -> None:
    listen = free_port()
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", listen)
    async with taken, several.house(tcp_ports=(listen,)) as home:
        me, pod = await home.me(), await home.up("tab")
        with pytest.raises(InvalidInput, match=str(listen)):
            await home.house.services.ports.expose(me, pod.id, "22/tcp")
        assert (await home.look(pod)).listens == {}


async def test_health_checks_and_monitors_are_answered_and_keep_nothing_awake(several: Place) -> None:
    async with several.house() as home:
        pod = await home.up("several")

        async def check() -> None:
            while True:
                await home.ask(pod, "/health")
                await home.ask(pod, "/", **{"user-agent": "Acme-Monitor/2"})

        checking = asyncio.create_task(check())
        await until(lambda: _says(home, pod, "ignored on 8080"))
        await home.becomes(pod, Status.EXITED)
        checking.cancel()


async def test_a_tab_that_only_pings_keeps_nothing_awake(several: Place) -> None:
    async with several.house() as home:
        pod = await home.up("tab")
        async with home.site.socket(f"{pod.id}-{PORT}", "/") as socket:

            async def ping() -> None:
                while True:
                    await socket.send("ping")
                    await socket.recv()
                    await asyncio.sleep(0.2)

            pinging = asyncio.create_task(ping())
            await until(lambda: _says(home, pod, "1 hardly talking WebSocket open on 8080"))
            await home.becomes(pod, Status.EXITED)
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)


async def _says(home: RealHouse, pod: Pod, words: str) -> bool:
    return words in await why(home, pod)
