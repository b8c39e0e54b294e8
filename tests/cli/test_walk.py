"""The walk by terminal, on the real engine and the real gateway."""

import asyncio
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from mcp_server.client import connect
from tests.cli.conftest import Command
from tests.cli.desk import PROGRAM, Place, until


def visit(url: str, gateway_port: int) -> httpx.Response:
    """What answers at a pod's address; by Host header, since not every resolver knows *.localhost."""
    name = urlsplit(url).netloc
    return httpx.get(f"http://127.0.0.1:{gateway_port}/", headers={"Host": name, "Accept": "text/html"})


@pytest.fixture
def pod(served: Place, command: Command) -> Iterator[dict[str, Any]]:
    """A pod that runs."""
    started = command("pod", "start", "hello", "--json")
    assert started.code == 0, started.err
    yield started.document
    command("pod", "terminate", started.document["id"], "--yes")


def test_start_prints_one_line_with_the_address_and_says_how_to_stop(served: Place, command: Command) -> None:
    said = command("pod", "start", "hello", "--name", "first", "--idle", "45m", "--env", "COLOUR=green")
    assert said.code == 0, said.err
    found = command("pod", "show", "first", "--json").document
    assert said.out == f"first is running: {found['url']}\n"
    *progress, afterwards = said.err.splitlines()
    assert afterwards == "It stops by itself after 45m without traffic. Stop it now with `podkeeper pod stop first`."
    stages = [line.partition(":")[0] for line in progress]
    assert stages == [stage for stage in ("pull", "create", "start", "ready") if stage in stages], said.err
    assert "create" in stages
    answer = visit(found["url"], served.gateway_port)
    assert (answer.status_code, found["id"] in answer.text) == (200, True)
    assert found["idle_timeout"] == "45m"
    assert command("pod", "terminate", "first", "--yes").out == "first is terminated.\n"


def test_a_pod_that_nobody_can_see_idle_is_not_said_to_stop_by_itself(served: Place, command: Command) -> None:
    said = command("pod", "start", "mute", "--name", "deaf")
    assert said.out == "deaf is running: it has no address\n"
    assert "Without an address it is never seen idle and never stops for it. Stop it now" in said.err
    until_life = command("pod", "start", "mute", "--name", "old", "--lifetime", "2h")
    assert "never stops for it. It ends after 2h in any case." in until_life.err
    for name in ("deaf", "old"):
        assert command("pod", "terminate", name, "--yes").code == 0


def test_every_verb_with_json_is_one_document_and_nothing_else(pod: dict[str, Any], command: Command) -> None:
    name = pod["name"]
    statuses = []
    for verb in ("stop", "resume", "restart"):
        said = command("pod", verb, name, "--json")
        assert (said.code, said.err) == (0, "")
        statuses.append(said.document["status"])
        assert said.document["url"] == pod["url"], "the address stays"
    assert statuses == ["EXITED", "RUNNING", "RUNNING"]
    listed = command("pod", "list", "--json").document
    assert name in [found["name"] for found in listed["pods"]]
    assert listed["total"] == len(listed["pods"])
    assert command("pod", "show", name, "--json").document["id"] == pod["id"]
    assert command("pod", "logs", name, "--tail", "5", "--json").document["id"] == pod["id"]
    assert "hello" in [found["name"] for found in command("pod", "templates", "--json").document["templates"]]
    gone = command("pod", "terminate", name, "--yes", "--json").document
    assert gone["status"] == "TERMINATED"


def test_people_read_tables(pod: dict[str, Any], command: Command) -> None:
    table = command("pod", "list", "--everyone").out.splitlines()
    assert table[0].split() == ["NAME", "STATUS", "TEMPLATE", "STOPS", "ADDRESS", "OWNER"]
    line = next(line for line in table if pod["id"] in line)
    for word in (pod["name"], "RUNNING", "hello", pod["url"], "in 30 min", pod["owner"]):
        assert word in line
    sheet = command("pod", "show", pod["name"]).out
    for word in (
        pod["id"],
        pod["url"],
        "RUNNING",
        "busybox",
        "8080/http",
        "stop, restart, terminate, keep, expose",
        "s ago",
    ):
        assert word in sheet
    assert "llama-template" in command("pod", "templates").out
    logs = command("pod", "logs", pod["name"])
    assert (logs.code, "response:200" in logs.out) == (0, True)


