"""The bench's entry: `python -m scripts.bench` measures everything, prints it and writes docs/benchmarks.md.

`python -m scripts.bench NAME…` measures these groups only, and writes nothing.
"""

import asyncio
import logging
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from core.gateway.process import find_envoy, short_version, version
from scripts.bench import acks, clouds, doors, homes, lists, proxies, routes, sessions, starts, ticks, wakes, weight
from scripts.bench.figures import Section
from tests.parts import docker

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
GROUPS: dict[str, Callable[[], Awaitable[list[Section]]]] = {
    "starts": lambda: starts.measure(30, 30),
    "wakes": lambda: wakes.measure(18, 200),
    "routes": lambda: routes.measure(200),
    "proxies": lambda: proxies.measure(6),
    "ticks": lambda: ticks.measure(),
    "acks": lambda: acks.measure(200, 10),
    "homes": lambda: homes.measure(20),
    "weight": lambda: weight.measure(1000),
    "lists": lambda: lists.measure(100),
    "doors": lambda: doors.measure(100),
    "clouds": lambda: clouds.measure(100),
    "sessions": lambda: sessions.measure(1000),
}
_TEXT = """# Benchmarks

Written by `make bench` on {date}, in {seconds} seconds. {cores} cores ({processor}), Linux {kernel}, {engine},
Envoy {envoy}, Python {python}.

A figure and its baseline come from the same run and take turns. `p50 / p90 / p99`: so many hundredths of the samples
are not above it. All traffic stays on this machine, and clients share its cores with what they measure.

{sections}"""


async def _measure(names: list[str]) -> list[Section]:
    sections: list[Section] = []
    for name in names:
        found = await GROUPS[name]()
        print(*found, sep="\n", flush=True)
        sections += found
    return sections


async def _versions() -> dict[str, str]:
    engine = docker("version", "--format", "{{.Server.Version}}")
    return {"engine": f"Docker Engine {engine}", "envoy": short_version(await version(find_envoy(None)))}


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def main() -> None:
    """Measure and print; write the page when all was measured."""
    logging.basicConfig(level=logging.WARNING)  # first: the MCP SDK would set up a log of its own, in colours
    names = sys.argv[1:]
    if unknown := set(names) - set(GROUPS):
        sys.exit(f"There is no group {', '.join(sorted(unknown))}. There are: {', '.join(GROUPS)}.")
    begun = time.monotonic()
    sections = asyncio.run(_measure(names or list(GROUPS)))
    if names:
        return
    page = _TEXT.format(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        cores=os.cpu_count(),
        processor=_processor(),
        kernel=platform.release(),
        python=platform.python_version(),
        seconds=round(time.monotonic() - begun),
        sections="\n".join(str(section) for section in sections),
        **asyncio.run(_versions()),
    )
    PAGE.write_text(page)
    print(f"Written to {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")


if __name__ == "__main__":
    main()
