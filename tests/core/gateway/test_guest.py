"""The application that answers in place of pods, and the door for pods themselves."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route as At

from core.errors import Unavailable
from core.gateway.base import RouteState
from core.gateway.bootstrap import CONNECTIONS, GUEST_REQUESTS, INSIDE_CONNECTIONS, connections
from core.gateway.envoy import EnvoyGateway
from core.gateway.listeners import inside as inside_listener
from core.gateway.resources import scope
from core.model import PortTraffic
from tests.core.gateway.parts import DOMAIN, PodServer, Site, a_call, live, other, refused
from tests.helpers import free_port, until

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]


class Guest:
    """Says what it was asked; `/.podkeeper/events` goes on at `go` until it is ended."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: list[tuple[str, str | None]] = []
        self.app = Starlette(
            routes=[At("/.podkeeper/events", self._events), At("/{path:path}", self._any, methods=METHODS)]
        )

    def _note(self, request: Request) -> str | None:
        pod = request.headers.get("x-gw-pod")
        self.asked.append((request.url.path, pod))
        return pod

    async def _any(self, request: Request) -> Response:
        pod = self._note(request)
        return JSONResponse({"pod": pod, "path": request.url.path, "query": request.url.query}, 503)

    async def _events(self, request: Request) -> Response:
        self._note(request)

        async def events():
            yield "data: first\n\n"
            await self.go.wait()
            yield "data: second\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(events(), media_type="text/event-stream")


@pytest.fixture
async def guest(gateway: EnvoyGateway) -> Guest:
    made = Guest()
    gateway.welcome(made.app)
    return made


async def test_it_is_asked_for_every_visit_to_a_sleeping_pod(gateway: EnvoyGateway, site: Site, guest: Guest) -> None:
    await gateway.apply([other("abc", RouteState.SLEEPING)])
    for path in ("/a?b=c", "/.podkeeper/start?b=c", "/keepalive/secret?b=c"):
        answer = await site.get("abc-80", path, "POST", x_gw_pod="forged-80")
        assert answer.body == {"pod": "abc-80", "path": path.partition("?")[0], "query": "b=c"}
        assert answer.gateway == "sleeping"


@pytest.mark.parametrize("state", [RouteState.STARTING, RouteState.CLOSING])
async def test_it_has_one_corner_of_a_starting_or_closing_pod(
    gateway: EnvoyGateway, site: Site, pod: PodServer, guest: Guest, state: RouteState
) -> None:
    await gateway.apply(
        [live("abc", pod.upstream, state=state) if state is RouteState.CLOSING else other("abc", state)]
    )
    answer = await site.get("abc-80", "/.podkeeper/x", x_gw_pod="forged-80")
    assert (answer.body["pod"], answer.gateway) == ("abc-80", "starting")
    for path in ("/", "/x/.podkeeper/", "/.podkeeper", "/keepalive/x"):
        answer = await site.get("abc-80", path)
        assert (answer.status, answer.gateway, answer.body["title"]) == (503, "starting", "Pod is not answering yet")
    assert guest.asked == [("/.podkeeper/x", "abc-80")]


async def test_it_is_never_asked_for_a_live_pod_or_a_strange_host(
    gateway: EnvoyGateway, site: Site, guest: Guest
) -> None:
    for path in ("/", "/.podkeeper/start", "/keepalive/secret"):
        assert (await site.get("abc-80", path)).body["pod"] == "pod"
        assert (await site.get("nobody-80", path)).status == 404
    assert guest.asked == []


