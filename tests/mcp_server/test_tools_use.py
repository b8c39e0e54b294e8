"""The tools about a pod's use, its login and its life after the end, in both protocol eras."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp import Client

from core.model import Pod, Status
from mcp_server.server import build
from tests.houses import FakeHouse, fake_house
from tests.mcp_server.conftest import Opener, Person, data, text

OPTIONS = {
    "idle": "20m",
    "warning": "2m",
    "lifetime": "12h",
    "ignore": ["/health", "agent:UptimeRobot", "method:HEAD"],
    "wake": "auto",
}


async def test_the_rules_of_a_pod_arrive_and_are_shown(opened: Opener, home: FakeHouse) -> None:
    async with opened() as client:
        pod = data(await client.call_tool("pod_start", {"template": "hello", **OPTIONS}))
        plain = data(await client.call_tool("pod_start", {"template": "hello"}))
    assert (pod["idle_timeout"], pod["idle_warning"], pod["idle_action"]) == ("20m", "2m", "stop")
    assert (pod["max_lifetime"], pod["wake"], pod["hint"]) == ("12h", "auto", None)
    assert pod["ignore"] == OPTIONS["ignore"]
    assert (plain["ignore"], plain["max_lifetime"], plain["wake"], plain["keep_until"]) == (None, None, None, None)


async def test_rules_that_ignore_everything_are_taken_and_told(opened: Opener) -> None:
    async with opened() as client:
        pod = data(await client.call_tool("pod_start", {"template": "hello", "ignore": ["/"]}))
        assert (pod["ignore"], "match every request" in pod["hint"]) == (["/"], True)
        assert "match every request" in text(await client.call_tool("pod_why", {"pod": pod["id"]}))


async def test_a_promise_moves_the_end_and_can_be_taken_back(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    async with opened() as client:
        kept = data(await client.call_tool("pod_keep", {"pod": pod.name, "duration": "2h"}))
        assert (kept["keep_until"], kept["stops_at"]) == ("2026-11-24T16:00:00Z", "2026-11-24T16:00:00Z")
        assert kept["kept_by"] == pod.owner_name
        assert "kept by" in text(await client.call_tool("pod_why", {"pod": pod.name}))
        back = data(await client.call_tool("pod_keep", {"pod": pod.name, "duration": "0"}))
        assert (back["keep_until"], back["kept_by"], back["stops_at"]) == (None, None, "2026-11-24T14:30:00Z")


async def test_a_warning_is_shown_with_what_to_do_and_a_promise_withdraws_it(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started(await home.member())
    await home.tick()  # sees the probes of the start
    home.clock.forward(minutes=28)
    await home.tick()
    async with opened() as client:
        warned = data(await client.call_tool("pod_get", {"pod": pod.id}))
        assert warned["warned_at"] == "2026-11-24T14:28:00Z"
        assert "pod_keep" in warned["hint"]
        kept = data(await client.call_tool("pod_keep", {"pod": pod.id, "duration": "1h"}))
        assert (kept["warned_at"], kept["hint"]) == (None, None)


async def test_why_says_it_in_words_and_as_data(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    await home.tick()
    home.clock.forward(minutes=12)
    async with opened() as client:
        result = await client.call_tool("pod_why", {"pod": "hello"})
        idle = data(result)
        assert text(result) == f"hello-1: {idle['text']}"
        assert idle["text"].startswith("idle 12m of 30m")
        assert (idle["decision"], idle["action"], idle["in_use"]) == ("keep", "stop", False)
        assert (idle["warn_at"], idle["deadline"]) == ("2026-11-24T14:25:00Z", "2026-11-24T14:30:00Z")
        assert (idle["missing"], idle["usage"], idle["by_lifetime"], idle["heartbeat"]) == ([], [], False, False)
        [port] = idle["ports"]
        assert (port["port"], port["in_use"], port["in_flight"], port["missing"]) == (8080, False, 0, False)

        home.gateway.count(pod.id, 8080, in_flight=1)
        busy = data(await client.call_tool("pod_why", {"pod": pod.id}))
        assert (busy["in_use"], busy["ports"][0]["in_flight"]) == (True, 1)
        assert busy["last_active_at"] == "2026-11-24T14:12:00Z"
        assert busy["text"].startswith("busy: 1 request in flight on 8080")

        home.gateway.missing.add(f"{pod.id}-8080")
        blind = data(await client.call_tool("pod_why", {"pod": pod.id}))
        assert (blind["missing"], blind["deadline"]) == (["the traffic on 8080"], None)
        assert blind["missing_since"] is not None


async def test_why_of_a_pod_that_does_not_run(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    async with opened() as client:
        await client.call_tool("pod_stop", {"pod": pod.id})
        why = data(await client.call_tool("pod_why", {"pod": pod.id}))
    assert (why["status"], why["decision"], why["in_use"], why["ports"]) == ("EXITED", None, None, [])
    assert "not running (EXITED)" in why["text"]


@pytest.fixture
async def wide(tmp_path: Path) -> AsyncIterator[FakeHouse]:
    """A house whose gateway carries TCP."""
    async with fake_house(tmp_path / "data", tcp_ports=(30000, 30001)) as opened:
        yield opened


async def test_ports_come_and_go(wide: FakeHouse, mode: str) -> None:
    await wide.started()
    async with Client(build(wide.house.services), mode=mode) as client:
        pod = {"pod": "hello-1"}
        web = data(await client.call_tool("pod_expose", {**pod, "port": "8888"}))
        address = f"http://{web['id']}-8888.proxy.localhost:8080"
        assert web["ports"][1] == {"port": "8888/http", "url": address}
        again = data(await client.call_tool("pod_expose", {**pod, "port": "8888/HTTP"}))
        assert again["ports"] == web["ports"]
        shell = data(await client.call_tool("pod_expose", {**pod, "port": "22/tcp"}))
        assert shell["ports"][2]["url"].startswith("tcp://")
        await client.call_tool("pod_unexpose", {**pod, "port": "8080"})
        left = data(await client.call_tool("pod_unexpose", {**pod, "port": "8888/http"}))
    assert [port["port"] for port in left["ports"]] == ["22/tcp"]
    assert left["url"] is None, "a TCP address is no web address"


async def _secret(home: FakeHouse, pod: Pod) -> str:
    [variable] = pod.spec.generated
    return pod.spec.env[variable]


async def test_the_login_is_shown_to_the_owner_and_never_in_lists(opened: Opener, home: FakeHouse) -> None:
    async with opened() as client:
        result = await client.call_tool("pod_start", {"template": "jupyter"})
        pod = await home.pods.get(await home.local(), data(result)["id"])
        [variable], token = pod.spec.generated, await _secret(home, pod)
        login = {variable: token}
        assert (data(result)["login"], token in text(result)) == (login, True)
        assert data(await client.call_tool("pod_get", {"pod": pod.id}))["login"] == login
        for quiet in ("pod_list", "pod_why", "pod_restart", "pod_keep", "pod_stop"):
            arguments = {} if quiet == "pod_list" else {"pod": pod.id}
            arguments |= {"duration": "1h"} if quiet == "pod_keep" else {}
            assert token not in (await client.call_tool(quiet, arguments)).model_dump_json()
        assert data(await client.call_tool("pod_resume", {"pod": pod.id}))["login"] == login


async def test_the_login_of_somebody_else_is_not_shown_to_an_admin(opened: Opener, home: FakeHouse) -> None:
    theirs = await home.started(await home.member(), "jupyter")
    async with opened() as client:
        result = await client.call_tool("pod_get", {"pod": theirs.id})
        assert data(result)["login"] is None
        assert await _secret(home, theirs) not in result.model_dump_json()


async def test_a_pod_that_is_gone_with_its_data_safe_can_be_made_anew(opened: Opener, home: FakeHouse) -> None:
    await home.house.services.volumes.create(await home.local(), "models", None)
    first = await home.started(name="reads", network_volume="models")
    async with opened(asked=Person()) as client:
        assert data(await client.call_tool("pod_get", {"pod": "reads"}))["idle_action"] == "terminate"
        gone = data(await client.call_tool("pod_terminate", {"pod": "reads"}))
        assert "pod_resume" in gone["hint"]
        anew = data(await client.call_tool("pod_resume", {"pod": first.id}))
    assert (anew["name"], anew["status"], anew["network_volume"]) == (
        "reads",
        Status.RUNNING,
        first.spec.network_volume,
    )
    assert anew["id"] != first.id
    assert anew["url"] is not None
