"""The Docker engine's logs: both streams of a container as lines with their times."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime

from core.model import Line

_HEADER = struct.Struct(">BxxxL")
_UNKNOWN = datetime.fromtimestamp(0, UTC)


def lines(raw: bytes) -> tuple[Line, ...]:
    """What `docker logs --timestamps` tells, in the order it was written.

    Each frame is one entry of the log: its time and its text. Docker cuts a line of more than 16 kB into several, of
    which only the last one ends it; the line has the time of that, so that one which has grown since is a later one.
    """
    found: list[Line] = []
    begun: dict[int, tuple[datetime, bytes]] = {}
    for stream, frame in _frames(raw):
        at, text = _parted(frame)
        _, before = begun.pop(stream, (at, b""))
        if text.endswith(b"\n"):
            found.append(_line(at, before + text))
        else:
            begun[stream] = (at, before + text)
    return (*found, *(_line(at, text) for at, text in begun.values()))


def _frames(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(raw):
        stream, length = _HEADER.unpack_from(raw, at)
        at += _HEADER.size
        yield stream, raw[at : at + length]
        at += length


def _parted(frame: bytes) -> tuple[datetime, bytes]:
    stamp, _, text = frame.partition(b" ")
    try:
        return datetime.fromisoformat(stamp.decode()), text
    except ValueError:
        return _UNKNOWN, frame


def _line(at: datetime, text: bytes) -> Line:
    return Line(at, text.decode(errors="replace").rstrip("\r\n"))
