"""A pod's output as Server-Sent Events: what there is, then what comes, until the pod is at rest or nobody reads."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import NamedTuple

from core.errors import PodError
from core.model import Caller, Line
from core.service import Services

WINDOW = 5000
"""Lines looked at each time; more than these in a second are cut."""
PAUSE = 1.0
"""Seconds between two looks."""
_MARK = re.compile(r"(.+?)(?:/([0-9]{1,6}))?", re.ASCII)


class Mark(NamedTuple):
    """How far somebody has read."""

    at: datetime
    many: int
    """Lines of that very time that they have."""

    @property
    def id(self) -> str:
        """As the contract has it, the time; and which line of that time, where it is not the first."""
        return _stamp(self.at) + (f"/{self.many}" if self.many > 1 else "")

    @classmethod
    def read(cls, text: str) -> "Mark | None":
        """Of an event's id; None when it is none of ours."""
        found = _MARK.fullmatch(text.strip())
        at = moment(found[1]) if found is not None else None
        return cls(at, int(found[2] or 1)) if found is not None and at is not None else None


def moment(text: str) -> datetime | None:
    """Of RFC 3339; None when it is no time."""
    # A plus sign that was not escaped in an address comes as a space.
    clean = text.strip().replace(" ", "+")
    try:
        at = datetime.fromisoformat(clean)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC) if "T" in clean else None
    except (ValueError, OverflowError):
        return None


async def events(
    services: Services, who: Caller, pod_id: str, tail: int, mark: Mark | None, pause: float = PAUSE
) -> AsyncGenerator[str]:
    """One event for each line. `mark`: how far the reader is, which goes before `tail`."""
    while True:
        try:
            pod = await services.pods.get(who, pod_id)
            lines = await services.pods.lines(who, pod.id, WINDOW, mark.at if mark is not None else None)
        except PodError as error:
            # The stream has begun: what went wrong is told in it, and a reader that comes again hears it as a status.
            yield f": {' '.join(str(error).split())}\n\n"
            return
        first = len(lines) - tail
        for place, (line, now) in enumerate(_marked(lines)):
            if mark is None and place < first:
                continue
            if mark is None or now > mark:
                yield _event(line, now)
        if lines:
            mark = max(mark or _marked(lines)[-1][1], _marked(lines)[-1][1])
        tail = WINDOW
        if not pod.status.holds_compute:
            return
        yield ": \n\n"  # keeps proxies from closing, and finds out whether somebody reads
        await asyncio.sleep(pause)


async def silence() -> AsyncGenerator[str]:
    """Of what the system says of a pod, which is nothing here: its events are told elsewhere."""
    yield ": \n\n"


def _marked(lines: tuple[Line, ...]) -> list[tuple[Line, Mark]]:
    """Each with its mark, which are in order."""
    found: list[tuple[Line, Mark]] = []
    before = Mark(datetime.fromtimestamp(0, UTC), 0)
    for line in lines:
        # Two streams are written at once, and one line may overtake another.
        at = max(line.at, before.at)
        before = Mark(at, before.many + 1 if at == before.at else 1)
        found.append((line, before))
    return found


def _event(line: Line, mark: Mark) -> str:
    said = {"ts": _stamp(mark.at), "source": "container", "line": line.text}
    return f"id: {mark.id}\ndata: {json.dumps(said, ensure_ascii=False)}\n\n"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
