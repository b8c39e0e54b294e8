"""The bench's cloud: how often RunPod is asked with many pods, and what the engine adds to a request."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx

from core.engines.runpod import Pace, RunPodEngine
from core.model import Caller, Pod, Status
from scripts.bench.figures import Row, Samples, Section, number, table
from tests.e2e.parts import TOKEN
from tests.runpod.cloud import PROXY, Cloud, cloud
from tests.runpod.parts import account

COUNTS = (10, 100, 1_000)
WINDOW = 60.0
"""Seconds: two ticks of the reaper, one of the reconciler."""
_HOURLY = """
Pods that run and are not used, with the usual pace: a reaper tick each 30 s, the reconciler each minute, a look for
pods that have ended each 20 s; counted for {window:.0f} s between the two Podkeepers. RunPod's contract gives 60 a
minute as an example of a quota. A start asks for a list each 5 s as well, however many wait.
"""
_OVERHEAD = """
Over a kept connection to a Podkeeper's own `/v2` with engine and gateway faked, one call at a time, in turn with the
same request by httpx alone and its JSON read.
"""


async def measure(times: int) -> list[Section]:
    """Both of them."""
    lines = [(f"{count:,}", number(each)) for count, each in zip(COUNTS, await _minutes(), strict=True)]
    rows: list[Row] = []
    for count in COUNTS[:2]:
        rows += await _overhead(count, times)
    hourly = Section(
        "Requests to RunPod", table(("pods that run", "requests a minute"), lines), _HOURLY.format(window=WINDOW)
    )
    return [hourly, Section.of_rows("The RunPod engine", rows, _OVERHEAD)]


async def _minutes() -> list[float]:
    """Requests a minute, of each count; all of them in the same window."""
    async with AsyncExitStack() as stack:
        skies: list[Cloud] = []
        for count in COUNTS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pk-bench-")))
            every = timedelta(seconds=30)
            opened = cloud(folder, pace=Pace(), reaper_interval=every, max_pods_per_user=count)
            skies.append(await stack.enter_async_context(opened))
            await _fill(skies[-1], count)
        before = [sky.proxy.asked.total() for sky in skies]
        await asyncio.sleep(WINDOW)
        after = [sky.proxy.asked.total() for sky in skies]
        assert [len(await sky.run_there()) for sky in skies] == list(COUNTS)
    return [(now - then) * 60 / WINDOW for then, now in zip(before, after, strict=True)]


async def _fill(sky: Cloud, count: int) -> None:
    begun = [await sky.begun() for _ in range(count)]
    me: Caller = await sky.me()
    ended: list[Pod] = [await sky.pods.settled(me, pod.id, 300) for pod in begun]
    assert {pod.status for pod in ended} == {Status.RUNNING}


async def _overhead(count: int, times: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        async with cloud(Path(folder), pace=replace(Pace(), looks=0.5), max_pods_per_user=count) as sky:
            await _fill(sky, count)
            url = sky.behind
            engine = RunPodEngine(account(url, PROXY), pace=replace(Pace(), looks=0.0, stale=0.0))
            await engine.open(sky.installation)
            pod = (await sky.pods.list(await sky.me()))[0]
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with httpx.AsyncClient(base_url=f"{url}/v2", headers=headers, trust_env=False) as http:

                async def bare(path: str) -> None:
                    (await http.get(path)).raise_for_status().json()

                lists = await _compare(times, engine.list, lambda: bare("/pods"))
                shares = await _compare(times, lambda: engine.usage(pod), lambda: bare("/pods"))
            await engine.close()
    return [
        _row(f"`list`, {count:,} pods", lists),
        _row(f"`usage` of one of {count:,} pods, by a list of its own", shares),
    ]


async def _compare(
    times: int, ours: Callable[[], Awaitable[object]], bare: Callable[[], Awaitable[object]]
) -> tuple[list[float], list[float]]:
    mine: list[float] = []
    theirs: list[float] = []
    for _ in range(times):
        for call, kept in ((ours, mine), (bare, theirs)):
            begun = time.perf_counter()
            await call()
            kept.append(time.perf_counter() - begun)
    return mine, theirs


def _row(what: str, took: tuple[list[float], list[float]]) -> Row:
    mine, theirs = took
    return Row(Samples.of_seconds(what, mine), Samples.of_seconds("httpx alone", theirs))
