"""The back door: the application that answers in place of pods, on a unix socket for Envoy, and a plain first one."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.gateway import pages

GRACE_SECONDS = 0.5
"""What is being answered when we stop may take this long."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


async def stopped(scope: Scope, receive: Receive, send: Send) -> None:
    """The application that says how to start a stopped pod, whatever the method, and knows nothing about any."""
    request = Request(scope)
    headers = {"cache-control": "no-store", "vary": "accept", "retry-after": "30"}
    if "text/html" in request.headers.get("accept", ""):
        headers |= {"content-security-policy": _POLICY, "referrer-policy": "no-referrer"}
        page = pages.sleeping_page(request.headers.get(pages.POD_HEADER))
        response = Response(page, 503, headers, media_type=pages.HTML)
    else:
        response = Response(pages.SLEEPING_PROBLEM, 503, headers, media_type=pages.PROBLEM)
    await response(scope, receive, send)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # Signals belong to the process that we are a guest in.
        yield


class WakeServer:
    """Serves the guest application on `wake.sock` in this process; `stopped` is the guest until another is set."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running: tuple[_Server, asyncio.Task[None]] | None = None
        self._visits: set[asyncio.Task[Any]] = set()
        self.guest: ASGIApp = stopped

    def start(self) -> None:
        """Listen; visitors who come before the first turn of the loop wait in the socket's queue."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._path))
        self._path.chmod(0o600)
        listener.listen(1024)
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        self._running = (server, asyncio.create_task(server.serve(sockets=[listener]), name="wake"))

    async def stop(self) -> None:
        """Stop listening, and end the streams that are open; may be called when it never began."""
        if self._running is None:
            return
        server, task = self._running
        self._running = None
        server.should_exit = True
        if self._visits:
            await asyncio.wait(self._visits, timeout=GRACE_SECONDS)
        for visit in self._visits:
            visit.cancel()
        await task
        self._path.unlink(missing_ok=True)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        try:
            await self.guest(scope, receive, send)
        except asyncio.CancelledError:
            # Only `stop` does this, to a stream that goes on: it is ended as if it were complete.
            with suppress(Exception):
                await send({"type": "http.response.body", "more_body": False})
        finally:
            self._visits.discard(visit)
