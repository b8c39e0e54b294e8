"""What the admins are told in their channel, whoever's pod it is about, and how often."""

from pathlib import Path

from core.engines.base import Order
from core.engines.fake import Script
from tests.bot.conftest import ANA, EVE, staged
from tests.houses import PoorEngine
from tests.slack_double import SlackDouble

ADMINS = "CADMINS"
SETTINGS = {"admins": frozenset({EVE}), "slack_admin_channel": ADMINS}


async def test_a_stop_that_fails_is_told_to_the_admins_too(tmp_path: Path, slack: SlackDouble) -> None:
    slack.channel(ADMINS, "admins")
    async with staged("socket", tmp_path / "data", slack, **SETTINGS) as stage:
        await stage.started("start hello --name demo")
        stage.home.engine.stop_fails = True
        stage.home.clock.forward(minutes=31)
        await stage.home.house.reaper.tick(stage.home.clock())
        stage.home.clock.forward(minutes=5)
        await stage.home.house.reaper.tick(stage.home.clock())
        [told] = await slack.until(lambda: slack.messages(ADMINS))
        assert told.text.startswith("Could not stop demo")
        stage.home.engine.stop_fails = False
        # Their owner cannot be told for a while; the admins do not hear of it again with each attempt.
        for _ in range(2):
            slack.fail_next("conversations.open", "internal_error")
        await slack.until(lambda: any("Could not stop" in post.text for post in slack.directs(ANA)), timeout=30)
        assert slack.messages(ADMINS) == [told]


async def test_what_runs_without_a_pod_is_told_to_the_admins(tmp_path: Path, slack: SlackDouble) -> None:
    slack.channel(ADMINS, "admins")
    async with staged("socket", tmp_path / "data", slack, **SETTINGS) as stage:
        home = stage.home
        await stage.started("start hello --name demo")
        stray = (await stage.only_pod()).model_copy(update={"id": "strangeorphan1"})
        async for _ in home.engine.start(Order(pod=stray, address="10.255.9.9")):
            pass
        slack.fail_next("chat.postMessage", "internal_error")
        await home.house.reconciler.tick(home.clock())
        [told] = await slack.until(lambda: slack.messages(ADMINS), what="for the orphan, in spite of Slack's trouble")
        assert "fake-strangeorphan1-1 ran without a pod that claims it; it was halted and left" in told.screen
        assert "`strangeorphan1`" in told.text
        await home.house.reconciler.tick(home.clock())
        assert "`demo`" in (await stage.idle()).text
        assert slack.messages(ADMINS) == [told]
        assert len(slack.directs(ANA)) == 1


async def test_a_balance_that_is_used_up_is_told_to_the_admins_once_until_a_start_succeeds(
    tmp_path: Path, slack: SlackDouble
) -> None:
    slack.channel(ADMINS, "admins")
    engine = PoorEngine()
    async with staged("socket", tmp_path / "data", slack, engine=engine, **SETTINGS) as stage:

        async def fails(name: str) -> None:
            await stage.home.started(await stage.home.member(ANA), name=name)
            await slack.until(lambda: any(f"`{name}` has failed" in post.text for post in slack.directs(ANA)))

        await fails("one")
        [told] = slack.messages(ADMINS)
        assert told.text.startswith("No pod can be started: The balance is used up: you have &lt;$0&gt;.")
        await fails("two")
        await stage.restart()
        await fails("three")
        assert slack.messages(ADMINS) == [told]
        engine.script = Script.NO_IMAGE
        engine.credit = True
        await fails("four")
        engine.script, engine.credit = Script.OK, False
        await fails("five")
        assert slack.messages(ADMINS) == [told], (
            "a start that fails for another reason does not mean that there is credit"
        )
        engine.credit = True
        await stage.started("start hello --name demo")
        engine.credit = False
        await fails("six")
        assert len(slack.messages(ADMINS)) == 2


async def test_a_balance_that_nobody_could_be_told_of_is_told_with_the_next_start(
    tmp_path: Path, slack: SlackDouble
) -> None:
    slack.channel(ADMINS, "admins", bot=False)
    async with staged("socket", tmp_path / "data", slack, engine=PoorEngine(), **SETTINGS) as stage:
        for name in ("one", "two"):
            await stage.home.started(await stage.home.member(ANA), name=name)
            await slack.until(lambda name=name: any(f"`{name}` has failed" in post.text for post in slack.directs(ANA)))
            assert len(slack.messages(ADMINS)) == (name == "two")
            slack.channels[ADMINS].members.add(slack.bot)
