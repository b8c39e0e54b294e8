"""The wake room's answers: a page for people, problem+json for programs, each with its headers."""

import html
from datetime import datetime, timedelta

from starlette.responses import Response

from core.errors import Forbidden, InvalidInput, NotFound, PodError
from core.gateway import pages
from core.model import Status, Wake
from core.service import Sleeper, TooOften
from core.units import format_duration
from core.wake.visit import OURS

HEADERS = {
    "cache-control": "no-store",
    "vary": "accept",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
    "cross-origin-resource-policy": "same-origin",
}
# Not `no-referrer`: with that a browser does not say where our own form comes from.
_PAGE_HEADERS = HEADERS | {"content-security-policy": pages.POLICY, "referrer-policy": "same-origin"}
_STATUS: dict[type[PodError], int] = {InvalidInput: 400, Forbidden: 403, NotFound: 404, TooOften: 429}
_SLEEPING_RETRY = 30
"""Seconds; also how often a page that waits for its owner looks again."""


def status_of(error: PodError) -> int:
    """The HTTP status that says the same."""
    return _STATUS.get(type(error), 503)


def page(sleeper: Sleeper, now: datetime, *, ticket: str, path: str, error: PodError | None = None) -> Response:
    """The page of a pod that does not run; `error` is why what was asked for was not done."""
    title, look, lead, retry = _state(sleeper)
    note = "" if error is None else f'<p class="note" role="alert">{html.escape(str(error))}</p>'
    form = _form(ticket, path) if sleeper.status is Status.EXITED and sleeper.wake is not Wake.OFF else ""
    facts = "".join(f"<div><dt>{term}</dt><dd>{html.escape(text)}</dd></div>" for term, text in _facts(sleeper, now))
    body = f"<p>{html.escape(lead)}</p>{note}{form}{f'<dl>{facts}</dl>' if facts else ''}"
    status = 503 if error is None else status_of(error)
    text = pages.page(title, body, look=look, refresh=retry if error is None else None)
    headers = _PAGE_HEADERS | _again(status, error.retry_after if isinstance(error, TooOften) else retry)
    return Response(text, status, headers, media_type=pages.HTML)


def starting_page() -> Response:
    """The page that follows a start; the gateway shows the same one while the pod is on its way."""
    headers = HEADERS | {"retry-after": "2", "content-security-policy": "frame-ancestors 'none'"}
    return Response(pages.STARTING_PAGE, 503, headers, media_type=pages.HTML)


def program(sleeper: Sleeper, error: PodError | None = None) -> Response:
    """What a program is told of a pod that does not run."""
    title, _, lead, retry = _state(sleeper)
    if error is not None:
        lead = f"{sleeper.why} {error}"
    elif sleeper.status is Status.EXITED and sleeper.wake is not Wake.OFF:
        lead = f"{sleeper.why} Its page in a browser has a button that starts it."
    told = f"{lead} The request was not passed on."
    return problem(title, told, 503, error.retry_after if isinstance(error, TooOften) else retry)


def refusal(error: PodError) -> Response:
    """An error for programs, and for those to whom no pod's page can be shown."""
    retry = error.retry_after if isinstance(error, TooOften) else _SLEEPING_RETRY
    return problem("Not started" if status_of(error) != 404 else "Not found", str(error), status_of(error), retry)


def problem(title: str, detail: str, status: int, retry: int) -> Response:
    """problem+json (RFC 9457), with Retry-After where another try may help."""
    headers = HEADERS | _again(status, retry)
    return Response(pages.problem(title, detail, status), status, headers, media_type=pages.PROBLEM)


def _again(status: int, seconds: int) -> dict[str, str]:
    return {"retry-after": str(seconds)} if status in (429, 503) else {}


def _state(sleeper: Sleeper) -> tuple[str, str, str, int]:
    """Title, look, what it is about, and after how many seconds to look again."""
    match sleeper.status:
        case _ if sleeper.starting:
            return f"{sleeper.name} is starting", "on", "It is on its way.", 5
        case Status.ERROR:
            lead = f"{sleeper.why} Its owner has been told, and can start it again."
            return f"{sleeper.name} has failed", "bad", lead, _SLEEPING_RETRY
        case Status.STOPPING:
            return f"{sleeper.name} is being stopped", "", "That takes some seconds.", 2
        case _ if sleeper.wake is Wake.OFF:
            lead = f"{sleeper.why} Only its owner can start it again."
        case _:
            lead = f"{sleeper.why} You can start it again: this page then follows the start, and goes on to it."
    return f"{sleeper.name} is stopped", "", lead, _SLEEPING_RETRY


def _form(ticket: str, path: str) -> str:
    return (
        f'<form method="post" action="{OURS}wake"><input type="hidden" name="ticket" value="{html.escape(ticket)}">'
        f'<input type="hidden" name="path" value="{html.escape(path)}"><button>Start it</button></form>'
    )


def _facts(sleeper: Sleeper, now: datetime) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if sleeper.since is not None:
        when = f"{sleeper.since:%d %b %Y, %H:%M} UTC"
        facts.append(("Stopped since", f"{when} ({_ago(now - sleeper.since)})"))
    if sleeper.status is not Status.EXITED or sleeper.wake is Wake.OFF:
        return facts
    kept = (
        "What is on its volume is kept." if sleeper.keeps else "It has no volume, so nothing of its last run is left."
    )
    facts.append(("What starting means", f"It begins with a fresh disk. {kept}"))
    if sleeper.took is not None:
        facts.append(("How long it takes", f"The last start took {format_duration(max(sleeper.took, _SECOND))}."))
    cost = f"{sleeper.price_per_hour:.2f} an hour while it runs. " if sleeper.price_per_hour is not None else ""
    idle = f"It stops by itself after {format_duration(sleeper.idle)} without use." if sleeper.idle else ""
    if cost or idle:
        facts.append(("What it costs" if cost else "How long it runs", f"{cost}{idle}".strip()))
    return facts


_SECOND = timedelta(seconds=1)


def _ago(span: timedelta) -> str:
    minutes = max(0, int(span.total_seconds()) // 60)
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
