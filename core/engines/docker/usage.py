"""The Docker engine's meter: what a pod uses of what it was given, averaged from look to look."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.engines.base import Usage
from core.engines.docker.client import Client, Refused, section
from core.engines.docker.nvml import Marks, Nvml
from core.model import Pod

_AT_ONCE = 32
SHORTEST = 1_000_000_000
"""Nanoseconds of an average. A container's CPU is dealt out in periods of 100 ms: less time says little."""


@dataclass(frozen=True)
class CpuSample:
    """The counters at one moment, in nanoseconds of CPU time."""

    used: int
    """By the container."""
    elapsed: int
    """By the whole machine, idle or not, over its cores: a clock that nobody sets."""


@dataclass(frozen=True)
class _Seen:
    """What is remembered of a container since it was started."""

    life: str
    last: CpuSample | None = None
    before: CpuSample | None = None
    """The one before `last`, at least `SHORTEST` earlier."""
    marks: Marks = field(default_factory=dict[str, int])


class Meter:
    """Reads shares, and remembers for each pod that runs what the counters were."""

    def __init__(self, client: Client, nvml: Nvml) -> None:
        self._client = client
        self._nvml = nvml
        self._seen: dict[str, _Seen] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def forget(self, pod_id: str) -> None:
        """The pod does not run any more."""
        self._seen.pop(pod_id, None)

    async def read(self, pod: Pod, container: Mapping[str, Any]) -> Usage:
        """The shares of the pod that runs in this container, as `docker inspect` tells of it."""
        life = f"{container['Id']} {container['State']['StartedAt']}"  # its counters begin anew when it is restarted
        seen = self._seen.get(pod.id)
        if seen is None or seen.life != life:
            seen = _Seen(life)
        stats = await self._stats(container["Id"], pair=seen.last is None)
        now = cpu_sample(section(stats, "cpu_stats"))
        if now is None:  # it has ended since
            self.forget(pod.id)
            return Usage()
        before, last = window(seen.before, seen.last or cpu_sample(section(stats, "precpu_stats")), now)
        gpu, marks = await self._nvml.busiest(pod.gpus, seen.marks) if pod.gpus else (None, seen.marks)
        self._seen[pod.id] = _Seen(life, last, before, marks)
        return Usage(
            cpu=cpu_share(before, now, pod.spec.cpu), memory=memory_share(section(stats, "memory_stats")), gpu=gpu
        )

    async def _stats(self, ref: str, *, pair: bool) -> Mapping[str, Any]:
        """One look at the counters; with `pair` the daemon takes two, a second apart. Empty when it is gone."""
        params = {"stream": False} if pair else {"stream": False, "one-shot": True}
        async with self._slots:
            try:
                return await self._client.call("GET", f"containers/{ref}/stats", params=params)
            except Refused as error:
                if error.status in (404, 409):  # gone, or being removed
                    return {}
                raise


def cpu_sample(stats: Mapping[str, Any]) -> CpuSample | None:
    """From the `cpu_stats` of `docker stats`; None when the container does not run, or was not looked at."""
    machine, cores = stats.get("system_cpu_usage"), stats.get("online_cpus") or 1
    return CpuSample(stats["cpu_usage"]["total_usage"], machine // cores) if machine else None


def window(before: CpuSample | None, last: CpuSample | None, now: CpuSample) -> tuple[CpuSample | None, CpuSample]:
    """From where to average up to `now`, and the look to go on from.

    A look too soon after the last one goes on with that one's average, and is not remembered.
    """
    if last is not None and now.elapsed - last.elapsed < SHORTEST:
        return before or last, last
    return last, now


def cpu_share(before: CpuSample | None, now: CpuSample, cpus: float) -> float | None:
    """The average share of `cpus` vCPUs between two samples; None when they do not tell."""
    if before is None or now.elapsed <= before.elapsed:
        return None
    return _share((now.used - before.used) / (now.elapsed - before.elapsed) / cpus)


def memory_share(stats: Mapping[str, Any]) -> float | None:
    """The share of the memory limit, from the `memory_stats` of `docker stats`."""
    used, limit = stats.get("usage"), stats.get("limit")
    if used is None or not limit:
        return None
    detail = section(stats, "stats")
    # As `docker stats` does: file cache that can be dropped is not use. The first name is cgroup v1's.
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return _share((used - cache) / limit)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
