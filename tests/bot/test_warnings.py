"""Warnings: one message to the owner, with what can still be done; it changes with what becomes of the pod."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from bot import face
from core.model import Status
from tests.bot.conftest import ANA, BOB, GENERAL, Stage, staged
from tests.houses import fake_house
from tests.slack_double import SlackDouble

QUIET = """
name: quiet
description: Tells only.
image: busybox:stable
ports: ["8080/http"]
idle: {timeout: 30m, action: notify}
"""


async def test_a_warning_says_when_and_why_and_the_stop_is_told_in_the_same_message(stage: Stage) -> None:
    await stage.started("start hello --name demo --volume 1g")
    warning = await stage.warned()
    deadline = stage.home.clock().timestamp() + 5 * 60
    assert f"`demo` will be stopped at <!date^{int(deadline)}^{{time}}|14:31 UTC>" in warning.text
    assert "Nobody used it for 26m (its limit is 30m)." in warning.screen
    assert "its volume disk (1g) is kept" in warning.screen
    assert warning.buttons == ["Keep 1 h", "Keep until tomorrow 9:00", "Stop now", "Why?"]
    stage.home.clock.forward(minutes=5)
    await stage.home.tick()
    await stage.shows(warning, "was stopped")
    assert warning.buttons == ["Start again", "Terminate…"]
    assert stage.slack.directs(ANA) == [warning]


async def test_a_keep_button_changes_the_message_and_the_pod_is_left_alone(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    tomorrow = datetime(2026, 11, 25, 9, tzinfo=UTC)
    ack = await stage.slack.click(ANA, warning, f"pod_keep_until_{int(tomorrow.timestamp())}")
    await stage.slack.again(ack)
    await stage.shows(warning, "`demo` is kept until")
    assert (await stage.only_pod()).keep_until == tomorrow
    assert f"By <@{ANA}>" in warning.screen
    assert warning.buttons == []
    stage.home.clock.forward(hours=18)
    await stage.home.tick()
    assert (await stage.only_pod()).status is Status.RUNNING
    assert stage.slack.directs(ANA) == [warning]
    stage.home.clock.forward(hours=1)
    await stage.home.tick()
    await stage.slack.until(lambda: len(stage.slack.directs(ANA)) == 2, what="for the next warning")


async def test_a_warning_from_before_a_restart_changes_with_what_becomes_of_the_pod(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    await stage.restart()
    stage.home.gateway.count((await stage.only_pod()).id, 8080, completed=1, succeeded=1)
    await stage.home.tick()
    await stage.shows(warning, "`demo` is in use again")
    again = await stage.warned()
    await stage.restart()
    await stage.slack.click(ANA, again, "pod_keep_1h")
    await stage.shows(again, "is kept until")
    await stage.restart()
    assert stage.slack.directs(ANA) == [warning, again]


async def test_a_warning_whose_cursor_was_not_saved_is_not_sent_again(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    await stage.life.aclose()
    store = stage.home.house._store  # pyright: ignore[reportPrivateUsage]
    [sent] = [event.seq for event in await store.events(0) if event.kind == "pod.idle_warning"]
    await store.save_cursor("slack", sent - 1)
    await stage.open()
    stage.home.gateway.count((await stage.only_pod()).id, 8080, completed=1, succeeded=1)
    await stage.home.tick()
    await stage.shows(warning, "is in use again")
    assert stage.slack.directs(ANA) == [warning]


async def test_what_is_clicked_on_the_card_is_told_in_the_warning_as_well(stage: Stage) -> None:
    card = await stage.started("start hello --name demo")
    warning = await stage.warned()
    await stage.slack.click(ANA, card, "pod_card_keep")
    await stage.shows(warning, "is kept until")
    stage.home.clock.forward(minutes=35)
    again = await stage.warned()
    await stage.slack.click(ANA, card, "pod_stop")
    await stage.shows(card, "is stopped")
    await stage.shows(again, "`demo` is stopped")
    assert stage.slack.directs(ANA) == [warning, again]


async def test_a_keep_that_is_typed_changes_the_message_too(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    await stage.pod("keep demo 2h")
    await stage.shows(warning, "is kept until")
    assert f"By <@{ANA}>." in warning.screen
    assert warning.buttons == []


async def test_use_withdraws_the_warning_in_its_message(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    stage.home.gateway.count((await stage.only_pod()).id, 8080, completed=1, succeeded=1)
    await stage.home.tick()
    await stage.shows(warning, "`demo` is in use again")
    assert warning.buttons == []
    again = await stage.warned()
    assert stage.slack.directs(ANA) == [warning, again]


async def test_a_warning_that_is_void_for_want_of_a_witness_claims_no_use(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    stage.home.gateway.missing.add(f"{(await stage.only_pod()).id}-8080")
    stage.home.clock.forward(minutes=1)
    await stage.home.tick()
    await stage.shows(warning, "`demo` is not to be stopped for now")


async def test_stop_now_happens_in_the_message_and_is_told_once(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    await stage.slack.click(ANA, warning, "pod_stop")
    await stage.shows(warning, "is stopped")
    assert "stopped by ana" in warning.text
    assert stage.slack.directs(ANA) == [warning]
    edits = [args for method, args in stage.slack.calls if method == "chat.update" and args["ts"] == warning.ts]
    assert all(f"Stopped by <@{ANA}>" in str(args["blocks"]) for args in edits), "written by the click alone"


async def test_why_is_answered_to_the_one_who_asks(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    before = warning.screen
    await stage.slack.click(ANA, warning, "pod_why")
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    assert "`demo`: idle 26m of 30m: nobody has used it since it was ready, warned at <!date^" in said.text
    assert "|14:26 UTC>, stop at <!date^" in said.text
    assert said.text.endswith("|14:31 UTC>")
    assert warning.screen == before


async def test_a_warning_in_somebody_elses_hands_changes_nothing(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    before = warning.screen
    for action in ("pod_keep_1h", "pod_stop", "pod_why"):
        seen = len(stage.slack.ephemerals(BOB))
        await stage.slack.click(BOB, warning, action)
        said = await stage.slack.until(lambda seen=seen: stage.slack.ephemerals(BOB)[seen:])
        assert "demo belongs to ana. Ask them, or an admin." in said[0].text
    pod = await stage.only_pod()
    assert (warning.screen, pod.status, pod.keep_until) == (before, Status.RUNNING, None)


async def test_a_keep_that_comes_too_late_is_explained(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    ack = await stage.slack.click(ANA, warning, "pod_why")
    await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    stage.home.clock.forward(minutes=5)
    await stage.home.tick()
    await stage.shows(warning, "was stopped")
    [element] = ack.payload["actions"]
    ack.payload["actions"], ack.payload["trigger_id"] = [{**element, "action_id": "pod_keep_1h"}], "late"
    await stage.slack.again(ack)
    said = await stage.slack.until(lambda: stage.slack.ephemerals(ANA)[1:])
    assert "demo is already stopped (EXITED)" in said[0].text
    assert "nobody used it" in said[0].text
    await stage.shows(warning, "is stopped")
    assert warning.buttons == ["Start again", "Terminate…"]


async def test_a_pod_that_is_restarted_meanwhile_is_not_called_idle_any_more(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    await stage.pod("restart demo")
    await stage.shows(warning, "`demo` is running")
    assert warning.buttons == ["Open", "Keep 1 h", "Stop"]


async def test_a_pod_on_a_network_volume_is_terminated_and_made_anew_on_the_same_volume(stage: Stage) -> None:
    await stage.home.house.services.volumes.create(await stage.home.local(), "data")
    await stage.started("start hello --name demo --network-volume data")
    old = await stage.only_pod()
    warning = await stage.warned()
    assert "`demo` will be terminated at" in warning.text
    assert f"The network volume `{old.spec.network_volume}` stays, and its data is safe." in warning.screen
    assert warning.buttons == ["Keep 1 h", "Keep until tomorrow 9:00", "Terminate…", "Why?"]
    stage.home.clock.forward(minutes=5)
    await stage.home.tick()
    await stage.shows(warning, "`demo` was terminated")
    assert f"The data on network volume `{old.spec.network_volume}` is safe." in warning.screen
    assert warning.buttons == ["Start again"]
    ack = await stage.slack.click(ANA, warning, "pod_start_again")
    await stage.shows(warning, "is running")
    [new, _] = await stage.home.pods.list(await stage.home.member(ANA), ended=True)
    assert (new.name, new.spec.network_volume) == ("demo", old.spec.network_volume)
    assert new.id != old.id
    assert f"http://{new.id}-8080.proxy.localhost:8080" in warning.text
    assert stage.slack.directs(ANA) == [warning]
    ack.payload["trigger_id"] = "once more"
    await stage.slack.again(ack)
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    assert "There is a demo already (RUNNING)." in said.text
    assert f"{new.id}-8080" in warning.text


async def test_an_end_by_lifetime_says_so_and_offers_no_keep(stage: Stage) -> None:
    await stage.started("start hello --name demo --for 20m")
    stage.home.clock.forward(minutes=16)
    await stage.home.tick()
    [warning] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "20m at most (max_lifetime)" in warning.screen
    assert "Neither use nor keeping it moves this end." in warning.screen
    assert warning.buttons == ["Stop now", "Why?"]
    stage.home.clock.forward(minutes=5)
    await stage.home.tick()
    await stage.shows(warning, "was stopped")
    assert "max_lifetime" in warning.screen


async def test_a_rule_that_only_tells_is_told_once_and_the_pod_runs_on(tmp_path: Path, slack: SlackDouble) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "quiet.yaml").write_text(QUIET)
    async with staged("socket", tmp_path / "data", slack, templates_dir=tmp_path / "templates") as stage:
        await stage.started("start quiet --name demo")
        for minutes in (31, 30, 30):
            stage.home.clock.forward(minutes=minutes)
            await stage.home.tick()
        [told] = await slack.until(lambda: slack.directs(ANA))
        assert "`demo` is idle" in told.text
        assert "Its rule says only to tell you, so it runs on." in told.screen
        assert told.buttons == ["Stop now", "Keep until tomorrow 9:00", "Why?"]
        assert (await stage.only_pod()).status is Status.RUNNING
        await slack.click(ANA, told, next(e["action_id"] for e in told.elements if "until" in e["action_id"]))
        await stage.shows(told, "is kept until")
        assert slack.directs(ANA) == [told]


async def test_where_the_warning_was_deleted_the_stop_is_told_anew(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    warning = await stage.warned()
    warning.deleted = True
    stage.home.clock.forward(minutes=5)
    await stage.home.tick()
    [notice] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "`demo` was stopped" in notice.text


async def test_a_bot_that_was_away_writes_into_the_message_of_then_and_tells_nothing_that_is_over(
    tmp_path: Path, slack: SlackDouble
) -> None:
    given = {"slack_bot_token": SecretStr(slack.bot_token), "slack_api_url": slack.api_url}
    async with fake_house(tmp_path / "data", **given) as home:
        pod = await home.started(await home.member(ANA), name="demo")

        @asynccontextmanager
        async def bot() -> AsyncIterator[None]:
            """One life of the bot, which ends when it has read all that happened in it."""
            made = face(home.house.services, home.house.settings)
            assert made is not None
            async with made.running():
                await told_bob()
                yield
                await told_bob()

        async def told_bob() -> None:
            other = await home.started(await home.member(BOB), idle="0")
            before = len(slack.directs(BOB))
            home.engine.vanish(other.id)
            await home.house.reconciler.tick(home.clock())
            await slack.until(lambda: len(slack.directs(BOB)) > before, what="for the bot")

        async def silence() -> None:
            home.clock.forward(minutes=26)
            await home.tick()

        async def use() -> None:
            home.gateway.count(pod.id, 8080, completed=1, succeeded=1)
            await home.tick()

        async with bot():
            await silence()
            [warning] = await slack.until(lambda: slack.directs(ANA))
        await use()
        async with bot():
            await slack.until(lambda: "`demo` is in use again" in warning.text)
        await silence()
        await use()
        async with bot():
            pass
        assert slack.directs(ANA) == [warning], "what was over before anybody was told is not told"


async def test_the_messages_of_warnings_are_in_direct_messages_only(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    before = [post.text for post in stage.slack.messages(GENERAL)]
    await stage.idle()
    assert [post.text for post in stage.slack.messages(GENERAL)] == before
