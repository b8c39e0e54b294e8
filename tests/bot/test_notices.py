"""Notices: who did not ask for the end of their pod is told of it, once, with a button that works."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import face
from core.engines.base import Instance
from core.engines.fake import FakeEngine, Script
from core.model import Pod, Status
from tests.bot.conftest import ANA, BOB, GENERAL, Stage, staged
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


async def test_a_stop_by_a_person_is_not_told(stage: Stage) -> None:
    await stage.started("start hello --name first")
    await stage.pod("stop first")
    await stage.slack.until(lambda: "is stopped" in stage.slack.messages(GENERAL)[-1].text)
    await stage.started("start hello --name second")
    assert "`second`" in (await stage.idle()).text
    assert len(stage.slack.directs(ANA)) == 1


async def test_an_end_by_itself_is_told_with_its_last_lines(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    stage.home.engine.die((await stage.only_pod()).id, out_of_memory=True)
    [notice] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "`demo` has failed: It ran out of memory" in notice.text
    assert "```\nhello from" in notice.screen
    assert notice.buttons == ["Start again", "Terminate…"]


async def test_a_stop_that_fails_is_told_and_never_called_stopped(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    stage.home.engine.stop_fails = True
    stage.home.clock.forward(minutes=5)
    await stage.home.house.reaper.tick(stage.home.clock())
    [told] = await stage.slack.until(lambda: stage.slack.directs(ANA)[1:])
    assert told.text.startswith("Could not stop demo; it may still be running and will be tried again.")
    assert "was stopped" not in warning.text
    stage.home.engine.stop_fails = False
    await stage.shows(warning, "`demo` was stopped")


async def test_a_clean_end_is_told(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    stage.home.engine.die((await stage.only_pod()).id, code=0)
    [notice] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "`demo` has ended" in notice.text


async def test_a_failed_start_that_no_message_follows_is_told(stage: Stage) -> None:
    stage.home.engine.script = Script.NO_IMAGE
    await stage.home.started(await stage.home.member(ANA), name="quiet")
    [notice] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "`quiet` has failed: The registry docker.io has no image busybox:stable" in notice.text


async def test_a_failed_start_that_a_message_follows_is_told_there_only(stage: Stage) -> None:
    stage.home.engine.script = Script.NO_IMAGE
    await stage.pod("start hello --name seen")
    await stage.slack.until(lambda: any("has failed" in p.text for p in stage.slack.messages(GENERAL)))
    await stage.home.started(await stage.home.member(ANA), name="unseen")
    [notice] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "`unseen`" in notice.text


async def test_what_happened_while_slack_was_away_is_told_when_it_is_back(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    for _ in range(2):
        stage.slack.fail_next("conversations.open", "internal_error")
    stage.home.clock.forward(minutes=26)
    await stage.home.tick()
    [notice] = await stage.slack.until(lambda: stage.slack.directs(ANA), timeout=30)
    assert "`demo` will be stopped" in notice.text


@pytest.mark.parametrize("refused", ["invalid_auth", "token_revoked", "missing_scope"])
async def test_what_happened_while_slack_took_no_token_is_told_when_it_takes_one(stage: Stage, refused: str) -> None:
    await stage.started("start hello --name demo")
    stage.slack.fail_next("conversations.open", refused)
    stage.home.clock.forward(minutes=26)
    await stage.home.tick()
    [notice] = await stage.slack.until(lambda: stage.slack.directs(ANA))
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


async def test_an_owner_who_has_left_stops_no_other_notice(stage: Stage) -> None:
    await stage.home.started(await stage.home.member("UGONE"), name="gone")
    await stage.started("start hello --name demo")
    assert "`demo`" in (await stage.idle()).text


async def test_a_visitor_who_starts_a_pod_is_told_of_in_one_line(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    await stage.idle()
    await stage.home.after(await stage.home.pods.wake(await stage.only_pod()))
    [_, told] = await stage.slack.until(lambda: len(stage.slack.directs(ANA)) == 2 and stage.slack.directs(ANA))
    assert told.screen.splitlines() == ["`demo` was started by a visitor of its address.", "Stop now"]
    await stage.slack.click(ANA, told, "pod_stop")
    await stage.shows(told, "is stopped")


class WanderingEngine(FakeEngine):
    """Puts what runs elsewhere."""

    elsewhere = False

    async def list(self) -> tuple[Instance, ...]:
        """As the fake, with another reference."""
        return tuple(self._there(one) for one in await super().list())

    async def inspect(self, pod: Pod) -> Instance | None:
        """As the fake, with another reference."""
        found = await super().inspect(pod)
        return self._there(found) if found is not None else None

    def _there(self, one: Instance) -> Instance:
        return one.model_copy(update={"ref": "<elsewhere>"}) if self.elsewhere else one


@pytest.mark.parametrize("where", ["direct", "thread"])
async def test_a_pod_that_the_engine_has_put_elsewhere_is_told_to_its_owner(
    tmp_path: Path, slack: SlackDouble, where: str
) -> None:
    engine = WanderingEngine()
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "ssh.yaml").write_text(
        "{name: ssh, description: Two ports., image: 'busybox:stable', ports: [8080/http, 22/tcp]}"
    )
    more = {"engine": engine, "templates_dir": tmp_path / "templates", "tcp_ports": range(20000, 20002)}
    async with staged("socket", tmp_path / "data", slack, **more) as stage:
        await stage.told(f"settings --notices {where}")
        start = await stage.started("start ssh --name demo")
        engine.elsewhere = True
        assert (await stage.home.house.reconciler.tick(stage.home.clock())).moved
        told = await slack.until(lambda: slack.directs(ANA) if where == "direct" else slack.replies(start))
        assert "`demo` was moved" in told[0].text
        assert "put it elsewhere (&lt;elsewhere&gt;); its web addresses are the same." in told[0].screen
        assert "Now at tcp://127.0.0.1:20000" in told[0].screen
        await stage.home.house.reconciler.tick(stage.home.clock())
        assert "`demo`" in (await stage.told("why demo")).text
        assert len(slack.directs(ANA) + slack.replies(start)) == 1


async def test_a_move_that_is_over_when_slack_is_back_is_not_told(tmp_path: Path, slack: SlackDouble) -> None:
    engine = WanderingEngine()
    async with staged("socket", tmp_path / "data", slack, engine=engine) as stage:
        me = await stage.home.member(ANA)
        await stage.life.aclose()
        pod = await stage.home.started(me, name="demo")
        engine.elsewhere = True
        assert (await stage.home.house.reconciler.tick(stage.home.clock())).moved == (pod.id,)
        engine.die(pod.id, code=0)
        await stage.home.after(pod)
        await stage.open()
        [notice] = await slack.until(lambda: slack.directs(ANA))
        assert "`demo` has ended" in notice.text


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


async def test_a_no_to_the_deletion_leaves_all_as_it_is(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    ended = await stage.idle()
    await stage.home.house.reaper.propose(stage.home.clock.forward(days=15), timedelta(days=14))
    [asked] = await stage.slack.until(lambda: stage.slack.replies(ended))
    assert "frees its name and its address" in asked.text
    await stage.slack.click(BOB, asked, "pod_forget_not")
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(BOB))
    assert "demo belongs to ana" in said.text
    await stage.slack.click(ANA, asked, "pod_forget_not")
    await stage.shows(asked, "stays as it is")
    assert asked.buttons == []
    assert (await stage.only_pod()).status is Status.EXITED
