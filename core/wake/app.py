"""The wake room's door: the application that the gateway asks in place of pods that do not run."""

import json
import logging
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.errors import Conflict, Forbidden, NotFound, PodError
from core.gateway.pages import POD_HEADER
from core.model import Status, Wake
from core.service import Keeping, Sleeper, Waking
from core.wake import answers
from core.wake.visit import OURS, browser, from_here, is_visit, peer, read_form, target

log = logging.getLogger("podkeeper.wake")

STREAMS = 200
"""Starts that are followed at once; fewer than the gateway sends us requests."""
STREAMS_PER_VISITOR = 20
_KEEPALIVE = "/keepalive/"
_METHODS = {f"{OURS}wake": ("POST",), f"{OURS}events": ("GET", "HEAD")}
_NOTHING = NotFound("There is nothing at this address.")
_EVENTS = {Status.RUNNING: "ready", Status.ERROR: "failed", Status.EXITED: "stopped"}
"""How a stream ends."""


class WakeApp:
    """An ASGI application. It keeps nothing: whatever it needs to know comes with the request, or is in the rows."""

    def __init__(self, waking: Waking, keeping: Keeping, now: Callable[[], datetime]) -> None:
        self._waking = waking
        self._keeping = keeping
        self._now = now
        self._streams: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except PodError as error:
            response = answers.refusal(error)
        except Exception:
            reference = secrets.token_hex(4)
            log.exception("a visit to a pod that does not run broke (%s)", reference)
            told = f"Something broke inside Podkeeper; nothing was done. Its log says more under {reference}."
            response = answers.problem("Broken", told, 500, 0)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        key, path = request.headers.get(POD_HEADER), request.scope["path"]
        if key is None:
            return await self._beat(request)
        if not path.startswith(OURS):
            return await self._visit(request, key)
        methods = _METHODS.get(path)
        if methods is None:
            raise _NOTHING
        if request.method not in methods:
            allowed = {"allow": ", ".join((*methods, "OPTIONS"))}
            return Response(None, 204 if request.method == "OPTIONS" else 405, answers.HEADERS | allowed)
        return await (self._wake if "POST" in methods else self._events)(request, key)

    async def _beat(self, request: Request) -> Response:
        path = request.scope["path"]
        good = path.startswith(_KEEPALIVE) and request.method in ("GET", "HEAD", "POST")
        if not good or not await self._keeping.beat(path.removeprefix(_KEEPALIVE)):
            raise _NOTHING
        return Response(None, 204, answers.HEADERS)

    async def _visit(self, request: Request, key: str) -> Response:
        sleeper, error = await self._found(key), None
        asleep = sleeper.status is Status.EXITED and sleeper.wake is Wake.AUTO
        if asleep and is_visit(request, sleeper.ignore):
            try:
                await self._waking.wake(key, peer(request))
            except Conflict:
                pass  # somebody else has moved it; how it is now is what counts
            except PodError as refused:
                error = refused
            sleeper = await self._found(key)
        if request.method in ("GET", "HEAD") and browser(request):
            return self._page(sleeper, target(request), error)
        return answers.program(sleeper, error)

    async def _wake(self, request: Request, key: str) -> Response:
        sleeper, path = await self._found(key), "/"
        try:
            if not from_here(request):
                raise Forbidden(
                    "This was sent from another site. Only the button on this address's own page starts it."
                )
            ticket, path = await read_form(request)
            if not sleeper.starting:
                if not self._waking.admits(sleeper, ticket):
                    raise Forbidden("This page had become too old, or was not ours. Press the button once more.")
                await self._waking.wake(key, peer(request))
        except Conflict:
            pass  # it is on its way already, or shows when looked at why not
        except PodError as error:
            return self._page(sleeper, path, error) if browser(request) else answers.refusal(error)
        return RedirectResponse(path, 303, answers.HEADERS)

    async def _events(self, request: Request, key: str) -> Response:
        await self._found(key)
        visitor = peer(request)
        if self._streams[visitor] >= STREAMS_PER_VISITOR or self._streams.total() >= STREAMS:
            return answers.problem("Too many", "As many starts are followed at once as can be.", 503, 2)
        stream = _nothing() if request.method == "HEAD" else self._follow(key, visitor)
        return StreamingResponse(stream, 200, answers.HEADERS, media_type="text/event-stream")

    async def _follow(self, key: str, visitor: str) -> AsyncGenerator[str]:
        self._streams[visitor] += 1
        try:
            shown, name = "", ""
            async with aclosing(self._waking.follow(key)) as strides:
                async for stride in strides:
                    name = _EVENTS.get(stride.status, "progress")
                    text = _event(name, {"fraction": stride.fraction, "message": stride.message})
                    # A remark, when there is nothing new: whoever is in between sees that the stream lives.
                    yield text if text != shown else ":\n\n"
                    shown = text
            if name not in _EVENTS.values():
                yield _event("stopped", {"fraction": None, "message": "It is gone"})
        finally:
            self._streams[visitor] -= 1
            self._streams += Counter()  # forgets whoever has none

    async def _found(self, key: str) -> Sleeper:
        sleeper = await self._waking.sleeper(key)
        if sleeper is None:
            raise _NOTHING
        return sleeper

    def _page(self, sleeper: Sleeper, path: str, error: PodError | None) -> Response:
        if sleeper.starting and error is None:
            return answers.starting_page()
        return answers.page(sleeper, self._now(), ticket=self._waking.ticket(sleeper), path=path, error=error)


def _event(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _nothing() -> AsyncGenerator[str]:
    return
    yield
