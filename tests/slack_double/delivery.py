"""How the double reaches the app: an envelope on one socket, or a signed POST; three seconds to acknowledge."""

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

from tests.slack_double.workspace import Workspace


@dataclass
class Ack:
    """What the app answered, and how fast. `error`: what the person sees when it did not."""

    kind: str
    payload: dict[str, Any]
    error: str | None = None
    body: Any = None
    seconds: float = 0.0
    retries: int = 0

    @property
    def ok(self) -> bool:
        """Acknowledged in time."""
        return self.error is None


@dataclass
class Retry:
    """That this is not the first time."""

    number: int
    reason: str


class Transport(Protocol):
    """A way to the app."""

    async def send(self, ack: Ack, retry: Retry | None, seconds: float) -> None:
        """Deliver `ack.payload` and fill in the rest of it."""
        ...


class SignedHttp:
    """The request URL of an app without Socket Mode."""

    def __init__(self, workspace: Workspace, url: str) -> None:
        self._w = workspace
        self.url = url
        self.skew = 0.0
        """Seconds added to the time stamp, for tests of old requests."""

    async def send(self, ack: Ack, retry: Retry | None, seconds: float) -> None:
        """Sign and post it: commands as a form, clicks as `payload=…`, events as JSON."""
        if ack.kind == "events_api":
            body, kind = json.dumps(ack.payload), "application/json"
        else:
            form = ack.payload if ack.kind == "slash_commands" else {"payload": json.dumps(ack.payload)}
            body, kind = urlencode(form), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **self.sign(body)}
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry.number), "X-Slack-Retry-Reason": retry.reason}
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self.url, data=body, headers=headers) as answer,
            ):
                text = await answer.text()
                if answer.status != 200:
                    ack.error = "dispatch_failed"
                elif answer.content_type == "application/json":
                    ack.body = json.loads(text)
                else:
                    ack.body = {"text": text} if text else None
        except TimeoutError:
            ack.error = "operation_timeout"
        except aiohttp.ClientError:
            ack.error = "dispatch_failed"

    def sign(self, body: str) -> dict[str, str]:
        """Slack's signature of a body."""
        at = str(int(time.time() + self.skew))
        base = f"v0:{at}:{body}".encode()
        signed = hmac.new(self._w.signing_secret.encode(), base, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={signed}"}


@dataclass
class Sockets:
    """Socket Mode: single-use addresses, hello, one socket for each envelope, acknowledgements, disconnect."""

    workspace: Workspace
    base: str = ""
    connected: list[web.WebSocketResponse] = field(default_factory=list)
    _tickets: set[str] = field(default_factory=set)
    _waiting: dict[str, asyncio.Future[Any]] = field(default_factory=dict)

    def ticket(self) -> str:
        """A new address for one connection."""
        ticket = secrets.token_hex(8)
        self._tickets.add(ticket)
        return f"{self.base.replace('http', 'ws', 1)}/link?ticket={ticket}&app_id={self.workspace.app}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection of the app."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets or len(self.connected) >= 10:
            return web.Response(status=403, text="ticket used or too many websockets")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connected.append(socket)
        hello = {"type": "hello", "num_connections": len(self.connected), "connection_info": {"app_id": "A1"}}
        await socket.send_json({**hello, "debug_info": {"host": "double", "approximate_connection_time": 18060}})
        self.workspace.ring()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledged(json.loads(message.data))
        finally:
            if socket in self.connected:
                self.connected.remove(socket)
            self.workspace.ring()
        return socket

    async def send(self, ack: Ack, retry: Retry | None, seconds: float) -> None:
        """One envelope on one socket."""
        if not self.connected:
            ack.error = "dispatch_failed"
            return
        envelope = secrets.token_hex(8)
        waiter = self._waiting[envelope] = asyncio.get_running_loop().create_future()
        body: dict[str, Any] = {"envelope_id": envelope, "type": ack.kind, "payload": ack.payload}
        body["accepts_response_payload"] = ack.kind != "events_api"
        if ack.kind == "events_api":
            body |= {"retry_attempt": retry.number if retry else 0, "retry_reason": retry.reason if retry else ""}
        await self.connected[-1].send_json(body)
        try:
            async with asyncio.timeout(seconds):
                ack.body = await waiter
        except TimeoutError:
            ack.error = "operation_timeout"
        finally:
            del self._waiting[envelope]

    async def disconnect(self, reason: str = "refresh_requested", only: web.WebSocketResponse | None = None) -> None:
        """Tell the app to come again, as Slack does every few hours with each; nothing more comes on that socket."""
        for socket in [only] if only is not None else list(self.connected):
            self.connected.remove(socket)
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "double"}})

    async def close(self) -> None:
        """Cut all connections."""
        for socket in list(self.connected):
            await socket.close()

    def _acknowledged(self, answer: dict[str, Any]) -> None:
        waiter = self._waiting.get(answer.get("envelope_id", ""))
        if waiter is not None and not waiter.done():
            waiter.set_result(answer.get("payload"))
