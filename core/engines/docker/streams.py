"""The Docker engine's readings of a running container: its logs as text, its statistics as shares."""

import struct
from collections.abc import Mapping
from typing import Any

from core.engines.base import Usage
from core.engines.docker.client import section

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


def usage(stats: Mapping[str, Any], cpus: float) -> Usage:
    """The shares in one `docker stats` sample, of `cpus` vCPUs and of the memory limit."""
    now, before = section(stats, "cpu_stats"), section(stats, "precpu_stats")
    return Usage(cpu=_cpu(now, before, cpus), memory=_memory(section(stats, "memory_stats")))


def _cpu(now: Mapping[str, Any], before: Mapping[str, Any], cpus: float) -> float | None:
    system, system_before = now.get("system_cpu_usage"), before.get("system_cpu_usage")
    if not system or not system_before or system <= system_before:
        return None  # not running, or the first of its samples
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    cores = now.get("online_cpus") or 1
    return _share(used / (system - system_before) * cores / cpus)


def _memory(stats: Mapping[str, Any]) -> float | None:
    used, limit = stats.get("usage"), stats.get("limit")
    if used is None or not limit:
        return None
    detail = section(stats, "stats")
    # As `docker stats` does: file cache that can be dropped is not use. The first name is cgroup v1's.
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return _share((used - cache) / limit)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
