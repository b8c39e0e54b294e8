"""Bad input at the MCP door: each gets a sentence that names the field or the next tool, and nothing leaks."""

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from mcp import Client

from core.engines.fake import FakeEngine
from core.errors import BalanceUsedUp
from core.model import Volume
from core.templates import Catalog
from mcp_server.server import build
from tests.houses import FakeHouse, fake_house
from tests.mcp_server.conftest import ERAS, Opener, Person, data, refusal

LONG = "x" * 10_000
CONTROL = "a\x00b\x1b[31m\r\nc"


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("pod_start", {"template": "helo"}, ["hello", "template_list"]),
        ("pod_start", {"template": LONG}, ["template:", "63", "pod_start"]),
        ("pod_start", {"template": CONTROL}, ["No template", "template_list"]),
        ("pod_start", {}, ["template:", "required"]),
        ("pod_start", {"template": "hello", "name": "Bad Name"}, ["name:", "lowercase", "pod_start"]),
        ("pod_start", {"template": "hello", "memory": "10XB"}, ["memory:", "512m"]),
        ("pod_start", {"template": "hello", "memory": LONG}, ["memory:"]),
        ("pod_start", {"template": "hello", "cpu": 0}, ["cpu:", "0.01"]),
        ("pod_start", {"template": "hello", "cpu": "many"}, ["cpu:", "number"]),
        ("pod_start", {"template": "hello", "gpu": "A100:2"}, ["pod_start"]),
        ("pod_start", {"template": "hello", "idle": "soon"}, ["idle:", "30m"]),
        ("pod_start", {"template": "hello", "idle": "1e9h"}, ["idle:", "30m"]),
        ("pod_start", {"template": "hello", "idle": "10m", "warning": "11m"}, ["warning:", "10m", "pod_start"]),
        ("pod_start", {"template": "hello", "warning": "5"}, ["warning:", "Did you mean 5m?"]),
        ("pod_start", {"template": "hello", "lifetime": "-1m"}, ["lifetime:", "'-1m'"]),
        ("pod_start", {"template": "hello", "ignore": ["health"]}, ["ignore:", "'health'", "agent:UptimeRobot"]),
        ("pod_start", {"template": "hello", "ignore": ["/a b"]}, ["ignore.paths:", "/health"]),
        ("pod_start", {"template": "hello", "ignore": ["agent:"]}, ["ignore:", "'agent:'"]),
        ("pod_start", {"template": "hello", "ignore": ["method:\u0661"]}, ["ignore.methods:", "HEAD"]),
        ("pod_start", {"template": "hello", "ignore": "/health"}, ["ignore:", "list"]),
        ("pod_start", {"template": "hello", "ignore": [LONG]}, ["ignore.0:", "210"]),
        ("pod_start", {"template": "hello", "ignore": ["/x"] * 51}, ["ignore:", "50"]),
        ("pod_start", {"template": "hello", "wake": "maybe"}, ["wake:", "'auto', 'button' or 'off'"]),
        ("pod_start", {"template": "hello", "wait_seconds": 301}, ["wait_seconds:", "300"]),
        ("pod_start", {"template": "hello", "wait_seconds": "long"}, ["wait_seconds:", "integer"]),
        ("pod_start", {"template": "hello", "env": {"A B": "1"}}, ["env:", "'A B'"]),
        ("pod_start", {"template": "hello", "env": {"PODKEEPER_POD_ID": "1"}}, ["env:", "PODKEEPER_POD_ID"]),
        ("pod_start", {"template": "hello", "env": {"A": 1}}, ["env.A:", "string"]),
        ("pod_start", {"template": "hello", "memmory": "8g"}, ["memmory", "memory", "Allowed"]),
        ("pod_get", {"pod": "nope"}, ["No pod", "pod_list"]),
        ("pod_get", {"pod": LONG}, ["pod:", "63"]),
        ("pod_get", {"pod": CONTROL}, ["No pod", "pod_list"]),
        ("pod_get", {"pod": ""}, ["Which pod?", "pod_get"]),
        ("pod_get", {"pod": "nope", "timeout": -1}, ["timeout:", "0"]),
        ("pod_get", {"pod": "nope", LONG: 1}, ["no such argument", "Allowed: pod, wait_for"]),
        ("pod_logs", {"pod": "nope", "tail": 1001}, ["tail:", "1000"]),
        ("pod_list", {"limit": 0}, ["limit:", "1"]),
        ("pod_stop", {"pod": "nope"}, ["pod_list"]),
        ("pod_resume", {"pod": "nope"}, ["pod_list"]),
        ("pod_restart", {"pod": "nope"}, ["pod_list"]),
        ("pod_terminate", {"pod": "nope"}, ["pod_list"]),
        ("pod_why", {}, ["pod:", "required"]),
        ("pod_why", {"pod": "nope"}, ["No pod", "pod_list"]),
        ("pod_why", {"pod": LONG}, ["pod:", "63"]),
        ("pod_keep", {"pod": "nope"}, ["duration:", "required"]),
        ("pod_keep", {"pod": "nope", "duration": "2h"}, ["No pod", "pod_list"]),
        ("pod_keep", {"pod": "nope", "duration": LONG}, ["duration:", "20"]),
        ("pod_keep", {"pod": "nope", "duration": 30}, ["duration:", "string"]),
        ("pod_expose", {"pod": "nope"}, ["port:", "required"]),
        ("pod_expose", {"pod": "nope", "port": "8888"}, ["No pod", "pod_list"]),
        ("pod_expose", {"pod": "nope", "port": LONG}, ["port:", "20"]),
        ("pod_unexpose", {"pod": "", "port": "8888"}, ["Which pod?", "pod_unexpose"]),
        ("volume_create", {"name": "../up"}, ["name:", "volume_create"]),
        ("volume_create", {"name": "v", "size": "big"}, ["size:"]),
        ("nothing", {}, ["Unknown tool"]),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
