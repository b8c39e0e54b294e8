"""Where owners and admins are told: directly or in the thread, and what becomes of it when somebody is not there."""

from pathlib import Path

import pytest

from bot.digest import Digest
from bot.mail import Mail
from bot.places import Places
from bot.post import Poster, client
from bot.zones import Zones
from core.model import Status
from tests.bot.conftest import ANA, BOB, EVE, GENERAL, PRIVATE, Stage, staged
from tests.helpers import until
from tests.slack_double import Post, SlackDouble

ADMINS = "CADMINS"


async def in_thread(stage: Stage) -> Post:
    """The message of a start whose owner wants to be told below it."""
    assert "in the thread" in (await stage.told("settings --notices thread")).text
    return await stage.started("start hello --name demo")


async def warned(stage: Stage, start: Post) -> Post:
    """Let 26 of 30 minutes pass, and wait for the warning below that message."""
    stage.home.clock.forward(minutes=26)
    await stage.home.tick()
    return (await stage.slack.until(lambda: stage.slack.replies(start), what="for a warning in the thread"))[-1]


async def test_the_settings_are_shown_changed_by_a_button_and_kept_over_a_restart(stage: Stage) -> None:
    shown = await stage.told("settings")
    assert "by direct message" in shown.text
    assert shown.buttons == ["Tell me in the thread"]
    await stage.slack.click(ANA, shown, "pod_settings_thread")
    await stage.shows(shown, "in the thread of the message")
    assert shown.buttons == ["Tell me directly"]
    await stage.restart()
    assert "in the thread" in (await stage.told("settings")).text
    assert "by direct message" in (await stage.told("settings", user=BOB)).text
    assert "by direct message" in (await stage.told("settings --notices direct")).text


async def test_a_warning_in_the_thread_rings_for_its_owner_and_becomes_what_happened(stage: Stage) -> None:
    start = await in_thread(stage)
    warning = await warned(stage, start)
    assert warning.text.startswith(f"<@{ANA}> `demo` will be stopped")
    assert warning.screen.startswith(f"<@{ANA}> ")
    await stage.slack.click(BOB, warning, "pod_stop")
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(BOB))
    assert "demo belongs to ana" in said.text
    stage.home.clock.forward(minutes=5)
    await stage.home.tick()
    await stage.shows(warning, "was stopped")
    assert stage.slack.directs(ANA) == []
    # The proposal to delete comes into the same thread, not into one below the reply.
    await stage.home.house.reaper.propose(stage.home.clock.forward(days=15), stage.home.house.settings.forget_after)
    [_, asked] = await stage.slack.until(lambda: len(stage.slack.replies(start)) == 2 and stage.slack.replies(start))
    assert "has been stopped since" in asked.text
    sent = [args["thread_ts"] for method, args in stage.slack.calls if args.get("thread_ts")]
    assert sent == [start.ts, start.ts]


@pytest.mark.parametrize("trouble", ["deleted", "archived", "thrown out"])
async def test_where_the_thread_is_no_more_the_owner_is_told_directly(stage: Stage, trouble: str) -> None:
    start = await in_thread(stage)
    if trouble == "deleted":
        start.deleted = True
    elif trouble == "archived":
        stage.slack.channels[GENERAL].archived = True
    else:
        stage.slack.channels[GENERAL].members.discard(stage.slack.bot)
    stage.home.clock.forward(minutes=26)
    await stage.home.tick()
    [warning] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert warning.text.startswith("`demo` will be stopped")


async def test_a_start_in_a_channel_without_the_bot_has_no_thread_but_a_direct_message(stage: Stage) -> None:
    await stage.told("settings --notices thread")
    await stage.pod("start hello --name demo", channel=PRIVATE)
    await stage.slack.until(lambda: any("is running" in post.text for post in stage.slack.directs(ANA)))
    stage.home.clock.forward(minutes=26)
    await stage.home.tick()
    [_, warning] = await stage.slack.until(lambda: len(stage.slack.directs(ANA)) == 2 and stage.slack.directs(ANA))
    assert "will be stopped" in warning.text


