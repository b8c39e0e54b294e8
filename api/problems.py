"""Refusals as RFC 9457 has them, in the words of the PodError."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import Conflict, Forbidden, InvalidInput, NoCapacity, NotFound, PodError, QuotaExceeded, Unavailable

log = logging.getLogger("podkeeper.api")

PROBLEM = "application/problem+json"
_STATUS: Mapping[type[PodError], tuple[int, str]] = {
    NotFound: (404, "Not Found"),
    Forbidden: (403, "Forbidden"),
    Conflict: (409, "Conflict"),
    InvalidInput: (400, "Bad Request"),
    QuotaExceeded: (400, "Quota Exceeded"),
    NoCapacity: (400, "No Capacity"),
    Unavailable: (503, "Service Unavailable"),
}
RETRY_AFTER = "10"
"""Seconds after which a part that did not answer may be asked again."""


class Invalid(Exception):
    """A body or a parameter is not as the contract has it."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class NotOffered(Exception):
    """RunPod has it, we do not; the text names it."""


def problem(status: int, title: str, detail: str, errors: Sequence[str] = (), **headers: str) -> Response:
    """One refusal."""
    body = {"title": title, "status": status, "detail": detail} | ({"errors": list(errors)} if errors else {})
    return JSONResponse(body, status, headers or None, media_type=PROBLEM)


async def of_pod_error(_: Request, error: Exception) -> Response:
    """By its kind; what is not listed is the pod's own failure."""
    status, title = next((known for kind, known in _STATUS.items() if isinstance(error, kind)), (400, "Failed"))
    more = {"Retry-After": RETRY_AFTER} if status == 503 else {}
    return problem(status, title, str(error), **more)


async def of_invalid(_: Request, error: Exception) -> Response:
    """422, with a pointer to each failure."""
    errors = error.errors if isinstance(error, Invalid) else ()
    return problem(422, "Unprocessable Entity", "The request is not as the contract has it.", errors)


async def of_not_offered(_: Request, error: Exception) -> Response:
    """501."""
    return problem(501, "Not Implemented", str(error))


async def of_http(_: Request, error: Exception) -> Response:
    """Starlette's own: no such path, no such method, a body too long."""
    assert isinstance(error, HTTPException)
    return problem(error.status_code, HTTPStatus(error.status_code).phrase, error.detail, **dict(error.headers or {}))


async def of_bug(_: Request, error: Exception) -> Response:
    """Ours; the person sees only a reference."""
    reference = secrets.token_hex(4)
    log.error("reference %s", reference, exc_info=error)
    return problem(500, "Internal Server Error", f"That is a fault of Podkeeper; its log has it as {reference}.")
