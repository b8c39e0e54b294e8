"""`make conformance`: both versions of the suite, both eras; ends with one line, and 1 when it is not as expected."""

import asyncio
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path

from mcp.shared.exceptions import MCPDeprecationWarning

from tests.conformance.serving import serving
from tests.conformance.suite import ALL, Suite, expected, run
from tests.outsiders.package import fetch
from tests.second_opinion.package import NotAsked


async def ask(outsiders: Path) -> int:
    """Run all of them one after the other; how much was amiss."""
    amiss, figures = 0, []
    with tempfile.TemporaryDirectory() as room:
        async with serving(Path(room) / "data") as url:
            for number, suite in enumerate(ALL):
                figure, found = await _one(suite, outsiders, url, Path(room) / str(number))
                figures.append(figure)
                amiss += len(found)
                print(*found, sep="\n", end="\n" if found else "")
    print(f"conformance: {'; '.join(figures)}, {amiss} not as in baseline.yaml")
    return amiss


async def _one(suite: Suite, outsiders: Path, url: str, folder: Path) -> tuple[str, list[str]]:
    label, begun = f"{suite.version(outsiders)} for {suite.spec}", time.monotonic()
    outcome = await run(suite, outsiders, url, folder, lambda scenario: print(f"{label}: {scenario}", file=sys.stderr))
    counts = outcome.counts
    more = "".join(f", {counts[status]} {word}" for status, word in _MORE.items() if counts[status])
    figure = f"{label} {counts['SUCCESS']} passed, {counts['FAILURE']} failed{more}"
    print(f"{figure}, {len(outcome.checks)} scenarios in {time.monotonic() - begun:.1f} s", file=sys.stderr)
    return figure, [f"{label}: {sentence}" for sentence in outcome.amiss(expected(label))]


_MORE = {"WARNING": "warned of", "SKIPPED": "skipped"}


def main() -> int:
    """See the module."""
    logging.disable(logging.CRITICAL)
    # The suite asks for what 2026-07-28 has given up.
    warnings.filterwarnings("ignore", category=MCPDeprecationWarning)
    try:
        outsiders = fetch()
    except NotAsked as reason:
        print(f"conformance: {reason}, so the suite was not run")
        return 1
    return 1 if asyncio.run(ask(outsiders)) else 0


if __name__ == "__main__":
    sys.exit(main())