def test_what_is_refused_leaves_all_as_it_was(pod: dict[str, Any], command: Command) -> None:
    name = pod["name"]
    command("pod", "resume", name).complains(name, "RUNNING", "You can stop, restart or terminate it.")
    command("pod", "keep", name, "31d").complains("at most 30d")
    command("pod", "keep", "no-such-pod", "1h").complains("no-such-pod")
    command("pod", "why", "x" * 10_000).complains()
    command("pod", "expose", name, "8080/tcp").complains("8080", "Unexpose it first")
    command("pod", "expose", name, "22/tcp").complains("PODKEEPER_TCP_PORTS")
    command("pod", "unexpose", name, "9999").complains("9999", "8080/http")
    assert command("pod", "stop", name).code == 0
    command("pod", "stop", name).complains(name, "already stopped")
    command("pod", "restart", name).complains(name, "EXITED")
    command("pod", "keep", name, "1h").complains(name, "EXITED")
    command("pod", "expose", name, "8888").complains(name, "EXITED")
    command("pod", "unexpose", name, "8080").complains(name, "EXITED")
    command("pod", "start", "hello", "--ignore", "health").complains("ignore: 'health'", "agent:UptimeRobot")
    command("pod", "start", "hello", "--ignore", "x" * 10_000).complains("ignore")
    command("pod", "start", "hello", "--wake", "maybe").complains("wake", "'auto', 'button' or 'off'")
    command("pod", "start", "hello", "--idle", "5m", "--warning", "6m").complains("warning: 6m is longer")
    command("pod", "start", "hello", "--name", name).complains(name)
    command("pod", "start", "hellp").complains("hellp", "hello")
    command("pod", "start", "hello", "--network-volume", "nowhere").complains("nowhere")
    command("pod", "start", "hello", "--gpu", "H100").complains("H100")
    command("pod", "show", "x" * 10_000).complains()
    command("pod", "show", "no-such-pod").complains("no-such-pod")
    command("pod", "list", PODKEEPER_TOKEN="wrong").complains("refuses the token", "PODKEEPER_TOKEN")


def test_keeping_and_asking_why(pod: dict[str, Any], command: Command) -> None:
    name = pod["name"]
    kept = command("pod", "keep", name, "2h")
    assert (kept.code, kept.err) == (0, "")
    assert re.fullmatch(rf"{name} is kept until 20\d\d-\d\d-\d\d \d\d:\d\d UTC \(in 2 h\)\.\n", kept.out)
    assert "kept by" in command("pod", "why", name).out
    sheet = command("pod", "show", name).out
    assert re.search(r"keep until +20\S+  \(in 2 h\)", sheet)
    back = command("pod", "keep", name, "0", "--json").document
    assert (back["keep_until"], back["kept_by"]) == (None, None)
    assert command("pod", "keep", name, "0").out == f"{name} is not kept any longer.\n"
    why = command("pod", "why", name, "--json").document
    assert (why["name"], why["decision"], why["action"], why["missing"]) == (name, "keep", "stop", [])
    assert command("pod", "why", name).out == f"{name}: {command('pod', 'why', name, '--json').document['text']}\n"
    assert command("pod", "stop", name).code == 0
    assert "not running (EXITED)" in command("pod", "why", name).out


def test_a_port_gets_an_address_and_loses_it(served: Place, pod: dict[str, Any], command: Command) -> None:
    name, url = pod["name"], pod["url"].replace("-8080.", "-9090.")
    said = command("pod", "expose", name, "9090")
    assert (said.code, said.out) == (0, f"9090/http of {name} is reached at {url}\n")
    assert visit(url, served.gateway_port).status_code == 503, "nothing listens there, and it is known"
    assert [p["port"] for p in command("pod", "expose", name, "9090", "--json").document["ports"]][1:] == ["9090/http"]
    assert command("pod", "unexpose", name, "9090").out == f"Port 9090 of {name} has no address any more.\n"
    assert visit(url, served.gateway_port).status_code == 404
    assert visit(pod["url"], served.gateway_port).status_code == 200


