"""The face as a whole: manifest, trouble with Slack, forged requests, reconnecting, shutting down."""

import asyncio
import io
import json
import logging
from pathlib import Path

import aiohttp
import pytest
import yaml
from jsonschema import Draft7Validator
from pydantic import SecretStr

from bot import face
from bot.manifest import manifest, scopes
from core.errors import InvalidInput
from core.model import Status
from core.settings import Settings
from tests.bot.conftest import ANA, GENERAL, Stage, staged
from tests.helpers import free_port, until
from tests.houses import FakeHouse
from tests.houses import home as home
from tests.slack_double import SlackDouble


@pytest.mark.parametrize("url", [None, "https://pods.example.com/", "https://pods.example.com/slack/events"])
def test_the_manifest_is_one_that_slack_takes(url: str | None) -> None:
    schema = json.loads((Path(__file__).parent / "manifest.schema.json").read_text())
    written = yaml.safe_load(manifest(url))
    assert [error.message for error in Draft7Validator(schema).iter_errors(written)] == []
    [command] = written["features"]["slash_commands"]
    assert command["command"] == "/pod"
    events, clicks = (written["settings"][name] for name in ("event_subscriptions", "interactivity"))
    address = "https://pods.example.com/slack/events" if url else None
    assert (command.get("url"), events.get("request_url"), clicks.get("request_url")) == (address,) * 3
    assert written["settings"]["socket_mode_enabled"] is (url is None)


@pytest.mark.parametrize("url", ["http://pods.example.com", "pods.example.com", "https://", "https://x/?a=1"])
def test_an_address_that_slack_would_not_call_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not a public address"):
        manifest(url)


def test_the_manifest_asks_for_the_scopes_that_the_tests_run_with() -> None:
    assert scopes() == SlackDouble().scopes


def test_without_a_bot_token_there_is_no_face(home: FakeHouse) -> None:
    assert face(home.house.services, Settings(slack_bot_token=None)) is None


async def test_it_says_how_slack_reaches_it(stage: Stage) -> None:
    await until(lambda: stage.face.describe().endswith("."))
    way = "signed HTTP at /slack/events" if stage.face.routes else "Socket Mode"
    await until(lambda: stage.face.describe() == f"Slack: /pod by {way}.")


async def test_without_a_way_in_it_says_what_to_set(home: FakeHouse) -> None:
    made = face(home.house.services, Settings(slack_bot_token=SecretStr("xoxb-x")))
    assert made is not None
    assert "set SLACK_APP_TOKEN" in made.describe()
    assert made.routes == []


