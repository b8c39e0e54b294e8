"""Notices: who did not ask for the end of their pod is told of it, once, with a button that works."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import face
from core.engines.fake import Script
from core.model import Status
from tests.bot.conftest import ANA, BOB, GENERAL, Stage
from tests.houses import fake_house
from tests.slack_double import SlackDouble


async def test_an_idle_stop_is_told_to_the_owner_and_start_again_really_does(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    notice = await stage.idle()
    assert "`demo` was stopped: nobody used it for 31m (its limit is 30m)" in notice.text
    assert "Its container disk is lost" in notice.screen
    assert notice.buttons == ["Start again", "Terminate…"]
    await stage.slack.click(ANA, notice, "pod_start_again")
    await stage.shows(notice, "is running")
    pod = await stage.only_pod()
    assert f"http://{pod.id}-8080.proxy.localhost:8080" in notice.text
    assert (pod.status, pod.run) == (Status.RUNNING, 2)
    assert stage.slack.directs(ANA) == [notice]
    updates = {args["channel"] for method, args in stage.slack.calls if method == "chat.update"}
    assert updates == {GENERAL, stage.slack.direct(ANA)}


async def test_a_stop_by_a_person_is_not_told(quick: Stage) -> None:
    await quick.started("start hello --name first")
    await quick.pod("stop first")
    await quick.slack.until(lambda: "is stopped" in quick.slack.messages(GENERAL)[-1].text)
    await quick.started("start hello --name second")
    assert "`second`" in (await quick.idle()).text
    assert len(quick.slack.directs(ANA)) == 1


async def test_an_end_by_itself_is_told_with_its_last_lines(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    quick.home.engine.die((await quick.only_pod()).id, out_of_memory=True)
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert "`demo` has failed: It ran out of memory" in notice.text
    assert "```\nhello from" in notice.screen
    assert notice.buttons == ["Start again", "Terminate…"]


async def test_a_stop_that_fails_is_told_and_never_called_stopped(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    warning = await quick.warned()
    quick.home.engine.stop_fails = True
    quick.home.clock.forward(minutes=5)
    await quick.home.house.reaper.tick(quick.home.clock())
    [told] = await quick.slack.until(lambda: quick.slack.directs(ANA)[1:])
    assert told.text.startswith("Could not stop demo; it may still be running and will be tried again.")
    assert "was stopped" not in warning.text
    quick.home.engine.stop_fails = False
    await quick.shows(warning, "`demo` was stopped")


async def test_a_clean_end_is_told(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    quick.home.engine.die((await quick.only_pod()).id, code=0)
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert "`demo` has ended" in notice.text


async def test_a_failed_start_that_no_message_follows_is_told(quick: Stage) -> None:
    quick.home.engine.script = Script.NO_IMAGE
    await quick.home.started(await quick.home.member(ANA), name="quiet")
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert "`quiet` has failed: The registry docker.io has no image busybox:stable" in notice.text


async def test_a_failed_start_that_a_message_follows_is_told_there_only(quick: Stage) -> None:
    quick.home.engine.script = Script.NO_IMAGE
    await quick.pod("start hello --name seen")
    await quick.slack.until(lambda: any("has failed" in p.text for p in quick.slack.messages(GENERAL)))
    await quick.home.started(await quick.home.member(ANA), name="unseen")
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert "`unseen`" in notice.text


async def test_what_happened_while_slack_was_away_is_told_when_it_is_back(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    for _ in range(2):
        quick.slack.fail_next("conversations.open", "internal_error")
    quick.home.clock.forward(minutes=26)
    await quick.home.tick()
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA), timeout=30)
    assert "`demo` will be stopped" in notice.text


@pytest.mark.parametrize("refused", ["invalid_auth", "token_revoked", "missing_scope"])
async def test_what_happened_while_slack_took_no_token_is_told_when_it_takes_one(quick: Stage, refused: str) -> None:
    await quick.started("start hello --name demo")
    quick.slack.fail_next("conversations.open", refused)
    quick.home.clock.forward(minutes=26)
    await quick.home.tick()
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert "`demo` will be stopped" in notice.text


async def test_what_ended_while_the_bot_was_down_is_told_once_after_its_start(
    tmp_path: Path, slack: SlackDouble
) -> None:
    given = {"slack_bot_token": SecretStr(slack.bot_token), "slack_api_url": slack.api_url}
    async with fake_house(tmp_path / "data", **given) as home:
        first = face(home.house.services, home.house.settings)
        assert first is not None
        async with first.running():
            await home.started(await home.member(ANA), name="one")
            home.engine.vanish((await home.pods.list(await home.member(ANA)))[0].id)
            await home.house.reconciler.tick(home.clock())
            await slack.until(lambda: len(slack.directs(ANA)) == 1)
        await home.started(await home.member(ANA), name="two")
        home.clock.forward(minutes=31)
        await home.tick()
        home.clock.forward(minutes=5)
        await home.tick()
        assert len(slack.directs(ANA)) == 1
        second = face(home.house.services, home.house.settings)
        assert second is not None
        async with second.running():
            await slack.until(lambda: "`two` was stopped" in slack.directs(ANA)[-1].text)
            [notice] = [notice for notice in slack.directs(ANA) if "`two`" in notice.text]
            assert notice.edits == [], "its warning was overtaken already"


async def test_an_owner_who_has_left_stops_no_other_notice(quick: Stage) -> None:
    await quick.home.started(await quick.home.member("UGONE"), name="gone")
    await quick.started("start hello --name demo")
    assert "`demo`" in (await quick.idle()).text


async def test_a_visitor_who_starts_a_pod_is_told_of_in_one_line(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    await quick.idle()
    await quick.home.after(await quick.home.pods.wake(await quick.only_pod()))
    [_, told] = await quick.slack.until(lambda: len(quick.slack.directs(ANA)) == 2 and quick.slack.directs(ANA))
    assert told.screen.splitlines() == ["`demo` was started by a visitor of its address.", "Stop now"]
    await quick.slack.click(ANA, told, "pod_stop")
    await quick.shows(told, "is stopped")


async def test_a_pod_stopped_for_long_is_proposed_for_deletion_and_never_deleted_without_a_yes(stage: Stage) -> None:
    await stage.started("start hello --name demo --volume 2g")
    ended = await stage.idle()
    now = stage.home.clock.forward(days=15)
    assert await stage.home.house.reaper.propose(now, timedelta(days=14))
    [asked] = await stage.slack.until(lambda: stage.slack.replies(ended))
    assert asked.text.startswith(f"<@{ANA}> "), "or nothing rings"
    assert "`demo` has been stopped since <!date^" in asked.text
    assert "Delete it with its volume disk (2g at `/workspace`)? That frees 2g." in asked.screen
    assert asked.buttons == ["Delete…", "Keep it", "Start again"]
    await stage.slack.click(ANA, asked, "pod_terminate")
    [sure] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    assert "deletes its container disk and its volume disk (2g at `/workspace`) for good" in sure.text
    assert (await stage.only_pod()).status is Status.EXITED
    await stage.slack.click(ANA, sure, "pod_terminate_confirm")
    await stage.shows(asked, "is terminated")
    assert asked.buttons == []
    assert (await stage.only_pod()).status is Status.TERMINATED


async def test_a_no_to_the_deletion_leaves_all_as_it_is(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    ended = await quick.idle()
    await quick.home.house.reaper.propose(quick.home.clock.forward(days=15), timedelta(days=14))
    [asked] = await quick.slack.until(lambda: quick.slack.replies(ended))
    assert "frees its name and its address" in asked.text
    await quick.slack.click(BOB, asked, "pod_forget_not")
    [said] = await quick.slack.until(lambda: quick.slack.ephemerals(BOB))
    assert "demo belongs to ana" in said.text
    await quick.slack.click(ANA, asked, "pod_forget_not")
    await quick.shows(asked, "stays as it is")
    assert asked.buttons == []
    assert (await quick.only_pod()).status is Status.EXITED
