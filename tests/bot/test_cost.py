"""What pods cost, long logs, expected times: what is told in figures, and how where a Slack cannot show it."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot.zones import morning
from core.engines.fake import FakeEngine, Script
from tests.bot.conftest import ANA, EVE, GENERAL, Stage, staged
from tests.slack_double import Post, SlackDouble

PRICED = """
name: priced
description: Costs something.
image: busybox:stable
ports: ["8080/http"]
price_per_hour: 2
"""


def with_prices(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "priced.yaml").write_text(PRICED)
    return {"templates_dir": tmp_path / "templates", "admins": frozenset({EVE})}


def kinds(post: Post) -> list[str]:
    return [block["type"] for block in post.blocks]


async def test_a_month_is_told_in_words_by_a_chart_and_by_a_table(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack, **with_prices(tmp_path)) as stage:
        assert "Your pods in November: nothing yet" in (await stage.told("cost")).text
        await stage.started("start priced --name demo")
        await stage.idle()
        stage.home.clock.forward(hours=2)
        told = await stage.told("cost")
        assert "Your pods in November: 31m, $1.03. Stopping what nobody used spared 2h, about $4.00" in told.text
        assert kinds(told) == ["section", "data_visualization", "context", "table"]
        points = told.blocks[1]["chart"]["series"][0]["data"]
        assert points[-1] == {"label": "23–24", "value": 1.03}
        assert [cell["text"] for cell in told.blocks[-1]["rows"][1]] == ["demo", "priced", "31m", "$1.03", "$4.00"]
        slack.refused_blocks = {"table", "data_visualization"}
        told = await stage.told("cost")
        assert kinds(told) == ["section", "section", "context"]
        assert "`demo` · priced · ran 31m · $1.03 · saved $4.00" in told.screen
        assert "`demo` EXITED" in (await stage.told("list")).screen
        refused = await stage.told("cost --everyone")
        assert "Only an admin may see" in refused.text
        assert "`demo` · priced · ana · ran 31m" in (await stage.told("cost --everyone", user=EVE)).screen


async def test_a_warning_and_a_stop_say_what_it_cost_and_what_is_saved(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack, **with_prices(tmp_path)) as stage:
        post = await stage.started("start priced --name demo")
        assert "costs $2.00 per hour" in post.screen
        stage.home.clock.forward(minutes=15)
        assert "owner ana · runs for 15m · $0.50" in (await stage.told("show demo")).screen
        stage.home.clock.forward(minutes=-15)
        warning = await stage.warned()
        assert "It has run for 26m and cost $0.87 so far." in warning.screen
        stage.home.clock.forward(minutes=5)
        await stage.home.tick()
        await stage.shows(warning, "was stopped")
        assert "ran 31m · cost $1.03 · saves $2.00 per hour from now on" in warning.screen


async def test_a_start_says_how_long_the_last_ones_took(tmp_path: Path, slack: SlackDouble) -> None:
    engine = FakeEngine(script=Script.SLOW_START)
    async with staged("socket", tmp_path / "data", slack, engine=engine) as stage:
        await stage.pod("start hello --name first")
        first = (await slack.until(lambda: slack.messages(GENERAL)))[0]
        assert "as a rule" not in first.screen
        await engine.waiting.wait()
        stage.home.clock.forward(minutes=3)
        engine.proceed.set()
        await stage.shows(first, "is running")
        engine.proceed.clear()
        await stage.pod("start hello --name second")
        second = (await slack.until(lambda: slack.messages(GENERAL)[1:]))[0]
        assert "· 0s, as a rule 3m" in second.screen
        engine.proceed.set()
        await stage.shows(second, "is running")


async def test_a_long_log_comes_as_a_file_and_its_end_in_the_answer(stage: Stage) -> None:
    await stage.started("start hello --name demo --env API_KEY=tiger-tiger")
    stage.home.engine.say((await stage.only_pod()).id, *(f"line {n} tiger-tiger" for n in range(500)))
    told = await stage.told("logs demo --tail 500")
    assert "I sent you all of it as a file." in told.text
    assert "line 499" in told.screen
    assert len(told.screen) < 1200
    [post] = stage.slack.directs(ANA)
    [file] = post.files
    assert file.name == "demo.log"
    text = file.content.decode()
    assert (text.splitlines()[0], text.count("\n")) == ("line 0 …", 500)
    assert "tiger" not in text + told.screen


async def test_a_log_that_is_long_only_when_it_is_escaped_comes_as_a_file_too(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    stage.home.engine.say((await stage.only_pod()).id, "<" * 2700)
    assert "I sent you all of it as a file." in (await stage.told("logs demo")).text


async def test_secrets_of_several_lines_and_in_addresses_are_left_out_of_logs(stage: Stage) -> None:
    ana = await stage.home.member(ANA)
    env = {
        "SSH_KEY": "-----BEGIN-----\nDDDDEEEEFFFF\n",
        "DATABASE_URL": "postgres://u:hunter22@db/x",
        "MODE": "verbose",
    }
    pod = await stage.home.started(ana, name="demo", env=env)
    stage.home.engine.say(pod.id, "key DDDDEEEEFFFF", "dsn postgres://u:hunter22@db/x", "mode verbose")
    told = await stage.told("logs demo --tail 3")
    assert "key …\ndsn postgres://u:…@db/x\nmode verbose" in told.screen


@pytest.mark.parametrize("refused", ["missing_scope", "internal_error"])
async def test_where_slack_takes_no_file_the_end_of_the_log_is_all(stage: Stage, refused: str) -> None:
    await stage.started("start hello --name demo")
    stage.home.engine.say((await stage.only_pod()).id, *(f"line {n}" for n in range(900)))
    if refused == "missing_scope":
        stage.slack.scopes.discard("files:write")
    else:
        stage.slack.fail_next("files.getUploadURLExternal", refused)
    told = await stage.told("logs demo --tail 900")
    assert "Slack took no file with all of it" in told.text
    assert "line 899" in told.screen
    assert len(told.screen) > 2000


async def test_without_the_scope_for_time_zones_a_warning_offers_hours(stage: Stage) -> None:
    stage.slack.scopes.discard("users:read")
    await stage.started("start hello --name demo")
    assert (await stage.warned()).buttons == ["Keep 1 h", "Keep 8 h", "Stop now", "Why?"]


async def test_the_morning_is_that_of_the_owner(stage: Stage) -> None:
    stage.slack.zones[ANA] = "America/Los_Angeles"
    await stage.started("start hello --name demo")
    warning = await stage.warned()  # 6:26 there
    nine = datetime(2026, 11, 25, 17, tzinfo=UTC)
    assert f"pod_keep_until_{int(nine.timestamp())}" in [element["action_id"] for element in warning.elements]


async def test_a_morning_that_is_past_is_refused_and_says_so(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    [action] = [e["action_id"] for e in warning.elements if "until" in e["action_id"]]
    stage.home.clock.forward(days=2)
    await stage.slack.click(ANA, warning, action)
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    assert "that time is past" in said.text
    assert (await stage.only_pod()).keep_until is None


@pytest.mark.parametrize(
    ("zone", "now", "called", "at"),
    [
        ("UTC", "2026-11-24T14:00", "tomorrow 9:00", "2026-11-25T09:00"),
        ("UTC", "2026-11-24T04:59", "9:00", "2026-11-24T09:00"),
        ("UTC", "2026-11-24T05:00", "tomorrow 9:00", "2026-11-25T09:00"),
        ("Asia/Tokyo", "2026-11-24T16:00", "9:00", "2026-11-25T00:00"),
        ("Europe/Berlin", "2026-10-24T20:00", "tomorrow 9:00", "2026-10-25T08:00"),
    ],
)
def test_the_next_morning(zone: str, now: str, called: str, at: str) -> None:
    found = morning(ZoneInfo(zone), datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == (called, datetime.fromisoformat(at).replace(tzinfo=UTC))
