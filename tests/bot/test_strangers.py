"""What Slack would never send, or not twice: other workspaces, replays, tampered forms and messages, 40 kB of text."""

import copy
from typing import Any

import pytest

from core.model import Status
from tests.bot.conftest import ANA, BOB, EVE, GENERAL, Stage
from tests.slack_double import Ack
from tests.slack_double.workspace import View


async def form(stage: Stage, user: str = ANA) -> View:
    """The form, opened by this person."""
    await stage.pod("start", user)
    return (await stage.slack.until(lambda: [view for view in stage.slack.views if view.open]))[-1]


def from_elsewhere(ack: Ack, how: str) -> Ack:
    """The same delivery as another workspace, or a guest from one, would send it."""
    payload: dict[str, Any] = copy.deepcopy(ack.payload)
    if "trigger_id" in payload:
        payload["trigger_id"] += "9"
    if how == "guest":
        payload["user"]["team_id"] = "T2"
    elif "team_id" in payload:
        payload["team_id"] = "T2"
    else:
        payload["team"]["id"] = "T2"
    return Ack(ack.kind, payload)


async def test_another_workspace_is_told_that_this_is_not_its_podkeeper(stage: Stage) -> None:
    await stage.slack.until(lambda: stage.face.describe().endswith("."))
    post = await stage.started("start hello --name demo")
    typed = await stage.slack.command(ANA, GENERAL, "/pod", "list")
    clicked = await stage.slack.click(ANA, post, "pod_card_keep")
    await stage.shows(post, "Kept for an hour")
    pods = await stage.only_pod()
    before = len(stage.slack.posts)
    stop = copy.deepcopy(clicked)
    stop.payload["actions"][0]["action_id"] = "pod_stop"
    answered = await stage.slack.again(from_elsewhere(typed, "team"))
    assert "another Slack workspace" in str(answered.body)
    for ack in (from_elsewhere(stop, "team"), from_elsewhere(stop, "guest")):
        assert (await stage.slack.again(ack)).ok
    shortcut = await stage.slack.shortcut(ANA, "start_pod")
    await stage.slack.until(lambda: stage.slack.views)
    assert (await stage.slack.again(from_elsewhere(shortcut, "team"))).ok
    submitted = await stage.slack.submit(ANA, stage.slack.views[0], template="hello", idle="soon")
    submitted.payload["view"]["id"] += "9"
    refused = await stage.slack.again(from_elsewhere(submitted, "team"))
    assert "another Slack workspace" in str(refused.body)
    assert (await stage.slack.event({"type": "app_home_opened", "user": ANA, "tab": "home"})).ok
    await stage.slack.until(lambda: ANA in stage.slack.homes)
    published = stage.slack.published
    event = await stage.slack.event({"type": "app_home_opened", "user": BOB, "tab": "tab"})
    event.payload["event"]["tab"] = "home"
    assert (await stage.slack.again(from_elsewhere(event, "team"))).ok
    await stage.told("help")  # all before it has been taken
    assert await stage.only_pod() == pods
    assert (len(stage.slack.views), stage.slack.published) == (1, published)
    shown = [post.text for post in stage.slack.posts[before:] if "/pod start" not in post.text]
    assert all("another Slack workspace" in text or "You have" in text or "1 pod" in text for text in shown), shown


async def test_what_is_delivered_again_is_done_once_also_by_the_next_process(stage: Stage) -> None:
    typed = await stage.slack.command(ANA, GENERAL, "/pod", "start hello --name typed")
    await stage.slack.again(typed)
    submitted = await stage.slack.submit(ANA, await form(stage), template="hello", name="formed")
    await stage.slack.until(lambda: sum("is running" in post.text for post in stage.slack.messages(GENERAL)) == 2)
    await stage.restart()
    for ack in (typed, submitted):
        assert (await stage.slack.again(ack)).ok
    await stage.told("help")
    pods = await stage.home.pods.list(await stage.home.member(ANA))
    assert sorted(pod.name for pod in pods) == ["formed", "typed"]
    assert len(stage.slack.messages(GENERAL)) == 2


async def test_a_form_that_was_wrong_may_be_sent_off_again(stage: Stage) -> None:
    shown = await form(stage)
    for _ in range(2):
        await stage.slack.submit(ANA, shown, template="hello", name="Not A Name")
        assert "name" in shown.errors
    shown.errors = {}
    await stage.slack.submit(ANA, shown, template="hello", name="good")
    await stage.slack.until(lambda: not shown.open)
    assert (await stage.only_pod()).name == "good"


@pytest.mark.parametrize("place", ["CNOWHERE", "<!channel>", "C" * 3000, "", "U1; drop", "CPRIVATE"])
async def test_a_form_whose_place_was_tampered_with_is_answered_directly(stage: Stage, place: str) -> None:
    shown = await form(stage)
    shown.view["private_metadata"] = place
    await stage.slack.submit(ANA, shown, template="hello", name="demo")
    [post] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    await stage.shows(post, "is running")
    assert stage.slack.messages(GENERAL) == []


async def test_a_message_of_ours_that_somebody_changed_gives_nobody_a_right(stage: Stage) -> None:
    await stage.started("start hello --name anas")
    theirs = await stage.only_pod()
    post = await stage.started("start hello --name bobs", user=BOB)
    for block in post.blocks:
        for element in block.get("elements", []):
            element["value"] = theirs.id
    for action in ("pod_stop", "pod_card_keep"):
        before = len(stage.slack.ephemerals(BOB))
        await stage.slack.click(BOB, post, action)
        said = (await stage.slack.until(lambda n=before: stage.slack.ephemerals(BOB)[n:]))[-1]
        assert "anas belongs to ana. Ask them, or an admin." in said.text
    after = await stage.home.pods.get(await stage.home.local(), theirs.id)
    assert (after.status, after.keep_until) == (Status.RUNNING, None)


@pytest.mark.parametrize("value", ["", "x" * 2000, "../../etc", "<!channel>", "0_0"])
async def test_a_button_with_a_value_from_elsewhere_finds_nothing(stage: Stage, value: str) -> None:
    post = await stage.started("start hello --name demo")
    for block in post.blocks:
        for element in block.get("elements", []):
            element["value"] = value
    await stage.slack.click(ANA, post, "pod_stop")
    [said] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    assert "<!channel>" not in said.text
    assert len(said.text) < 600
    assert (await stage.only_pod()).status is Status.RUNNING


async def test_40_kb_of_text_are_refused_in_a_sentence(stage: Stage) -> None:
    for text in ("start " + "x" * 40_000, "x" * 40_000, "help " + "<@U1|" * 8_000):
        told = await stage.told(text)
        assert "at most 8,000 are read. Nothing was done." in told.text
        assert len(told.text) < 300


async def test_a_button_of_the_settings_changes_ones_own_only(stage: Stage) -> None:
    shown = await stage.told("settings")
    ack = await stage.slack.click(ANA, shown, "pod_settings_thread")
    ack.payload["user"]["id"], ack.payload["trigger_id"] = EVE, "other"
    assert (await stage.slack.again(ack)).ok
    await stage.shows(shown, "in the thread of the message")
    assert "by direct message" in (await stage.told("settings", user=BOB)).text
