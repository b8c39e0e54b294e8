"""The bench's ticks: what a look of the reaper at thousands of pod ports costs, and how much memory they take."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import Any

from scripts.bench.figures import Row, Samples, Section, number, table

COUNTS = (10, 1000, 10_000)
LIMITS = {50: 500.0}
_WORDS = {"none": "nothing has changed", "tenth": "a tenth has had a request", "all": "each has had a request"}
_TICKS = """
CPU of the service's process (all threads) for one `Reaper.tick`, and the rows that it writes. Two ports a pod; real
Envoy, store (SQLite) and verdict, and a fake engine, which is not asked. The baseline is the same tick with a tenth of
the pod ports; both have been running for some ticks.
"""
_MEMORY = """
Resident memory after traffic on every port. The service is the core in a process of its own, without Slack and MCP.
"""


async def measure() -> list[Section]:
    """One house after the other, so that none shares the machine with another."""
    found = {count: await _crowd(count) for count in COUNTS}
    *_, few, many = COUNTS
    rows = [_row(kind, many, found[many], few, found[few]) for kind in _WORDS]
    lines = [
        (words, *(f"{found[count]['memory'][part] / 2**20:,.0f}" for count in COUNTS))
        for part, words in (("ours", "service"), ("envoy", "Envoy"))
    ]
    lines.append(("seconds to open it", *(number(found[count]["opened"]) for count in COUNTS)))
    head = ("memory in MiB", *(f"{count:,} pod ports" for count in COUNTS))
    ticks = Section.of_rows("A tick of the reaper", rows, _TICKS)
    return [ticks, Section("Memory", table(head, lines), _MEMORY)]


def _row(kind: str, many: int, found: dict[str, Any], few: int, base: dict[str, Any]) -> Row:
    name = f"a tick over {many:,} pod ports, {_WORDS[kind]} ({found['rows'][kind]:,} rows written)"
    measured = Samples.of_seconds(name, found["costs"][kind])
    baseline = Samples.of_seconds(f"{few:,} pod ports ({base['rows'][kind]:,} rows)", base["costs"][kind])
    return Row(measured, baseline, limits=LIMITS)


async def _crowd(count: int) -> dict[str, Any]:
    words = (sys.executable, "-m", "scripts.bench.crowd", str(count))
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, f"the house with {count:,} pod ports failed"
    return json.loads(out)
