"""How the suite is judged, without the suite."""

import json
from pathlib import Path
from typing import Any

import yaml
from mcp import Client

from mcp_server.server import build, tools
from tests.conformance.serving import everything
from tests.conformance.suite import ALL, BASELINE, Outcome, Suite, expected, run
from tests.houses import FakeHouse

PINNED = json.loads((Path(__file__).parents[1] / "outsiders" / "package.json").read_text())["dependencies"]


def outcome(announced: int | None = None, **scenarios: str) -> Outcome:
    """An outcome of one check for each scenario, all called `it`."""
    checks = {name: [{"id": "it", "status": status, "errorMessage": "why"}] for name, status in scenarios.items()}
    return Outcome(checks, len(checks) if announced is None else announced)


def test_nothing_is_amiss_when_all_passes() -> None:
    assert list(outcome(ping="SUCCESS", list="INFO").amiss({})) == []


def test_whatever_does_not_pass_is_amiss_unless_the_baseline_says_so() -> None:
    ran = outcome(ping="FAILURE", list="WARNING", call="SKIPPED")
    assert list(ran.amiss({})) == ["FAILURE ping/it: why", "WARNING list/it: why", "SKIPPED call/it: why"]
    assert list(ran.amiss({"WARNING": {"list/it": ""}, "SKIPPED": {"call/it": ""}})) == ["FAILURE ping/it: why"]
    [told, _] = ran.amiss({"WARNING": {"ping/it": "", "list/it": ""}, "SKIPPED": {"call/it": ""}})
    assert told == "FAILURE ping/it: why"


def test_a_line_of_the_baseline_that_is_not_so_any_more_is_amiss() -> None:
    [told] = outcome(ping="SUCCESS").amiss({"WARNING": {"ping/it": ""}})
    assert told == "baseline.yaml says WARNING ping/it, which is not so any more"


def test_scenarios_that_left_no_result_are_amiss() -> None:
    assert list(outcome(announced=2, ping="SUCCESS").amiss({})) == ["of 2 scenarios 1 left a result"]
    assert list(outcome().amiss({})) == ["of 0 scenarios 0 left a result"]


def test_the_baseline_knows_the_pinned_versions_and_no_others_and_gives_reasons() -> None:
    labels = {f"{PINNED[suite.alias].rpartition('@')[2]} for {suite.spec}" for suite in ALL}
    assert yaml.safe_load(BASELINE.read_text()).keys() == labels
    for label in labels:
        for names in expected(label).values():
            assert all(len(reason) > 20 for reason in names.values())


PROGRAM = """
import { mkdirSync, writeFileSync } from "node:fs";
const folder = `${process.argv.at(-1)}/server-tools-list-2026-11-28T03-27-16-532Z`;
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}/checks.json`, JSON.stringify([{ id: "it", status: "SUCCESS" }]));
console.log(`Running all suite (2 scenarios) against ${process.argv[4]}\\n\\n\\n=== Running scenario: tools-list ===`);
"""


async def test_results_are_read_and_scenarios_told(tmp_path: Path) -> None:
    suite = Suite("made-up", "2025-11-25")
    program = suite.program(tmp_path)
    program.parent.mkdir(parents=True)
    program.with_name("package.json").write_text('{"type": "module"}')
    program.write_text(PROGRAM)
    heard: list[str] = []
    ran = await run(suite, tmp_path, "http://127.0.0.1:1/mcp", tmp_path / "results", heard.append)
    assert heard == ["tools-list"]
    assert (ran.checks, ran.announced) == ({"tools-list": [{"id": "it", "status": "SUCCESS"}]}, 2)


async def test_what_the_suite_asks_for_stands_beside_our_tools(home: FakeHouse) -> None:
    server = build(home.house.services)
    everything(server)
    async with Client(server) as client:
        listed: list[Any] = (await client.list_tools()).tools
    ours = [tool.name for tool in tools(home.house.services)]
    assert [tool.name for tool in listed][: len(ours)] == ours
    assert all(tool.name.startswith(("test_", "json_")) for tool in listed[len(ours) :])
