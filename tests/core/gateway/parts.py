"""A pod's server, visitors, and gateways to try them with."""

import asyncio
import json
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect

from core.gateway.base import Route, RouteState
from core.gateway.envoy import EnvoyGateway
from core.model import Upstream
from tests.helpers import free_port

DOMAIN = "proxy.localhost"


def live(pod_id: str, upstream: Upstream, port: int = 80, state: RouteState = RouteState.LIVE) -> Route:
    return Route(pod_id=pod_id, port=port, state=state, upstream=upstream)


def other(pod_id: str, state: RouteState, port: int = 80) -> Route:
    return Route(pod_id=pod_id, port=port, state=state)


class PodServer:
    """A web server as it may run in a pod; `name` is in its answers. `/wait` and `/events` go on at `release`.

    `/drops` sends 1000 bytes at each `drop`.
    """

    def __init__(self, name: str = "pod") -> None:
        self.name = name
        self.lies = True
        self.upstream = Upstream(host="127.0.0.1", port=free_port())
        self.waiting = asyncio.Event()
        self.release = asyncio.Event()
        self.drop = asyncio.Event()
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/status/{code}", self._status)
        app.router.add_get("/wait", self._wait)
        app.router.add_get("/events", self._events)
        app.router.add_get("/drops", self._drops)
        app.router.add_get("/socket", self._socket)
        app.router.add_post("/upload", self._upload)
        app.router.add_route("*", "/{path:.*}", self._any)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, self.upstream.host, self.upstream.port, ssl_context=tls).start()

    async def stop(self) -> None:
        self.release.set()
        await self._runner.cleanup()

    async def _any(self, request: web.Request) -> web.Response:
        told = {
            "pod": self.name,
            "path": request.raw_path,
            "headers": {k.lower(): v for k, v in request.headers.items()},
        }
        return web.json_response(told, headers={"x-podkeeper-gateway": "a lie of the pod"} if self.lies else {})

    async def _status(self, request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["code"]))

    async def _wait(self, request: web.Request) -> web.Response:
        self.waiting.set()
        await self.release.wait()
        return web.Response(text=self.name)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await self.release.wait()
        await response.write(b"data: second\n\n")
        return response

    async def _drops(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not self.release.is_set():
            await self.drop.wait()
            self.drop.clear()
            await response.write(bytes(1000))
        return response

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{self.name}: {message.data}")
        return socket

    async def _upload(self, request: web.Request) -> web.Response:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        return web.json_response({"size": size, "chunked": "chunked" in request.headers.get("transfer-encoding", "")})


class Caller:
    """A TCP client of a port; what it says comes back with the name of the pod before it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: str) -> str:
        self.writer.write(f"{text}\n".encode())
        return (await self.reader.readline()).decode().strip()

    async def cut(self) -> bool:
        """Returns when the other side ends the connection."""
        try:
            return await asyncio.wait_for(self.reader.read(), 5) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def a_call(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def refused(port: int) -> bool:
    """Nobody listens there."""
    try:
        async with a_call(port):
            return False
    except OSError:
        return True


def tcp(pod_id: str, upstream: Upstream | None, listen: int, state: RouteState = RouteState.LIVE) -> Route:
    return Route(pod_id=pod_id, port=22, state=state, upstream=upstream, listen=listen)


class Answer:
    """Status, headers (lower case) and body of one answer."""

    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status, self.headers, self.text = status, headers, text

    @property
    def body(self) -> dict:
        return json.loads(self.text)

    @property
    def gateway(self) -> str | None:
        return self.headers.get("x-podkeeper-gateway")


class Site:
    """One place with one address, at which gateways come and go."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.session = aiohttp.ClientSession()
        self.gateways: list[EnvoyGateway] = []

    def gateway(
        self,
        kind: type[EnvoyGateway] = EnvoyGateway,
        tls: tuple[Path, Path] | None = None,
        host: str = "127.0.0.1",
        ca: Path | None = None,
    ) -> EnvoyGateway:
        public = ("https" if tls else "http", f":{self.port}")
        made = kind(self.directory, (host, self.port), DOMAIN, public, tls=tls, ca=ca)
        self.gateways.append(made)
        return made

    @property
    def pid(self) -> int:
        return int(json.loads((self.directory / "gateway.json").read_text())["pid"])

    async def get(self, host: str, path: str = "/", method: str = "GET", **headers: str) -> Answer:
        """Ask for a host below the domain, or for a whole host name when it has a dot or a colon."""
        name = host if set(host) & {".", ":"} else f"{host}.{DOMAIN}"
        sent = {"Host": name, **{key.replace("_", "-"): value for key, value in headers.items()}}
        async with self.session.request(method, f"http://127.0.0.1:{self.port}{path}", headers=sent) as answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.text())

    @asynccontextmanager
    async def opened(self, host: str, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.get(url, headers={"Host": f"{host}.{DOMAIN}"}) as answer:
            yield answer

    def socket(self, host: str, path: str = "/socket") -> "connect[ClientConnection]":
        return connect(f"ws://{host}.{DOMAIN}:{self.port}{path}", host="127.0.0.1", port=self.port, proxy=None)


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    # Not pytest's own directory: its names are too long for sockets.
    directory = Path(tempfile.mkdtemp(prefix="pk-"))
    site = Site(directory)
    try:
        yield site
    finally:
        for gateway in site.gateways:
            await gateway.close()
        await site.session.close()
        shutil.rmtree(directory)


@asynccontextmanager
async def a_pod(name: str = "pod") -> AsyncIterator[PodServer]:
    server = PodServer(name)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def an_echo(name: str = "pod") -> AsyncIterator[Upstream]:
    """A TCP server as it may run in a pod."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(name.encode() + b": " + line)
        writer.close()

    port = free_port()
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    try:
        yield Upstream(host="127.0.0.1", port=port)
    finally:
        server.close()
