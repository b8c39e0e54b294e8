"""The other words of `/pod`: who sees the answer, and what it says."""

import asyncio
from pathlib import Path

import pytest

from core.model import Status
from tests.bot.conftest import ANA, BOB, EVE, GENERAL, Stage, staged
from tests.slack_double import SlackDouble


async def test_bare_pod_and_help_show_every_word_to_the_asker_only(stage: Stage) -> None:
    for typed in ("", "help"):
        post = await stage.told(typed)
        for verb in ("start", "list", "show", "stop", "resume", "restart", "terminate", "logs", "templates", "help"):
            assert f"/pod {verb}" in post.text
    post = await stage.told("help start")
    assert "--network-volume" in post.screen
    assert "For example `/pod start hello --name demo --idle 1h`" in post.text
    assert stage.slack.messages(GENERAL) == []


async def test_templates_are_listed(quick: Stage) -> None:
    post = await quick.told("templates")
    assert "`hello`" in post.text
    assert "`llama-template`" in post.screen


async def test_list_shows_ones_own_and_an_admin_may_see_all(stage: Stage) -> None:
    assert "You have no pods. Start one: `/pod start hello`" in (await stage.told("list")).text
    await stage.started("start hello --name anas")
    await stage.started("start hello --name bobs", BOB)
    mine = await stage.told("list")
    assert "`anas` RUNNING" in mine.text
    assert "bobs" not in mine.text
    assert "bobs" not in (await stage.told("list --everyone")).text
    all_of_them = await stage.told("list --everyone", EVE)
    assert "`anas`" in all_of_them.text
    assert "`bobs`" in all_of_them.text


async def test_show_says_all_but_the_environment(quick: Stage) -> None:
    await quick.started("start hello --name demo --env TOKEN=tiger")
    pod = await quick.only_pod()
    post = await quick.told("show dem")
    for words in (pod.id, "busybox:stable", "0.25 vCPU", "64m memory", "owner ana", "<!date^"):
        assert words in post.screen
    assert "tiger" not in post.text + post.screen
    assert post.buttons == ["Open", "Stop"]


async def test_logs_are_shown_in_a_block_and_cannot_mention_anybody(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    pod = await quick.only_pod()
    post = await quick.told("logs demo --tail 5")
    assert f"hello from {pod.id}" in post.screen
    assert "```" in post.screen


async def test_stop_and_resume_are_one_message_each(stage: Stage) -> None:
    await stage.started("start hello --name demo --volume 1g")
    await stage.pod("stop demo")
    stopped = await stage.slack.until(lambda: stage.slack.messages(GENERAL)[1:])
    await stage.shows(stopped[0], "is stopped")
    assert "stopped by ana" in stopped[0].text
    assert "Its container disk is lost; its volume disk (1g at `/workspace`) is kept." in stopped[0].screen
    assert stopped[0].buttons == ["Start again", "Terminate…"]
    await stage.pod("resume demo")
    resumed = await stage.slack.until(lambda: stage.slack.messages(GENERAL)[2:])
    await stage.shows(resumed[0], "is running")
    await stage.pod("restart demo")
    again = await stage.slack.until(lambda: stage.slack.messages(GENERAL)[3:])
    await stage.shows(again[0], "is running")
    assert (await stage.only_pod()).run == 3
    assert len(stage.slack.messages(GENERAL)) == 4


async def test_stop_twice_is_explained(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    await stage.pod("stop demo")
    await stage.slack.until(lambda: "is stopped" in stage.slack.messages(GENERAL)[-1].text)
    post = await stage.told("stop demo")
    assert "demo is already stopped (EXITED), so it cannot stop now. You can resume or terminate it." in post.text


async def test_somebody_elses_pod_is_left_alone_by_every_word(stage: Stage) -> None:
    await stage.started("start hello --name anas")
    for verb in ("show", "stop", "restart", "terminate", "logs"):
        post = await stage.told(f"{verb} anas", BOB)
        assert "anas belongs to ana. Ask them, or an admin." in post.text
    assert (await stage.only_pod()).status is Status.RUNNING
    await stage.pod("stop anas", EVE)
    await stage.slack.until(lambda: "stopped by eve" in stage.slack.messages(GENERAL)[-1].text)


@pytest.mark.parametrize("verb", ["show", "stop", "resume", "restart", "terminate", "logs"])
async def test_a_missing_an_unknown_and_an_ambiguous_pod_are_explained(quick: Stage, verb: str) -> None:
    assert f"for example /pod {verb} hello-1" in (await quick.told(verb)).text
    await quick.home.started(await quick.home.member(ANA), name="demo-one")
    await quick.home.started(await quick.home.member(ANA), name="demo-two")
    assert "Did you mean demo-two" in (await quick.told(f"{verb} demotwo")).text
    assert "fits 2 pods" in (await quick.told(f"{verb} demo")).text


async def test_who_is_not_allowed_learns_how_to_be(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("http", tmp_path / "data", slack, allowed_users=frozenset({BOB})) as stage:
        assert "Ask an admin to add your user id" in (await stage.told("list", ANA)).text
        assert "You have no pods" in (await stage.told("list", BOB)).text


async def test_an_engine_that_is_away_is_said_to_the_asker(quick: Stage) -> None:
    quick.home.engine.down = True
    post = await quick.told("start hello")
    assert "does not answer" in post.text
    assert quick.slack.messages(GENERAL) == []


async def test_ten_different_questions_at_once_each_get_their_answer(stage: Stage) -> None:
    await asyncio.gather(*(stage.pod("templates") for _ in range(10)))
    await stage.slack.until(lambda: len(stage.slack.ephemerals(ANA)) == 10)
