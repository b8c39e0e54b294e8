"""A pod's output as Server-Sent Events: what there is, then what comes, until the pod is at rest or nobody reads."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from api.shown import stamp
from core.errors import PodError
from core.model import Caller
from core.service import Services

WINDOW = 5000
"""Lines looked at each time; more than these in a second are cut."""
PAUSE = 1.0
"""Seconds between two looks."""
_MARKED = 3
"""Lines that a mark is made of: it and those before it."""


async def events(
    services: Services, who: Caller, pod_id: str, tail: int, last: str | None, pause: float = PAUSE
) -> AsyncGenerator[str]:
    """One event for each line. `last`: the id of the last event that was received, which goes before `tail`."""
    known: list[str] | None = None
    while True:
        try:
            pod = await services.pods.get(who, pod_id)
            lines = (await services.pods.logs(who, pod.id, WINDOW)).splitlines()
        except PodError as error:
            # The stream has begun: what went wrong is told in it, and a reader that comes again hears it as a status.
            yield f": {' '.join(str(error).split())}\n\n"
            return
        if known is None:
            first = _after(lines, last) if last is not None else max(0, len(lines) - tail)
        else:
            first = _new(known, lines)
        for index in range(first, len(lines)):
            yield _event(lines, index, services.now())
        known = lines
        if not pod.status.holds_compute:
            return
        yield ": \n\n"  # keeps proxies from closing, and finds out whether somebody reads
        await asyncio.sleep(pause)


async def silence() -> AsyncGenerator[str]:
    """Of what the system says of a pod, which is nothing here: its events are told elsewhere."""
    yield ": \n\n"


def _event(lines: Sequence[str], index: int, now: datetime) -> str:
    at = stamp(now)
    said = {"ts": at, "source": "container", "line": lines[index]}
    return f"id: {at}/{_mark(lines, index)}\ndata: {json.dumps(said, ensure_ascii=False)}\n\n"


def _mark(lines: Sequence[str], index: int) -> str:
    """Tells a line by itself and those before it: the engine does not say when it was written."""
    text = "\n".join(lines[max(0, index - _MARKED + 1) : index + 1])
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=6).hexdigest()


def _after(lines: Sequence[str], last: str) -> int:
    """Where to go on after the event of that id: behind the newest line it may be of; at the start when it is gone."""
    wanted = last.rpartition("/")[2]
    return next((index + 1 for index in reversed(range(len(lines))) if _mark(lines, index) == wanted), 0)


def _new(known: Sequence[str], lines: Sequence[str]) -> int:
    """How many of these were there before: the window has moved on by as few lines as can be."""
    for gone in range(len(known) + 1):
        left = known[gone:]
        if lines[: len(left)] == left:
            return len(left)
    return 0
