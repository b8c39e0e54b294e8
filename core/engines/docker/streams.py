"""The Docker engine's logs: both streams of a container as one text."""

import struct

_HEADER = struct.Struct(">BxxxL")


def demultiplex(raw: bytes) -> str:
    """Both streams of `docker logs` as one text, in the order they were written."""
    parts: list[bytes] = []
    at = 0
    while at + _HEADER.size <= len(raw):
        _, length = _HEADER.unpack_from(raw, at)
        at += _HEADER.size
        parts.append(raw[at : at + length])
        at += length
    return b"".join(parts).decode(errors="replace")