def test_the_rules_of_a_pod_are_told(served: Place, command: Command) -> None:
    rules = ("--idle", "20m", "--warning", "2m", "--lifetime", "12h", "--ignore", "/", "--ignore", "agent:Up")
    started = command("pod", "start", "hello", "--name", "ruled", "--wake", "off", *rules)
    try:
        assert started.code == 0, started.err
        for word in ("after 20m without traffic", "It ends after 12h in any case", "match every request"):
            assert word in started.err
        sheet = command("pod", "show", "ruled").out
        for word in ("/, agent:Up  (this matches every request", "max lifetime", "12h", "idle warning", "2m", "off"):
            assert word in sheet
        kept = command("pod", "keep", "ruled", "1h")
        assert "It ends 12h after it was started in any case" in kept.err
        assert "match every request" in command("pod", "why", "ruled").out
    finally:
        command("pod", "terminate", "ruled", "--yes")


def test_the_login_is_told_to_the_owner(served: Place, command: Command) -> None:
    started = command("pod", "start", "locked", "--name", "safe")
    try:
        login = command("pod", "show", "safe", "--json").document["login"]
        assert f"Log in with {login['DOOR']} (it is in the pod's DOOR)." in started.err
        assert f"DOOR={login['DOOR']}" in command("pod", "show", "safe").out
        for quiet in (["pod", "list", "--json"], ["pod", "why", "safe", "--json"], ["pod", "logs", "safe"]):
            assert login["DOOR"] not in command(*quiet).out
    finally:
        command("pod", "terminate", "safe", "--yes")


def test_a_pod_that_fails_is_told_with_its_reason(served: Place, command: Command) -> None:
    said = command("pod", "start", "fails", "--name", "falls")
    assert (said.code, said.out) == (1, "")
    assert "falls failed" in said.err.splitlines()[-1] or "falls failed" in said.err
    for word in ("going down", "podkeeper pod logs falls", "podkeeper pod terminate falls"):
        assert word in said.err
    again = command("pod", "resume", "falls", "--json")
    assert (again.code, again.document["status"]) == (1, "ERROR")
    assert "going down" in again.document["reason"]
    assert command("pod", "terminate", "falls", "--yes").code == 0


def test_ctrl_c_gives_up_waiting_and_not_the_start(served: Place, command: Command) -> None:
    process = served.begin("pod", "start", "slow", "--name", "patience")
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        lines = iter(process.stderr.readline, "")
        assert any(line.startswith("ready:") for line in lines)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(20) == 130
    finally:
        process.stderr.close()
        process.stdout.close()
    assert "the start of patience goes on" in rest
    assert "podkeeper pod stop patience" in rest
    assert "Traceback" not in rest
    assert command("pod", "show", "patience", "--json").document["status"] == "STARTING"
    waited_not = command("pod", "start", "slow", "--name", "hurry", "--no-wait")
    assert (waited_not.code, waited_not.out.startswith("hurry is PROVISIONING")) == (0, True), waited_not
    for name in ("patience", "hurry"):
        assert command("pod", "stop", name).code == 0, "a start is broken off"
        assert command("pod", "terminate", name, "--yes").code == 0


def test_ending_for_good_is_asked_and_names_what_is_lost(served: Place, command: Command) -> None:
    assert command("pod", "start", "disk", "--name", "keeper").code == 0
    command("pod", "terminate", "keeper").complains("volume disk (1g at /workspace)", "--yes", code=2)
    code, screen = served.at_terminal("pod", "terminate", "keeper", answers={"[y/N]": "n"})
    assert (code, "Nothing was done" in screen) == (1, True), screen
    assert command("pod", "show", "keeper", "--json").document["status"] == "RUNNING"
    code, screen = served.at_terminal("pod", "terminate", "keeper", answers={"[y/N]": "y"})
    assert (code, "keeper is terminated" in screen) == (0, True), screen