SETTINGS = {"admins": frozenset({EVE}), "slack_admin_channel": ADMINS}


async def test_an_owner_who_has_left_is_told_of_to_the_admins_who_can_act(tmp_path: Path, slack: SlackDouble) -> None:
    slack.channel(ADMINS, "admins")
    async with staged("socket", tmp_path / "data", slack, **SETTINGS) as stage:
        await stage.started("start hello --name demo")
        slack.deactivated.add(ANA)
        stage.home.clock.forward(minutes=26)
        await stage.home.tick()
        [told] = await slack.until(lambda: slack.messages(ADMINS))
        assert "`demo` will be stopped" in told.text
        assert "ana, the owner of `demo`, is not in Slack any more" in told.screen
        await slack.click(EVE, told, "pod_keep_1h")
        await stage.shows(told, "is kept until")
        assert (await stage.only_pod()).status is Status.RUNNING


async def test_an_admin_channel_that_cannot_be_written_to_is_logged_and_stops_nothing(
    tmp_path: Path, slack: SlackDouble, caplog: pytest.LogCaptureFixture
) -> None:
    slack.channel(ADMINS, "admins", bot=False)
    async with staged("socket", tmp_path / "data", slack, **SETTINGS) as stage:
        await stage.home.started(await stage.home.member("UGONE"), name="gone")
        await stage.started("start hello --name demo")
        assert "`demo`" in (await stage.idle()).text
    assert "SLACK_ADMIN_CHANNEL takes no message: Slack says not_in_channel; invite the bot" in caplog.text


async def test_a_start_again_from_the_thread_is_told_in_the_same_thread_later(stage: Stage) -> None:
    start = await in_thread(stage)
    warning = await warned(stage, start)
    stage.home.clock.forward(minutes=5)
    await stage.home.tick()
    await stage.shows(warning, "was stopped")
    await stage.slack.click(ANA, warning, "pod_start_again")
    await stage.shows(warning, "is running")
    stage.home.clock.forward(minutes=26)
    await stage.home.tick()
    [_, again] = await stage.slack.until(lambda: len(stage.slack.replies(start)) == 2 and stage.slack.replies(start))
    assert "will be stopped" in again.text


async def test_a_refusal_that_nobody_knows_of_a_thread_leads_to_a_direct_message(stage: Stage) -> None:
    await in_thread(stage)
    stage.slack.fail_next("chat.postMessage", "restricted_action_thread_locked")
    stage.home.clock.forward(minutes=26)
    await stage.home.tick()
    [told] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "will be stopped" in told.text


async def test_a_thread_that_slack_refuses_for_now_is_tried_again(stage: Stage) -> None:
    start = await in_thread(stage)
    stage.slack.fail_next("chat.postMessage", "internal_error")
    assert "will be stopped" in (await warned(stage, start)).text
    assert stage.slack.directs(ANA) == []


async def test_a_resume_by_an_admin_elsewhere_does_not_move_the_thread(stage: Stage) -> None:
    start = await in_thread(stage)
    stage.slack.channel("CELSEWHERE", "elsewhere")
    await stage.pod("stop demo")
    await stage.slack.until(lambda: any("is stopped" in post.text for post in stage.slack.messages(GENERAL)))
    await stage.pod("resume demo", user=EVE, channel="CELSEWHERE")
    await stage.slack.until(lambda: any("is running" in post.text for post in stage.slack.messages("CELSEWHERE")))
    assert "will be stopped" in (await warned(stage, start)).text