async def test_sockets_at_pods_that_do_not_run_are_answered_by_envoy(
    gateway: EnvoyGateway, site: Site, guest: Guest
) -> None:
    ask = {"connection": "upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
    for state in (RouteState.SLEEPING, RouteState.STARTING):
        await gateway.apply([other("abc", state)])
        for path in ("/", "/.podkeeper/events"):
            answer = await site.get("abc-80", path, **ask)
            assert (answer.status, answer.gateway, answer.body["status"]) == (503, state.value, 503)
    assert guest.asked == []


async def test_an_event_stream_lives_from_sleeping_to_live(
    gateway: EnvoyGateway, site: Site, pod: PodServer, guest: Guest
) -> None:
    await gateway.apply([other("abc", RouteState.SLEEPING)])
    async with site.opened("abc-80", "/.podkeeper/events") as first:
        assert await first.content.readuntil(b"\n\n") == b"data: first\n\n"
        await gateway.apply([other("abc", RouteState.STARTING)])
        async with site.opened("abc-80", "/.podkeeper/events") as second:
            assert await second.content.readuntil(b"\n\n") == b"data: first\n\n"
            await gateway.apply([live("abc", pod.upstream)])
            assert (await site.get("abc-80")).status == 200
            guest.go.set()
            for stream in (first, second):
                assert await stream.content.readuntil(b"\n\n") == b"data: second\n\n"
        assert await gateway.probe("abc", 80) == 200
        assert (await gateway.traffic()).ports["abc-80"].completed == 2


async def test_an_open_stream_does_not_hold_up_the_end(
    gateway: EnvoyGateway, site: Site, guest: Guest, caplog: pytest.LogCaptureFixture
) -> None:
    await gateway.apply([other("abc", RouteState.SLEEPING)])
    async with site.opened("abc-80", "/.podkeeper/events") as stream:
        await stream.content.readuntil(b"\n\n")
        async with asyncio.timeout(2):
            await gateway.detach()
        assert await stream.content.read() == b""
    await site.gateway().open([])
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_an_adopted_envoy_asks_the_new_guest(gateway: EnvoyGateway, site: Site, guest: Guest) -> None:
    await gateway.apply([other("abc", RouteState.SLEEPING)])
    await gateway.detach()
    assert (await site.get("abc-80")).body["title"] == "Pod is stopped"
    again, another = site.gateway(), Guest()
    again.welcome(another.app)
    await again.open([other("abc", RouteState.SLEEPING)])
    assert (await site.get("abc-80")).body["pod"] == "abc-80"
    assert (len(guest.asked), len(another.asked)) == (0, 1)


@pytest.mark.parametrize("state", [RouteState.SLEEPING, RouteState.STARTING])
def test_no_time_limit_ends_a_stream_that_follows_a_start(state: RouteState) -> None:
    table = scope(other("abc", state), DOMAIN)["route_configuration"]
    asked = next(route for route in table["virtual_hosts"][0]["routes"] if route["match"]["prefix"] == "/.podkeeper/")
    assert (asked["route"]["timeout"], asked["route"]["idle_timeout"]) == ("0s", "0s")


class Inside:
    """A pod that asks at the address of its own network."""

    def __init__(self, site: Site) -> None:
        self.port = free_port()
        self._site = site

    async def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict]:
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self._site.session.request(method, url, headers=sent) as answer:
            text = await answer.text()
            return answer.status, json.loads(text or "{}") if answer.content_type == "application/json" else {}


async def test_pods_reach_one_path_from_inside_and_speak_for_nobody(
    gateway: EnvoyGateway, site: Site, guest: Guest
) -> None:
    inside = Inside(site)
    await gateway.apply([other("def", RouteState.SLEEPING)])
    await gateway.listen_inside(("127.0.0.1", inside.port))
    assert await inside.ask("/keepalive/s3cret", x_gw_pod="abc-80") == (
        503,
        {"pod": None, "path": "/keepalive/s3cret", "query": ""},
    )
    assert [(await inside.ask("/keepalive/x", method))[0] for method in ("HEAD", "POST")] == [503, 503]
    asked = len(guest.asked)
    for path in ("/", "/keepalive", "/.podkeeper/start", "/x/keepalive/y", "/healthz"):
        for host in ("127.0.0.1", f"abc-80.{DOMAIN}", f"def-80.{DOMAIN}"):
            assert (await inside.ask(path, host=host))[0] == 404, (path, host)
    for method in ("PUT", "DELETE", "OPTIONS", "PROPFIND"):
        assert (await inside.ask("/keepalive/x", method))[0] == 404
    upgrade = {"connection": "upgrade", "upgrade": "websocket"}
    assert (await inside.ask("/keepalive/x", **upgrade))[0] in (403, 404)
    assert len(guest.asked) == asked
    assert (await gateway.traffic()).ports == {"abc-80": PortTraffic()}