async def test_bad_input(
    opened: Opener, home: FakeHouse, tool: str, arguments: dict[str, Any], words: list[str]
) -> None:
    async with opened() as client:
        said = refusal(await client.call_tool(tool, arguments))
        assert data(await client.call_tool("pod_list"))["total"] == 0
    for word in words:
        assert word in said
    assert len(said) < 700
    assert said.isprintable()
    assert "Error executing tool" not in said
    assert "pydantic" not in said


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("pod_keep", {"duration": "30"}, ["keep:", "Did you mean 30m?", "pod_keep"]),
        ("pod_keep", {"duration": "-1m"}, ["keep:", "'-1m'", "30m"]),
        ("pod_keep", {"duration": "1e9h"}, ["keep:", "'1e9h'"]),
        ("pod_keep", {"duration": "٣٠m"}, ["keep:", "not a duration"]),
        ("pod_keep", {"duration": ""}, ["keep:"]),
        ("pod_keep", {"duration": "31d"}, ["keep:", "at most 30d"]),
        ("pod_expose", {"port": "http"}, ["port:", "8888/http", "pod_expose"]),
        ("pod_expose", {"port": "0"}, ["port:", "65535"]),
        ("pod_expose", {"port": "65536/tcp"}, ["port:", "65535"]),
        ("pod_expose", {"port": "-1"}, ["port:", "65535"]),
        ("pod_expose", {"port": "٨٨٨٨"}, ["port:", "65535"]),
        ("pod_expose", {"port": "8888/udp"}, ["port:", "22/tcp"]),
        ("pod_expose", {"port": "8080/tcp"}, ["8080", "Unexpose it first", "pod_get"]),
        ("pod_expose", {"port": "22/tcp"}, ["PODKEEPER_TCP_PORTS"]),
        ("pod_unexpose", {"port": "9999"}, ["9999", "It has: 8080/http", "pod_unexpose"]),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
async def test_what_a_running_pod_is_asked_wrongly(
    opened: Opener, home: FakeHouse, tool: str, arguments: dict[str, Any], words: list[str]
) -> None:
    before = await home.started()
    async with opened() as client:
        said = refusal(await client.call_tool(tool, {"pod": before.name, **arguments}))
    for word in words:
        assert word in said
    assert len(said) < 700
    assert await home.after(before) == before


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("pod_keep", {"duration": "2h"}), ("pod_expose", {"port": "9"}), ("pod_unexpose", {"port": "8080"})],
)
async def test_what_comes_too_late_says_so(
    opened: Opener, home: FakeHouse, tool: str, arguments: dict[str, str]
) -> None:
    pod = await home.started()
    async with opened(asked=Person()) as client:
        await client.call_tool("pod_stop", {"pod": pod.id})
        for status in ("EXITED", "TERMINATED"):
            said = refusal(await client.call_tool(tool, {"pod": pod.id, **arguments}))
            assert status in said
            assert "pod_get" in said
            await client.call_tool("pod_terminate", {"pod": pod.id})


async def test_an_ambiguous_pod_lists_the_candidates(opened: Opener, home: FakeHouse) -> None:
    first, second = await home.started(), await home.started()
    async with opened() as client:
        said = refusal(await client.call_tool("pod_stop", {"pod": "hello"}))
    assert first.id in said
    assert second.id in said


async def test_where_no_credit_is_left_nothing_is_to_be_stopped_for_it(tmp_path: Path) -> None:
    class Broke(FakeEngine):
        async def create_volume(self, volume: Volume) -> None:
            raise BalanceUsedUp("The balance is used up.")

    async with (
        fake_house(tmp_path / "data", engine=Broke()) as home,
        Client(build(home.house.services), mode="auto") as client,
    ):
        told = refusal(await client.call_tool("volume_create", {"name": "data", "size": "1g"}))
        assert told.endswith("The balance is used up. Do not try again; tell the user.")


async def test_a_full_quota_says_what_to_stop(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=1) as home:
        await home.started()
        for mode in ERAS.values():
            async with Client(build(home.house.services), mode=mode) as client:
                said = refusal(await client.call_tool("pod_start", {"template": "hello"}))
            assert "pod_list" in said
            assert "pod_stop" in said


async def test_an_engine_that_is_away(opened: Opener, home: FakeHouse) -> None:
    home.engine.down = True
    async with opened() as client:
        said = refusal(await client.call_tool("pod_start", {"template": "hello"}))
        assert "does not answer" in said
        assert "in a minute" in said


async def test_a_name_that_is_taken(opened: Opener, home: FakeHouse) -> None:
    await home.started(name="mine")
    async with opened() as client:
        said = refusal(await client.call_tool("pod_start", {"template": "hello", "name": "mine"}))
    assert "another name" in said


@pytest.mark.parametrize("mode", ERAS.values(), ids=ERAS)
async def test_a_bug_of_ours_shows_a_reference_only(
    home: FakeHouse, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    # A catalog that is none stands for any bug inside.
    broken = replace(home.house.services, templates=cast(Catalog, None))
    async with Client(build(broken), mode=mode) as client:
        with caplog.at_level(logging.ERROR):
            said = refusal(await client.call_tool("template_list"))
        assert data(await client.call_tool("pod_list"))["total"] == 0
    found = re.search(r"reference ([0-9a-f]{8})", said)
    assert found is not None
    assert "NoneType" not in said
    assert "Traceback" not in said
    [record] = [record for record in caplog.records if record.name == "podkeeper.mcp"]
    assert found[1] in record.getMessage()
    assert record.exc_info is not None
    assert "NoneType" in str(record.exc_info[1])