async def test_a_start_by_direct_message_and_a_stop_by_a_person_have_no_thread(stage: Stage) -> None:
    start = await in_thread(stage)
    warning = await warned(stage, start)
    stage.home.clock.forward(minutes=5)
    await stage.home.tick()
    await stage.shows(warning, "was stopped")
    await stage.pod("resume demo", channel=PRIVATE)
    await stage.slack.until(lambda: any("is running" in post.text for post in stage.slack.directs(ANA)))
    await stage.pod("stop demo", channel=PRIVATE)
    await stage.slack.until(lambda: any("is stopped" in post.text for post in stage.slack.directs(ANA)))
    before = stage.slack.directs(ANA)
    await stage.home.house.reaper.propose(stage.home.clock.forward(days=15), stage.home.house.settings.forget_after)
    await stage.slack.until(lambda: len(stage.slack.directs(ANA)) > len(before), what="for the proposal, directly")
    assert stage.slack.replies(start) == [warning]


PRICED = """
name: priced
description: Costs something.
image: busybox:stable
ports: ["8080/http"]
price_per_hour: 2
"""


async def test_the_digest_comes_once_a_morning_and_tells_of_the_day_before(tmp_path: Path, slack: SlackDouble) -> None:
    slack.channel(ADMINS, "admins")
    slack.zones[EVE] = "Asia/Tokyo"
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "priced.yaml").write_text(PRICED)
    async with staged("socket", tmp_path / "data", slack, templates_dir=tmp_path / "templates") as stage:
        clock, services, web = stage.home.clock, stage.home.house.services, client(slack.bot_token, slack.api_url)
        mail = Mail(services, Poster(web), Places(services.notes), ADMINS)

        async def told() -> list[str]:
            """As after a restart: nothing is known but what was noted."""
            await Digest(services, mail, Zones(Poster(web)), EVE, 1).look()
            return [post.text for post in slack.messages(ADMINS)]

        await stage.started("start priced --name demo")  # at 23:00 in Tokyo
        assert await told() == []
        await stage.idle()  # 23:31
        clock.forward(hours=9, minutes=28)  # 8:59
        assert await told() == []
        clock.forward(minutes=1)
        [text] = await told()
        assert text.startswith("Pods on Tuesday, 24 November: 31m, $1.03. ")
        assert "Stopping what nobody used spared 29m, about $0.97." in text
        assert "Stopped because nobody used it: 1" in text
        assert "`demo` of ana · ran 31m · $2.00 per hour" in text
        slack.zones[EVE] = "America/Los_Angeles"  # where it is still the day before
        assert await told() == [text]
        slack.zones[EVE] = "Asia/Tokyo"
        clock.forward(hours=14)
        assert await told() == [text]
        clock.forward(days=9)  # a day without pods, and the rest is no longer counted
        assert await told() == [text]


async def test_the_digest_runs_beside_the_rest(tmp_path: Path, slack: SlackDouble) -> None:
    slack.channel(ADMINS, "admins")
    async with staged("socket", tmp_path / "data", slack, **SETTINGS) as stage:
        await until(lambda: stage.home.house.services.notes.all("slack", "digest"))
        await stage.started("start hello --name demo")
        stage.home.clock.forward(days=1)
        [told] = await slack.until(lambda: slack.messages(ADMINS))
        assert "24 November: 10h." in told.text


async def test_a_digest_that_slack_does_not_take_is_lost_and_is_no_fault_of_ours(
    tmp_path: Path, slack: SlackDouble, caplog: pytest.LogCaptureFixture
) -> None:
    slack.channel(ADMINS, "admins")
    async with staged("socket", tmp_path / "data", slack, **SETTINGS) as stage:
        await until(lambda: stage.home.house.services.notes.all("slack", "digest"))
        await stage.started("start hello --name demo")
        slack.fail_next("chat.postMessage", "internal_error")
        stage.home.clock.forward(days=1)
        await slack.until(lambda: "the digest is lost" in caplog.text)
        stage.home.clock.forward(days=1)
        [told] = await slack.until(lambda: slack.messages(ADMINS))
        assert "25 November" in told.text
    assert "(ref " not in caplog.text
