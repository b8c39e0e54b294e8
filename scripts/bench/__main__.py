"""The bench's entry: `python -m scripts.bench` measures, prints the table and writes docs/benchmarks.md."""

import asyncio
import logging
import os
import platform
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from scripts.bench import acks, lists, routes, starts
from scripts.bench.figures import Row, table

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PAIRS, ROUTES, TIMES = 30, 30, 200
_TEXT = """# Benchmarks

Written by `make bench` on {date}, in {seconds} seconds. {cores} cores ({processor}), Linux {kernel}, {versions},
Python {python}.

{table}
A figure and its baseline come from the same run and take turns. `p50 / p90`: half and nine tenths of the samples are
not above it. All traffic stays on this machine, and clients share its cores with what they measure.

- *Start of a pod*: from `PodService.start` to the first answer of the pod at its address. The baseline is the `docker
  run` command with the same image, limits and kind of network, to the first answer on the container's address. Both are
  asked every 3 ms once the container runs, and both are mostly the Docker Engine starting a container. The
  command's own start-up, which a pod does not have, is in the baseline.
- *Container's first answer to the first one through the gateway*: what readiness check, rows and route add.
- *Gateway*: two Envoys run at once, one with 10 live pod ports and one with 1,000, and take turns.
- *Slash command*: over our double of Slack, so without the way to Slack and back. The baseline is a Bolt app whose only
  handler acknowledges.
- *`pod_list`*: over streamable HTTP, with our own client, on SQLite, with engine and gateway faked. The baseline is a
  tool without arguments that answers one field, behind the same token.
"""


async def _measure() -> tuple[list[Row], list[str]]:
    rows, sentences = await starts.measure(PAIRS, ROUTES)
    for part in (routes, acks, lists):
        rows += await part.measure(TIMES)
    return rows, sentences


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _version(sentence: str) -> str:
    """`Docker Engine 27.1`, of `House.describe`'s sentence."""
    found = re.match(r"\D*\d\S*", sentence)
    return found[0] if found is not None else sentence


def main() -> None:
    """Measure, write, print."""
    logging.basicConfig(level=logging.WARNING)  # first: the MCP SDK would set up a log of its own, in colours
    begun = time.monotonic()
    rows, sentences = asyncio.run(_measure())
    page = _TEXT.format(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        cores=os.cpu_count(),
        processor=_processor(),
        kernel=platform.release(),
        versions=", ".join(_version(sentence) for sentence in sentences),
        python=platform.python_version(),
        seconds=round(time.monotonic() - begun),
        table=table(rows),
    )
    PAGE.write_text(page)
    print(table(rows))
    print(f"Written to {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")


if __name__ == "__main__":
    main()
