"""Notices: who did not ask for the end of their pod is told of it, once, with a button that works."""

from pathlib import Path

from pydantic import SecretStr

from bot import face
from core.engines.fake import Script
from core.model import Status
from tests.bot.conftest import ANA, GENERAL, Stage
from tests.houses import fake_house
from tests.slack_double import SlackDouble


async def idle(stage: Stage) -> None:
    stage.home.clock.forward(minutes=31)
    await stage.home.tick()


async def test_an_idle_stop_is_told_to_the_owner_and_start_again_really_does(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    await idle(stage)
    [notice] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "`demo` was stopped: no traffic for" in notice.text
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
    await idle(quick)
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert "`second`" in notice.text


async def test_an_end_by_itself_is_told_with_its_last_lines(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    quick.home.engine.die((await quick.only_pod()).id, out_of_memory=True)
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert "`demo` has failed: It ran out of memory" in notice.text
    assert "```\nhello from" in notice.screen
    assert notice.buttons == ["Start again", "Terminate…"]


async def test_a_stop_that_fails_is_told_and_never_called_stopped(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    quick.home.engine.stop_fails = True
    quick.home.clock.forward(minutes=31)
    await quick.home.house.reaper.tick(quick.home.clock())
    [told] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert told.text.startswith("Could not stop demo; it may still be running and will be tried again.")
    quick.home.engine.stop_fails = False
    _, done = await quick.slack.until(lambda: len(quick.slack.directs(ANA)) == 2 and quick.slack.directs(ANA))
    assert "`demo` was stopped" in done.text


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


async def test_what_ended_while_slack_was_away_is_told_when_it_is_back(quick: Stage) -> None:
    await quick.started("start hello --name demo")
    for _ in range(2):
        quick.slack.fail_next("conversations.open", "internal_error")
    await idle(quick)
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA), timeout=30)
    assert "`demo` was stopped" in notice.text


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
        assert len(slack.directs(ANA)) == 1
        second = face(home.house.services, home.house.settings)
        assert second is not None
        async with second.running():
            await slack.until(lambda: "`two` was stopped" in slack.directs(ANA)[-1].text)
            assert len([notice for notice in slack.directs(ANA) if "`two`" in notice.text]) == 1


async def test_an_owner_who_has_left_stops_no_other_notice(quick: Stage) -> None:
    await quick.home.started(await quick.home.member("UGONE"), name="gone")
    await quick.started("start hello --name demo")
    await idle(quick)
    [notice] = await quick.slack.until(lambda: quick.slack.directs(ANA))
    assert "`demo`" in notice.text