def test_a_terminal_shows_a_bar(served: Place, command: Command) -> None:
    code, screen = served.at_terminal("pod", "start", "hello", "--name", "shown")
    assert code == 0, screen
    assert "━" in screen
    assert "shown is running: http://" in screen
    assert command("pod", "terminate", "shown", "--yes").code == 0


def test_network_volumes(served: Place, command: Command) -> None:
    assert "podkeeper volume create" in command("volume", "list").out
    made = command("volume", "create", "models", "--size", "5g", "--json").document
    assert command("volume", "create", "models").code == 1
    started = command("pod", "start", "hello", "--name", "reads", "--network-volume", "models", "--idle", "0")
    assert started.err.endswith("It never stops for idleness. Terminate it now with `podkeeper pod terminate reads`.\n")
    command("pod", "stop", "reads").complains("network volume", "cannot be stopped")
    command("volume", "delete", "models", "--yes").complains("models")
    assert command("volume", "list", "--json").document["volumes"][0]["attached_to"]
    assert "models" in command("volume", "list").out
    command("pod", "terminate", "reads").complains("the network volume stays", "--yes", code=2)
    gone = command("pod", "terminate", "reads", "--yes", "--json").document["id"]
    assert re.search(rf"reads +TERMINATED .* {gone}$", command("pod", "list", "--ended").out, re.MULTILINE)
    anew = command("pod", "resume", gone, "--json").document
    assert (anew["name"], anew["status"], anew["id"] != gone) == ("reads", "RUNNING", True)
    assert command("pod", "terminate", "reads", "--yes").code == 0
    command("volume", "delete", "models").complains("models (5g)", "lost for good", "--yes", code=2)
    assert command("volume", "delete", made["id"], "--yes").out == "models is deleted.\n"
    command("volume", "delete", "models").complains("No network volume 'models'")


def test_registry_credentials_are_kept_beside_a_running_service(served: Place) -> None:
    assert "podkeeper registry add" in served.run("registry", "list").out
    added = served.run("registry", "add", "https://GHCR.io/", "-u", "me", "--json", given=b"hush-hush\n")
    assert (added.code, added.document["host"], added.document["username"]) == (0, "ghcr.io", "me")
    table = served.run("registry", "list").out
    assert "ghcr.io" in table
    listed = served.run("registry", "list", "--json")
    assert [one["host"] for one in listed.document["registries"]] == ["ghcr.io"]
    assert "hush-hush" not in added.out + added.err + table + listed.out
    key = served.data_dir / "registry.key"
    assert key.stat().st_mode & 0o077 == 0
    for given in (b"", b" \n", b"\xff\xfe", b"x" * 70_000):
        served.run("registry", "add", "ghcr.io", "-u", "me", given=given).complains("secret:", code=2)
    served.run("registry", "add", "not a host", "-u", "me", given=b"x").complains("registry:", code=2)
    assert served.run("registry", "remove", "ghcr.io", "--json").document == {"removed": "ghcr.io"}
    served.run("registry", "remove", "ghcr.io").complains("ghcr.io", "none is stored")


async def test_the_bridge_speaks_mcp_on_its_standard_streams(served: Place, tmp_path: Path) -> None:
    server = StdioServerParameters(command=str(PROGRAM), args=["mcp"], env=dict(served.environment))
    with (tmp_path / "errors").open("w") as errors:
        async with Client(stdio_client(server, errors)) as client:
            result = await client.call_tool("template_list", {})
    assert result.structured_content is not None
    assert "hello" in [found["name"] for found in result.structured_content["templates"]]


async def test_the_token_command_opens_the_door(served: Place) -> None:
    token = (await asyncio.to_thread(served.run, "token")).out.strip()
    async with connect(f"http://127.0.0.1:{served.port}", token) as client:
        assert (await client.call("pod_list", {}))["pods"] is not None


def test_health_answers_and_readiness_says_what_is_missing(served: Place) -> None:
    base = f"http://127.0.0.1:{served.port}"
    assert httpx.get(f"{base}/healthz").json() == {"status": "alive"}
    ready = until(lambda: (answer := httpx.get(f"{base}/readyz")).status_code == 200 and answer)
    assert ready.json() == {"ready": True, "missing": []}
