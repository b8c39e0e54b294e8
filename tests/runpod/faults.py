"""A small proxy that spoils some of what goes through it, between two Podkeepers."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web

Spoil = Callable[[Any], Any]
ONE = "/v2/pods/[^/]+"


class Kind(StrEnum):
    """What happens to a request."""

    REFUSED = "refused"
    """It is not carried out; `status`, `headers` and `detail` are the answer."""
    LOST = "lost"
    """It is carried out, and the connection is cut before the answer."""
    CUT = "cut"
    """The connection is cut before it is carried out."""
    DONE_ALL_THE_SAME = "done all the same"
    """It is carried out, and `status` is the answer."""
    STALLED = "stalled"
    """It is carried out, and the answer comes after `seconds`."""
    TRUNCATED = "truncated"
    """It is carried out, and half of the answer comes."""
    CHANGED = "changed"
    """It is carried out, and `spoil` makes another answer of the JSON."""


@dataclass
class Fault:
    """Some requests that go wrong."""

    kind: Kind
    verb: str = "GET"
    path: str = "/v2/pods"
    """A regular expression of its end, for actions: `/action`; `ONE`: of one pod."""
    times: int = 1
    status: int = 503
    detail: str = "for the test"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0
    spoil: Spoil = lambda answer: answer
    met: int = 0

    def hits(self, request: web.Request) -> bool:
        """It is one of them."""
        return (
            self.met < self.times
            and request.method == self.verb
            and re.search(f"{self.path}$", request.path) is not None
        )


class FaultProxy:
    """Carries everything to `behind` but for its `faults`; `asked` counts what was asked for."""

    def __init__(self, behind: str) -> None:
        self._behind = behind
        self.faults: list[Fault] = []
        self.asked: Counter[str] = Counter()
        self.keys: set[str] = set()
        """Every Authorization header that came."""
        self.down = False
        """True: every connection is cut."""

    def add(self, fault: Fault) -> Fault:
        """From now on."""
        self.faults.append(fault)
        return fault

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Its address."""
        app = web.Application(client_max_size=2**22)
        app.router.add_route("*", "/{rest:.*}", self._handle)
        async with aiohttp.ClientSession(auto_decompress=False) as self._session:
            runner = web.AppRunner(app, shutdown_timeout=0.5)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            try:
                yield f"http://127.0.0.1:{runner.addresses[0][1]}"
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked[f"{request.method} {request.path}"] += 1
        self.keys.add(request.headers.get("Authorization", ""))
        fault = next((one for one in self.faults if one.hits(request)), None)
        if self.down or (fault is not None and fault.kind is Kind.CUT):
            return self._cut(request, fault)
        if fault is None:
            return await self._carry(request)
        fault.met += 1
        if fault.kind is Kind.REFUSED:
            return _problem(fault)
        async with self._ask(request) as answer:
            body = await answer.read()
            status, headers = answer.status, _headers(answer)
        match fault.kind:
            case Kind.LOST:
                fault.met -= 1
                return self._cut(request, fault)
            case Kind.DONE_ALL_THE_SAME:
                return _problem(fault)
            case Kind.TRUNCATED:
                half = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body))})
                await half.prepare(request)
                await half.write(body[: len(body) // 2])
                return self._cut(request, None)
            case Kind.CHANGED:
                body = json.dumps(fault.spoil(json.loads(body))).encode()
            case _:
                await asyncio.sleep(fault.seconds)
        return web.Response(status=status, headers=headers, body=body)

    def _cut(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        if fault is not None:
            fault.met += 1
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _carry(self, request: web.Request) -> web.StreamResponse:
        async with self._ask(request) as answer:
            out = web.StreamResponse(status=answer.status, headers=_headers(answer))
            await out.prepare(request)
            with suppress(ConnectionError):  # whoever reads a log leaves in the middle of it
                async for part in answer.content.iter_any():
                    await out.write(part)
            return out

    def _ask(self, request: web.Request) -> Any:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "connection")}
        url = f"{self._behind}{request.path_qs}"
        return self._session.request(request.method, url, headers=headers, data=request.content)


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    kept = ("content-type", "retry-after", "ratelimit", "etag", "cache-control", "date")
    return {name: value for name, value in answer.headers.items() if name.lower() in kept}


def _problem(fault: Fault) -> web.Response:
    body = {"title": "Spoilt", "status": fault.status, "detail": fault.detail}
    kind = "application/problem+json"
    return web.Response(status=fault.status, headers=fault.headers, body=json.dumps(body), content_type=kind)
