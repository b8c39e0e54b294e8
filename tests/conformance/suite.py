"""One run of the suite: what it said of every scenario, and what of that is not as the baseline says."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.outsiders.package import NODE

BASELINE = Path(__file__).with_name("baseline.yaml")
_PATIENCE = 180
"""Seconds for a run, which takes three."""
_ANNOUNCED = re.compile(r"^Running .* \((\d+) scenarios\)", re.MULTILINE)
_BEGUN = re.compile(r"^=== Running scenario: (\S+) ===$")
_FOLDER = re.compile(r"^server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z$")
_PLAIN = ("SUCCESS", "INFO")

Expected = Mapping[str, Mapping[str, str]]
"""By status, scenario/check and why."""


@dataclass(frozen=True)
class Suite:
    """A version of the suite, for a version of the protocol."""

    alias: str
    """In tests/outsiders/package.json."""
    spec: str

    def program(self, outsiders: Path) -> Path:
        return outsiders / "node_modules" / self.alias / "dist" / "index.js"

    def version(self, outsiders: Path) -> str:
        package = outsiders / "node_modules" / self.alias / "package.json"
        return json.loads(package.read_text())["version"]


ALL = (
    Suite("conformance-stable", "2025-11-25"),
    Suite("conformance-next", "2025-11-25"),
    Suite("conformance-next", "2026-07-28"),
)


@dataclass
class Outcome:
    """What a run said."""

    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """By scenario."""
    announced: int = 0
    """How many scenarios it meant to run."""

    @property
    def counts(self) -> Counter[str]:
        """How many checks ended how."""
        return Counter(check["status"] for checks in self.checks.values() for check in checks)

    def amiss(self, expected: Expected) -> Iterator[str]:
        """A sentence for all that is not as expected."""
        if not self.announced or self.announced != len(self.checks):
            yield f"of {self.announced} scenarios {len(self.checks)} left a result"
        found = {
            (check["status"], f"{scenario}/{check['id']}"): check.get("errorMessage") or check.get("description")
            for scenario, checks in self.checks.items()
            for check in checks
            if check["status"] not in _PLAIN
        }
        known = {(status, name) for status, names in expected.items() for name in names}
        for (status, name), message in found.items():
            if (status, name) not in known:
                yield f"{status} {name}: {message}"
        for status, name in sorted(known - found.keys()):
            yield f"baseline.yaml says {status} {name}, which is not so any more"


def expected(label: str) -> Expected:
    """What the baseline says of a run; KeyError when it says nothing, not even that all passes."""
    return yaml.safe_load(BASELINE.read_text())[label]


async def run(suite: Suite, outsiders: Path, url: str, folder: Path, tell: Callable[[str], None]) -> Outcome:
    """Run all server scenarios; `tell` hears which one is under way."""
    words = ["server", "--url", url, "--suite", "all", "--spec-version", suite.spec, "--output-dir", str(folder)]
    process = await asyncio.create_subprocess_exec(
        NODE, suite.program(outsiders), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(_PATIENCE):
            async for line in process.stdout:
                said.append(line.decode(errors="replace"))
                if begun := _BEGUN.match(said[-1]):
                    tell(begun[1])
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    announced = _ANNOUNCED.search("".join(said))
    assert announced is not None, "".join(said)
    return Outcome(_read(folder), int(announced[1]))


def _read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    checks: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*/checks.json")):
        name = _FOLDER.match(file.parent.name)
        assert name is not None, file
        checks[name["scenario"]] = json.loads(file.read_text())
    return checks