async def test_the_door_inside_moves_stays_over_an_adoption_and_goes(
    gateway: EnvoyGateway, site: Site, pod: PodServer, guest: Guest
) -> None:
    inside = Inside(site)
    await gateway.listen_inside(("172.31.254.1", inside.port))  # an address that this machine has not got (yet)
    for _ in range(2):
        await gateway.listen_inside(("127.0.0.1", inside.port))
        assert (await inside.ask("/keepalive/x"))[0] == 503
    await gateway.detach()
    again = site.gateway()
    again.welcome(guest.app)
    await again.listen_inside(("127.0.0.1", inside.port))
    await again.open([live("abc", pod.upstream)])
    assert (await inside.ask("/keepalive/x"))[0] == 503
    for _ in range(2):
        await again.listen_inside(None)
        await until(lambda: refused(inside.port))


async def test_a_door_inside_that_nobody_asks_for_any_more_is_shut_on_open(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    inside = Inside(site)
    await gateway.listen_inside(("127.0.0.1", inside.port))
    await gateway.detach()
    await site.gateway().open([live("abc", pod.upstream)])
    await until(lambda: refused(inside.port))


async def test_a_taken_address_inside_is_told_and_the_former_stays(
    gateway: EnvoyGateway, site: Site, guest: Guest
) -> None:
    inside = Inside(site)
    await gateway.listen_inside(("127.0.0.1", inside.port))
    async with await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0) as taken:
        port = taken.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match=rf"cannot listen on 127\.0\.0\.1:{port}.*already in use"):
            await gateway.listen_inside(("127.0.0.1", port))
    assert (await inside.ask("/keepalive/x"))[0] == 503


async def test_visitors_who_fill_the_guests_room_leave_the_control_plane_and_the_inside_alone(
    gateway: EnvoyGateway, site: Site, guest: Guest
) -> None:
    inside = Inside(site)
    await gateway.listen_inside(("127.0.0.1", inside.port))
    await gateway.apply([other("abc", RouteState.SLEEPING)])
    ask = f"GET /.podkeeper/events HTTP/1.1\r\nhost: abc-80.{DOMAIN}\r\n\r\n".encode()
    visitors: list[asyncio.StreamWriter] = []
    try:
        for _ in range(GUEST_REQUESTS):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            visitors.append(writer)
            writer.write(ask)
            assert b" 200 " in await reader.readline()
        for path in ("/", "/.podkeeper/events"):
            answer = await site.get("abc-80", path)
            assert (answer.status, answer.gateway, answer.headers["retry-after"]) == (503, "busy", "30")
        assert (await inside.ask("/keepalive/x"))[0] == 503
        assert guest.asked[-1] == ("/keepalive/x", None)
    finally:
        for writer in visitors:
            writer.close()


async def test_a_pod_that_fills_the_door_inside_takes_no_room_from_visitors_nor_they_from_it(
    gateway: EnvoyGateway, site: Site
) -> None:
    port = free_port()
    await gateway.listen_inside(("127.0.0.1", port))
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(a_call(port)) for _ in range(INSIDE_CONNECTIONS + 1)]
        # Envoy's workers take connections in no order: it need not be the one that was opened last.
        ends = [asyncio.create_task(call.reader.read()) for call in calls]
        done, left = await asyncio.wait(ends, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        for end in left:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        assert len(done) == 1
        assert (await site.get("abc-80")).status == 200
    assert inside_listener(("127.0.0.1", port))["ignore_global_conn_limit"]


@pytest.mark.parametrize(("files", "most"), [(1_048_576, CONNECTIONS), (20_000, 9_500), (1_024, 384)])
def test_no_more_visitors_than_files_are_let_in(files: int, most: int) -> None:
    """Each is a file on both sides; an Envoy without files serves nobody and does not even tell its counters."""
    assert connections(files) == most