async def test_a_wrong_app_token_is_a_warning_and_everything_else_runs(
    tmp_path: Path, slack: SlackDouble, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = SecretStr("xapp-wrong")
    async with staged("socket", tmp_path / "data", slack, slack_app_token=wrong) as stage:
        assert "SLACK_APP_TOKEN is not a valid app-level token" in stage.face.describe()
        await stage.home.started()
    assert "xapp-wrong" not in caplog.text


async def test_a_wrong_bot_token_is_said(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack) as stage:
        slack.bot_token = "xoxb-changed"
        async with stage.face.running():
            await until(lambda: "Slack refuses SLACK_BOT_TOKEN (invalid_auth)" in stage.face.describe())
        slack.bot_token = "xoxb-double"


async def test_a_slack_that_is_away_delays_nothing_and_is_found_when_it_is_back(
    home: FakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    settings = home.house.settings.model_copy(
        update={
            "slack_bot_token": SecretStr("xoxb-double"),
            "slack_app_token": SecretStr("xapp-double"),
            "slack_api_url": f"http://127.0.0.1:{port}/api/",
        }
    )
    made = face(home.house.services, settings)
    assert made is not None
    async with asyncio.timeout(10), made.running():
        assert "Slack does not answer" in made.describe()
        async with SlackDouble(port=port) as slack:
            slack.user(ANA, "ana")
            slack.channel(GENERAL, "general")
            await slack.until(lambda: slack.sockets.connected)
            assert (await slack.command(ANA, GENERAL, "/pod", "help")).ok
            await slack.until(lambda: slack.ephemerals(ANA))
    assert "no connection to Slack" in caplog.text


async def test_refreshed_connections_lose_nothing(connected: Stage) -> None:
    """Slack renews one after the other; all the while somebody types, and each command is acknowledged once."""
    sockets = connected.slack.sockets
    await connected.slack.until(lambda: len(sockets.connected) == 2)

    async def keep_typing() -> int:
        typed = 0
        while not renewed.is_set():
            assert (await connected.slack.command(ANA, GENERAL, "/pod", "help")).ok
            typed += 1
        return typed

    renewed = asyncio.Event()
    typing = asyncio.create_task(keep_typing())
    for _ in range(20):
        await sockets.disconnect(only=sockets.connected[0])
        await connected.slack.until(lambda: len(sockets.connected) == 2)
    renewed.set()
    typed = await typing
    assert typed > 5
    await connected.slack.until(lambda: len(connected.slack.ephemerals(ANA)) == typed)


async def test_a_connection_that_is_refused_for_good_is_not_needed_while_another_stands(connected: Stage) -> None:
    sockets = connected.slack.sockets
    await connected.slack.until(lambda: len(sockets.connected) == 2)
    connected.slack.app_token = "xapp-changed"
    await sockets.disconnect(only=sockets.connected[0])
    assert "/pod start" in (await connected.told("help")).text
    connected.slack.app_token = "xapp-double"


async def test_forged_old_oversized_and_broken_requests_reach_nothing(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("http", tmp_path / "data", slack) as stage:
        http = slack.http
        assert http is not None
        slack.signing_secret = "guessed"
        assert (await slack.command(ANA, GENERAL, "/pod", "start hello")).error == "dispatch_failed"
        slack.signing_secret = "shhh-double"
        http.skew = -600
        assert (await slack.command(ANA, GENERAL, "/pod", "start hello")).error == "dispatch_failed"
        http.skew = 0
        async with aiohttp.ClientSession() as session:
            for body, status in ((b"x" * 2_000_000, 413), (b"\xff\xfe", 401), (b"", 401), (b'{"a', 401), (b"[1]", 401)):
                for headers in ({}, http.sign("other"), {**http.sign("x"), "X-Slack-Request-Timestamp": "soon"}):
                    async with session.post(http.url, data=io.BytesIO(body), headers=headers) as answer:
                        assert answer.status == status
            async with session.get(http.url) as answer:
                assert answer.status == 405
        assert await stage.home.pods.list(await stage.home.local(), everyone=True) == ()
        assert (await slack.command(ANA, GENERAL, "/pod", "help")).ok


async def test_every_event_is_acknowledged_although_none_is_used(stage: Stage) -> None:
    for event in ({"type": "app_home_opened", "user": ANA}, {"type": "message", "channel": GENERAL, "text": "hi"}):
        ack = await stage.slack.event(event)
        assert (ack.ok, ack.retries) == (True, 0)


async def test_an_unknown_button_is_answered(stage: Stage) -> None:
    post = await stage.started()
    ack = await stage.slack.click(ANA, post, "pod_open_0")
    ack.payload["actions"], ack.payload["trigger_id"] = [{"action_id": "from_the_future", "value": "x"}], "t2"
    assert (await stage.slack.again(ack)).ok
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    assert "from another version of Podkeeper" in said.text


async def test_an_answer_after_half_an_hour_comes_directly(stage: Stage) -> None:
    ack = await stage.slack.command(ANA, GENERAL, "/pod", "help")
    await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    stage.slack.offset += 31 * 60
    await stage.slack.again(ack)
    [direct] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "/pod start" in direct.text


async def test_shutting_down_ends_all_work(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack) as stage:
        stage.home.engine.script = stage.home.engine.script.SLOW_PULL
        await stage.pod("start hello")
        await stage.home.engine.waiting.wait()
    left = [task.get_name() for task in asyncio.all_tasks() if "slack" in task.get_name().lower()]
    assert left == []


async def test_no_secret_is_in_a_log(tmp_path: Path, slack: SlackDouble, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with staged("socket", tmp_path / "data", slack) as stage:
        await stage.started("start hello --env PASSWORD=tiger")
        post = await stage.told("start hello --env PASSWORD=tiger --cpu none")
        assert "cpu" in post.text
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("aiosqlite", "asyncio")))
    for secret in ("tiger", slack.bot_token, slack.app_token):
        assert secret not in ours


@pytest.mark.parametrize("kind", ["app_uninstalled", "tokens_revoked"])
async def test_an_app_that_was_uninstalled_is_told_and_pods_go_on(stage: Stage, kind: str) -> None:
    await stage.started("start hello")
    assert (await stage.slack.event({"type": kind})).ok
    await until(lambda: "install it again" in stage.face.describe())
    assert (await stage.only_pod()).status is Status.RUNNING
