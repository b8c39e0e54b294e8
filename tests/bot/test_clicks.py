"""Buttons: one effect, permission asked anew, destructive ones confirm, stale ones explain."""

import pytest

from core.model import Status
from tests.bot.conftest import ANA, BOB, EVE, GENERAL, Stage
from tests.slack_double import NotOnScreen


async def test_stop_changes_the_message_it_is_on_and_start_again_changes_it_back(stage: Stage) -> None:
    post = await stage.started("start hello --name demo")
    assert (await stage.slack.click(ANA, post, "pod_stop")).ok
    await stage.shows(post, "is stopped")
    assert "stopped by ana" in post.text
    assert "is lost; it has no volume disk" in post.screen
    await stage.slack.click(ANA, post, "pod_start_again")
    await stage.shows(post, "is running")
    assert stage.slack.messages(GENERAL) == [post]
    assert stage.slack.ephemerals(ANA) == []


async def test_a_click_by_somebody_else_changes_nothing_and_is_answered_to_them_only(stage: Stage) -> None:
    post = await stage.started("start hello --name demo")
    before = post.screen
    await stage.slack.click(BOB, post, "pod_stop")
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(BOB))
    assert "demo belongs to ana. Ask them, or an admin." in said.text
    assert (post.screen, (await stage.only_pod()).status) == (before, Status.RUNNING)
    await stage.slack.click(EVE, post, "pod_stop")
    await stage.shows(post, "stopped by eve")


async def test_terminate_asks_first_naming_what_is_lost(stage: Stage) -> None:
    await stage.started("start hello --name demo --volume 2g")
    asked = await stage.told("terminate demo")
    assert "This deletes its container disk and its volume disk (2g at `/workspace`) for good." in asked.text
    assert asked.buttons == ["Terminate", "Cancel"]
    assert [e.get("style") for e in asked.elements] == ["danger", None]
    assert (await stage.only_pod()).status is Status.RUNNING
    await stage.slack.click(ANA, asked, "pod_terminate_confirm")
    await stage.shows(asked, "is terminated")
    assert asked.buttons == []
    assert (await stage.only_pod()).status is Status.TERMINATED
    assert stage.slack.ephemerals(ANA) == [asked]


async def test_terminate_can_be_cancelled(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    asked = await stage.told("terminate demo")
    await stage.slack.click(ANA, asked, "pod_terminate_cancel")
    await stage.shows(asked, "Nothing was terminated.")
    assert (await stage.only_pod()).status is Status.RUNNING


async def test_a_network_volume_stays_and_such_a_pod_has_no_stop_button(stage: Stage) -> None:
    await stage.home.house.services.volumes.create(await stage.home.local(), "data")
    post = await stage.started("start hello --name demo --network-volume data")
    assert post.buttons == ["Open", "Keep 1 h", "Terminate…"]
    assert "cannot be stopped, only terminated" in (await stage.told("stop demo")).text
    await stage.slack.click(ANA, post, "pod_terminate")
    asked = await stage.slack.until(lambda: stage.slack.ephemerals(ANA)[1:])
    assert "This deletes its container disk for good. The network volume" in asked[0].text


async def test_a_stale_click_says_what_happened_and_makes_the_message_true(stage: Stage) -> None:
    post = await stage.started("start hello --name demo")
    await stage.home.pods.stop(await stage.home.member(ANA), "demo")
    await stage.home.after(await stage.only_pod())
    await stage.slack.click(ANA, post, "pod_stop")
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    assert "demo is already stopped (EXITED)" in said.text
    assert "stopped by" in said.text
    await stage.shows(post, "is stopped")
    assert post.buttons == ["Start again", "Terminate…"]


async def test_a_click_on_a_pod_that_is_terminated_meanwhile_is_explained(stage: Stage) -> None:
    post = await stage.started("start hello --name demo")
    asked = await stage.told("terminate demo")
    await stage.home.pods.terminate(await stage.home.local(), "demo")
    await stage.home.after(await stage.only_pod())
    await stage.slack.click(ANA, asked, "pod_terminate_confirm")
    await stage.shows(asked, "is already terminated")
    await stage.slack.click(ANA, post, "pod_stop")
    await stage.shows(post, "is terminated")


async def test_a_double_click_and_a_second_delivery_have_one_effect(stage: Stage) -> None:
    post = await stage.started("start hello --name demo")
    ack = await stage.slack.click(ANA, post, "pod_stop")
    await stage.slack.again(ack)
    await stage.shows(post, "is stopped")
    await stage.slack.click(ANA, post, "pod_start_again")
    await stage.shows(post, "is running")
    assert (await stage.only_pod()).run == 2
    assert stage.slack.ephemerals(ANA) == []


async def test_buttons_of_an_ephemeral_answer_work_in_the_channel(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    card = await stage.told("show demo")
    await stage.slack.click(ANA, card, "pod_stop")
    posts = await stage.slack.until(lambda: stage.slack.messages(GENERAL)[1:])
    await stage.shows(posts[0], "is stopped")
    assert card.deleted


async def test_keeping_from_a_card_leaves_the_card_with_its_address(stage: Stage) -> None:
    post = await stage.started("start hello --name demo")
    until = int(stage.home.clock().timestamp()) + 3600
    await stage.slack.click(ANA, post, "pod_card_keep")
    await stage.shows(post, f"kept until <!date^{until}^")
    assert f"Kept for an hour by <@{ANA}>" in post.screen
    assert "proxy.localhost:8080" in post.screen
    assert post.buttons == ["Open", "Keep 1 h", "Stop"]
    shown = await stage.told("show demo")
    await stage.slack.click(BOB, post, "pod_card_keep")
    [refused] = await stage.slack.until(lambda: stage.slack.ephemerals(BOB))
    assert "belongs to ana" in refused.text
    stage.home.clock.forward(hours=1)
    await stage.slack.click(ANA, shown, "pod_card_keep")
    await stage.shows(shown, f"kept until <!date^{until + 3600}^")


async def test_open_only_opens(stage: Stage) -> None:
    post = await stage.started()
    assert (await stage.slack.click(ANA, post, "pod_open_0")).ok
    with pytest.raises(NotOnScreen):
        await stage.slack.click(ANA, post, "pod_start_again")


async def test_a_forged_pod_id_in_a_button_is_refused(stage: Stage) -> None:
    post = await stage.started("start hello --name demo")
    ack = await stage.slack.click(ANA, post, "pod_open_0")
    ack.payload["actions"] = [{"action_id": "pod_stop", "value": "nosuchpod12345"}]
    ack.payload["trigger_id"] = "another"
    await stage.slack.again(ack)
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    assert "No pod 'nosuchpod12345'" in said.text
