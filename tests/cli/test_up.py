"""`podkeeper up`: what it says, what it leaves running, and what keeps it from beginning."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from cli.banner import banner
from cli.serve import Faces
from tests.cli.desk import PROGRAM, Place, Service, place, until
from tests.helpers import free_port
from tests.houses import fake_house


def test_the_banner_says_where_everything_is(served: Place) -> None:
    said = until(lambda: next(served.data_dir.parent.glob("*.log")).read_text())
    for word in (
        f"http://POD-PORT.proxy.localhost:{served.gateway_port}",
        f"http://127.0.0.1:{served.port}/mcp",
        "claude mcp add --transport http podkeeper",
        '"args": ["mcp"]',
        f"{PROGRAM} pod start hello",
        f"PODKEEPER_DATA_DIR={served.data_dir}",
        "SLACK_BOT_TOKEN and SLACK_APP_TOKEN",
        "docs/slack.md",
        "Docker Engine",
    ):
        assert word in said
    assert (served.data_dir / "token").read_text().strip() not in said
    assert served.data_dir.stat().st_mode & 0o077 == 0
    assert (served.data_dir / "token").stat().st_mode & 0o077 == 0


async def test_with_slack_it_says_that_addresses_open_here_only(tmp_path: Path) -> None:
    bot, app = SecretStr("xoxb-1"), SecretStr("xapp-1")
    async with fake_house(tmp_path / "data", slack_bot_token=bot, slack_app_token=app) as home:
        settings, faces = home.house.settings, Faces(home.house, "pk_x")
        said = await banner(home.house, settings, faces)
        for word in ("open on this machine only", "PODKEEPER_PROXY_DOMAIN", "PODKEEPER_GATEWAY_LISTEN"):
            assert word in said
        elsewhere = settings.model_copy(update={"proxy_domain": "pods.example.org"})
        assert "this machine only" not in await banner(home.house, elsewhere, faces)


def test_a_second_one_says_that_one_is_running(served: Place) -> None:
    served.run("up").complains("A Podkeeper is already running")
    elsewhere = Place(served.data_dir, served.extra)
    elsewhere.run("up").complains("A Podkeeper is already running", str(served.data_dir), "PODKEEPER_DATA_DIR")
    assert httpx.get(f"http://127.0.0.1:{served.port}/healthz").status_code == 200


def test_pods_outlive_it_and_are_found_again() -> None:
    with place() as here:
        with here.up() as service:
            assert here.run("pod", "start", "hello").code == 0
            pod = here.run("pod", "show", "hello-1", "--json").document
            said = service.end()
        assert "1 pod keeps running" in said
        assert "nobody stops it for idleness" in said
        assert "Traceback" not in said
        here.run("pod", "list").complains("No Podkeeper answers")
        with here.up() as service:
            found = here.run("pod", "show", "hello-1", "--json").document
            assert (found["status"], found["ready_at"]) == ("RUNNING", pod["ready_at"]), "it was not started anew"
            host = f"{pod['id']}-8080.proxy.localhost"
            answer = httpx.get(f"http://127.0.0.1:{here.gateway_port}/", headers={"Host": host})
            assert pod["id"] in answer.text
            assert here.run("pod", "terminate", "hello-1", "--yes").code == 0
            assert "No pod is running" in service.end(signal.SIGTERM)


def test_ctrl_c_while_it_opens_breaks_that_off_in_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # an engine that takes connections and never answers
        host = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with place(DOCKER_HOST=host) as here:
            log = here.data_dir.with_name("up.log")
            with log.open("wb") as file:
                process = subprocess.Popen([PROGRAM, "up"], env=here.environment, stdout=file, stderr=file)
            until(lambda: (here.data_dir / "podkeeper.db").exists())
            said = Service(process, log).end()
            assert "Stopped before the service was ready" in said
            assert "Traceback" not in said
            assert not _envoys(here), "the gateway's Envoy does not outlive it"


def _envoys(here: Place) -> list[str]:
    found: list[str] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found += [pid] if os.readlink(f"/proc/{pid}/cwd").startswith(str(here.data_dir)) else []
        except OSError:
            continue
    return found


def test_an_engine_that_is_away_is_waited_for_and_told() -> None:
    with place(DOCKER_HOST="unix:///nowhere/docker.sock") as here, here.up() as service:
        ready = httpx.get(f"http://127.0.0.1:{here.port}/readyz")
        assert ready.status_code == 503
        assert "Docker Engine does not answer" in " ".join(ready.json()["missing"])
        assert "Docker Engine does not answer" in service.said
        here.run("pod", "start", "hello").complains("Docker Engine does not answer")
        assert here.run("pod", "list", "--json").document["pods"] == []


@pytest.mark.parametrize("wrong", ["10.255.255.1", "203.0.113.7"])
def test_an_address_that_is_not_ours_is_told(wrong: str) -> None:
    with place() as here:
        here.extra["PODKEEPER_LISTEN"] = f"{wrong}:{free_port()}"
        here.run("up").complains(f"cannot listen on {wrong}", "PODKEEPER_LISTEN")
