"""The home tab: somebody's pods, what can be done with each, true again after whatever happens to them."""

import re
from pathlib import Path

from core.model import Status
from tests.bot.conftest import ANA, BOB, EVE, GENERAL, Stage, staged
from tests.slack_double import SlackDouble, View


async def visited(stage: Stage, user: str = ANA) -> View:
    """The page of somebody who opens it now."""
    stage.slack.homes.pop(user, None)
    await stage.slack.visit_home(user)
    await stage.slack.until(lambda: user in stage.slack.homes, what="for a home tab")
    return stage.slack.homes[user]


async def becomes(stage: Stage, words: str, user: str = ANA) -> View:
    """The page once it says so, by itself."""
    await stage.slack.until(lambda: words in stage.slack.homes[user].screen, what=f"for {words!r} on the home tab")
    return stage.slack.homes[user]


async def test_somebody_without_pods_finds_the_way_to_the_first_one(stage: Stage) -> None:
    page = await visited(stage)
    assert "You have no pods." in page.screen
    assert page.buttons == ["Start a pod…", "Help"]
    await stage.slack.press(ANA, page, "pod_form")
    [form] = await stage.slack.until(lambda: stage.slack.views, what="for a form")
    await stage.slack.submit(ANA, form, template="hello", name="demo")
    page = await becomes(stage, "RUNNING")
    [post] = stage.slack.directs(ANA)
    await stage.shows(post, "is running")
    assert "`demo`" in page.screen
    assert page.buttons == ["Open", "Keep 1 h", "Stop", "Start a pod…", "Help"]


async def test_the_page_shows_ones_own_pods_and_follows_them(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    await stage.home.started(await stage.home.member(BOB), name="other")
    page = await visited(stage)
    ends = int(stage.home.clock().timestamp()) + 30 * 60
    assert f"stops <!date^{ends}^" in page.screen
    assert "-8080.proxy.localhost:8080" in page.screen
    assert "other" not in page.screen
    ack = await stage.slack.press(ANA, page, "pod_stop")
    await stage.slack.again(ack)
    page = await becomes(stage, "EXITED")
    assert page.buttons == ["Start again", "Terminate…", "Start a pod…", "Help"]
    [told] = stage.slack.directs(ANA)
    await stage.shows(told, "is stopped")
    await stage.slack.press(ANA, page, "pod_start_again")
    page = await becomes(stage, "RUNNING")
    await stage.slack.press(ANA, page, "pod_keep_1h")
    page = await becomes(stage, "kept until")
    assert len(stage.slack.messages(GENERAL)) == 1


async def test_what_the_reaper_does_is_on_the_page_too(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    await visited(stage)
    await stage.idle()
    page = await becomes(stage, "EXITED")
    assert "Nobody used it for 31m" in page.screen


async def test_a_page_that_nobody_has_looked_at_is_not_made(stage: Stage) -> None:
    await stage.started("start hello")
    await stage.slack.visit_home(ANA, tab="messages")
    await stage.idle()
    assert stage.slack.homes == {}


async def test_many_events_are_published_together(stage: Stage) -> None:
    await visited(stage)
    before = stage.slack.published
    caller = await stage.home.member(ANA)
    for _ in range(5):
        await stage.home.started(caller)
    page = await becomes(stage, "hello-5")
    await stage.slack.until(lambda: len(re.findall("RUNNING", stage.slack.homes[ANA].screen)) == 5)
    assert stage.slack.published - before < 15, "each start alone is three events"
    assert len(page.blocks) <= 100


async def test_somebody_who_may_not_use_pods_is_told_so_on_the_page(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack, allowed_users=frozenset({BOB})) as stage:
        page = await visited(stage)
        assert "may not use pods here" in page.screen or "Ask an admin" in page.screen
        assert page.buttons == []


async def test_a_page_that_slack_refuses_is_made_anew_at_the_next_look(stage: Stage) -> None:
    stage.slack.fail_next("views.publish", "internal_error")
    await stage.slack.visit_home(ANA)
    await stage.slack.until(lambda: not stage.slack.failures)
    await visited(stage)
    assert (await stage.home.pods.list(await stage.home.local(), everyone=True)) == ()
    assert Status.RUNNING not in stage.slack.homes[ANA].screen


async def test_an_admin_unfolds_everybody_elses_pods_and_folds_them_again(stage: Stage) -> None:
    await stage.started("start hello --name anas")
    await stage.started("start hello --name eves", user=EVE)
    assert "Everybody" not in (await visited(stage)).screen
    page = await visited(stage, EVE)
    assert "*Everybody else's pods*: 1, of which 1 runs" in page.screen
    assert "`anas`" not in page.screen
    await stage.slack.press(EVE, page, "pod_others_show")
    page = await becomes(stage, "`anas` RUNNING · hello · ana · for 0s", EVE)
    assert "`eves`" in page.screen
    await stage.slack.press(EVE, page, "pod_others_hide")
    await stage.slack.until(lambda: "`anas`" not in stage.slack.homes[EVE].screen)


async def test_the_page_of_who_is_no_admin_does_not_unfold(stage: Stage) -> None:
    await stage.started("start hello --name eves", user=EVE)
    page = await visited(stage)
    ack = await stage.slack.press(ANA, page, "pod_help")
    ack.payload["actions"][0]["action_id"], ack.payload["trigger_id"] = "pod_others_show", "other"
    published = stage.slack.published
    assert (await stage.slack.again(ack)).ok
    await stage.slack.until(lambda: stage.slack.published > published)
    assert "eves" not in stage.slack.homes[ANA].screen


async def test_the_month_is_a_chart_with_its_figures_in_words(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    stage.home.clock.forward(hours=3)
    page = await visited(stage)
    assert "*Your pods in November*: 3h" in page.screen
    [chart] = [block for block in page.blocks if block["type"] == "data_visualization"]
    assert (chart["title"], chart["chart"]["series"][0]["data"][-1]["value"]) == ("Hours per 2 days", 3)


async def test_where_slack_takes_no_chart_the_page_comes_without(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    stage.home.clock.forward(hours=1)
    stage.slack.fail_next("views.publish", "invalid_arguments")
    page = await visited(stage)
    assert "*Your pods in November*" in page.screen
    assert all(block["type"] != "data_visualization" for block in page.blocks)
