"""The person's own counter, beside `/mcp`: what waits for their yes, with the bearer they have for the service.

It is HTTP and no tool, since a model reaches tools only. The terminal's `confirm` and `link` are its customers.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from mcp.server.auth.provider import TokenVerifier
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core.errors import Forbidden, InvalidInput, NotFound, PodError, Unavailable
from core.model import Caller, Confirmation
from core.service import Services
from mcp_server.auth import bearer

_STATUS: dict[type[PodError], int] = {InvalidInput: 400, Forbidden: 403, NotFound: 404, Unavailable: 503}
_MOST = 1_000
"""Bytes of an answer."""


T = TypeVar("T", bound=BaseModel)


class _Code(BaseModel):
    code: str


class _Said(_Code):
    yes: bool


class Desk:
    """`GET /confirmations` lists what waits; `POST /confirmations` with `{"code", "yes"}` answers it.

    `POST /link` with `{"code"}` links the company login that the caller came with to whoever was shown the code.
    """

    def __init__(self, services: Services, verifier: TokenVerifier) -> None:
        self._services = services
        self._verifier = verifier

    def routes(self) -> list[Route]:
        """For the service's application."""
        return [
            Route("/confirmations", self._for_person(self._list), methods=["GET"]),
            Route("/confirmations", self._for_person(self._answer), methods=["POST"]),
            Route("/link", self._for_person(self._link), methods=["POST"]),
        ]

    def _for_person(
        self, act: Callable[[Caller, Request], Awaitable[JSONResponse]]
    ) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def answer(request: Request) -> JSONResponse:
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            access = await self._verifier.verify_token(token) if kind.lower() == "bearer" and token else None
            if access is None:
                return JSONResponse({"error": "no token that is good here"}, 401, {"WWW-Authenticate": "Bearer"})
            try:
                return await act(await bearer(self._services, access, "terminal"), request)
            except PodError as error:
                status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 409)
                return JSONResponse({"error": str(error)}, status)

        return answer

    async def _list(self, who: Caller, _: Request) -> JSONResponse:
        waiting = await self._services.confirmations.waiting(who)
        return JSONResponse({"waiting": [_shown(one) for one in waiting]})

    async def _answer(self, who: Caller, request: Request) -> JSONResponse:
        said = await _read(request, _Said)
        return JSONResponse(_shown(await self._services.confirmations.answer(who, said.code, yes=said.yes)))

    async def _link(self, who: Caller, request: Request) -> JSONResponse:
        said = await _read(request, _Code)
        linked = await self._services.logins.link(who, said.code)
        return JSONResponse({"text": linked.said, **linked.model_dump(mode="json")})


async def _read(request: Request, kind: type[T]) -> T:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST:
            raise InvalidInput("That is no answer: it is too long.")
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        raise InvalidInput('That is no answer. Send {"code": "K7QM-3XTP"}, and for a question "yes": true.') from None


def _shown(one: Confirmation) -> dict[str, str]:
    return {
        "code": one.code,
        "text": one.text,
        "asked_by": one.asked_by,
        "asked_at": one.asked_at.isoformat(),
        "expires_at": one.expires_at.isoformat(),
    }
