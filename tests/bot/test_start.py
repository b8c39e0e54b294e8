"""`/pod start`: acknowledged at once, one message that is edited, ends with the address or with the reason."""

import asyncio
import itertools
import logging
from pathlib import Path

import pytest

from core.engines.fake import FakeEngine, Script
from core.model import Gpu, Status
from core.units import parse_bytes
from tests.bot.conftest import ANA, EVE, GENERAL, PRIVATE, Stage, populate, staged
from tests.houses import REMARK, LimitedEngine
from tests.slack_double import SlackDouble


async def test_a_start_is_one_message_that_ends_with_the_address(stage: Stage) -> None:
    ack = await stage.pod("start hello")
    assert ack.seconds < 1
    [post] = await stage.slack.until(lambda: stage.slack.messages(GENERAL))
    await stage.shows(post, "is running")
    pod = await stage.only_pod()
    address = f"http://{pod.id}-8080.proxy.localhost:8080"
    assert address in post.text
    assert address in post.screen
    assert "Stops by itself after 30m without traffic" in post.screen
    assert "opens on the machine where Podkeeper runs" in post.screen
    assert f"<@{ANA}>" in post.screen
    assert post.buttons == ["Open", "Keep 1 h", "Stop"]
    assert next(e["url"] for e in post.elements if e["action_id"] == "pod_open_0") == address
    assert stage.slack.messages(GENERAL) == [post]
    assert stage.slack.ephemerals(ANA) == []
    assert (pod.owner_name, pod.via) == ("ana", "slack")


async def test_the_engines_limits_are_told_where_a_start_has_come_up(tmp_path: Path, slack: SlackDouble) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mute.yaml").write_text("{name: mute, description: No port., image: busybox:stable}")
    given = {"engine": LimitedEngine(), "templates_dir": tmp_path / "templates"}
    async with staged("socket", tmp_path / "data", slack, **given) as stage:
        post = await stage.started("start hello --name demo")
        escaped = REMARK.replace("<", "&lt;").replace(">", "&gt;")
        assert escaped in post.screen
        assert post.text.endswith(escaped)
        await slack.click(ANA, post, "pod_card_keep")
        await stage.shows(post, "Kept for an hour")
        assert escaped in post.screen
        await stage.pod("stop demo")
        [_, stopped] = await slack.until(lambda: len(slack.messages(GENERAL)) == 2 and slack.messages(GENERAL))
        await stage.shows(stopped, "is stopped")
        assert REMARK[:20] not in stopped.screen + stopped.text
        assert REMARK[:20] not in (await stage.started("start mute")).screen, "no web address, no limit of it"


async def test_of_several_kinds_of_gpu_the_first_to_be_had_is_taken(tmp_path: Path, slack: SlackDouble) -> None:
    engine = FakeEngine(gpus=[Gpu(uuid=f"GPU-{n}", type="NVIDIA L40S", memory=48 << 30) for n in range(2)])
    async with staged("socket", tmp_path / "data", slack, engine=engine) as stage:
        await stage.started("start hello --gpu “A100, L40S:2”")
        assert set((await stage.only_pod()).gpus) == {"GPU-0", "GPU-1"}
        assert "GPU A100, L40S:2" in (await stage.told("show hello-1")).screen


async def test_the_message_shows_the_steps_while_they_go(tmp_path: Path, slack: SlackDouble) -> None:
    engine = FakeEngine(script=Script.SLOW_PULL)
    async with staged("socket", tmp_path / "data", slack, engine=engine) as stage:
        await stage.pod("start hello --name demo")
        [post] = await slack.until(lambda: slack.messages(GENERAL))
        await stage.shows(post, "50 %")
        assert "`demo` is starting" in post.screen
        assert "▸ *get the image* ▰▰▰▰▰▱▱▱▱▱ 50 %" in post.screen
        assert "○ wait until it answers" in post.screen
        assert post.buttons == ["Cancel"]
        engine.proceed.set()
        await stage.shows(post, "is running")


@pytest.mark.parametrize(("minutes", "letters"), [(29, 0), (30, 1)])
async def test_a_start_that_took_long_is_told_directly_as_well(
    tmp_path: Path, slack: SlackDouble, minutes: int, letters: int
) -> None:
    engine = FakeEngine(script=Script.SLOW_PULL)
    async with staged("socket", tmp_path / "data", slack, engine=engine) as stage:
        await stage.pod("start hello --name demo")
        [post] = await slack.until(lambda: slack.messages(GENERAL))
        await stage.shows(post, "50 %")
        stage.home.clock.forward(minutes=minutes)
        engine.proceed.set()
        await stage.shows(post, "is running")
        await stage.pod("stop demo")
        [_, stopped] = await slack.until(lambda: len(slack.messages(GENERAL)) == 2 and slack.messages(GENERAL))
        await stage.shows(stopped, "is stopped")
        await slack.until(lambda: len(slack.directs(ANA)) >= letters)
        assert len(slack.directs(ANA)) == letters
        assert all("`demo` is running" in letter.screen for letter in slack.directs(ANA))


async def test_cancel_breaks_a_start_off_in_the_same_message(tmp_path: Path, slack: SlackDouble) -> None:
    engine = FakeEngine(script=Script.SLOW_START)
    async with staged("socket", tmp_path / "data", slack, engine=engine) as stage:
        await stage.pod("start hello")
        [post] = await slack.until(lambda: slack.messages(GENERAL))
        await engine.waiting.wait()
        assert (await slack.click(ANA, post, "pod_stop")).ok
        engine.proceed.set()
        await stage.shows(post, "is stopped")
        assert "stopped by ana" in post.screen
        assert slack.messages(GENERAL) == [post]
        assert await engine.list() == ()


async def test_options_are_read_however_they_are_written(stage: Stage) -> None:
    await stage.started(
        "start hello —name=demo --cpu 0.5 --memory=256m --volume 1g --env “GREETING=good day” --env A=1 --idle 1h"
    )
    pod = await stage.only_pod()
    assert (pod.name, pod.spec.cpu, pod.spec.memory) == ("demo", 0.5, parse_bytes("256m"))
    assert (pod.spec.volume, pod.spec.idle.timeout.total_seconds()) == (parse_bytes("1g"), 3600)
    assert {k: pod.spec.env[k] for k in ("GREETING", "A")} == {"GREETING": "good day", "A": "1"}
    shown = await stage.told("show demo")
    assert "good day" not in shown.screen + shown.text


async def test_a_failed_start_ends_with_the_reason_and_its_last_lines(tmp_path: Path, slack: SlackDouble) -> None:
    engine = FakeEngine(script=Script.EXITS)
    async with staged("http", tmp_path / "data", slack, engine=engine) as stage:
        await stage.pod("start hello")
        [post] = await slack.until(lambda: slack.messages(GENERAL))
        await stage.shows(post, "has failed")
        assert "exit code 3" in post.text
        assert "ended with code 3" in post.screen
        assert post.buttons == ["Start again", "Terminate…"]
        engine.script = Script.OK
        await slack.click(ANA, post, "pod_start_again")
        await stage.shows(post, "is running")
        assert slack.messages(GENERAL) == [post]
        assert slack.directs(ANA) == [], "the live message told it already"


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("start helo", "Did you mean hello?"),
        ("start hello --memory 10XB", "memory: '10XB' is not a size"),
        ("start hello --memroy 1g", "Did you mean --memory?"),
        ("start hello --memory", "--memory needs a value, for example --memory 8g"),
        ("start hello --name Größe", "name: 'Größe' is not allowed"),
        ("start hello --name <!channel>", "name: '&lt;!channel&gt;' is not allowed"),
        ("start hello --name a\x07b", "character that cannot be seen (U+0007)"),
        ("start hello --name " + "x" * 10_000, "at most 8,000 are read"),
        ("start hello " + "x" * 5_000, "is one too many"),
        ("start hello --gpu any", "GPU"),
        ("start hello --warning 1h", "warning: 1h is longer than the idle timeout, 30m"),
        ("start hello --for long", "lifetime: 'long' is not a duration"),
        ("start hello --ignore health", "ignore: 'health' is not a rule"),
        ("start hello --wake maybe", "wake: 'maybe' is not allowed. Write auto, button or off."),
        ("strat hello", "Did you mean /pod start [template] [options]?"),
    ],
)
async def test_what_is_wrong_is_said_to_the_asker_only_and_nothing_is_made(
    stage: Stage, typed: str, answer: str
) -> None:
    post = await stage.told(typed)
    assert answer in post.text
    assert len(post.text) < 700
    assert stage.slack.messages(GENERAL) == []
    assert await stage.home.pods.list(await stage.home.local(), everyone=True, ended=True) == ()


async def test_a_delivery_that_comes_twice_has_one_effect(stage: Stage) -> None:
    ack = await stage.pod("start hello")
    await stage.slack.again(ack)
    [post] = await stage.slack.until(lambda: stage.slack.messages(GENERAL))
    await stage.shows(post, "is running")
    await stage.only_pod()
    assert stage.slack.messages(GENERAL) == [post]


async def test_where_the_bot_is_not_invited_it_writes_directly_and_says_so(stage: Stage) -> None:
    await stage.pod("start hello", channel=PRIVATE)
    [post] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    await stage.shows(post, "is running")
    [said] = stage.slack.ephemerals(ANA)
    assert "I am not in this channel" in said.text
    assert f"`/invite` <@{stage.slack.bot}>" in said.text
    assert stage.slack.messages(PRIVATE) == []
    updates = [args["channel"] for method, args in stage.slack.calls if method == "chat.update"]
    assert set(updates) == {post.channel}


async def test_a_429_is_waited_out_and_the_end_still_comes(stage: Stage) -> None:
    stage.slack.fail_next("chat.postMessage", "ratelimited", status=429, retry_after=1)
    stage.slack.fail_next("chat.update", "ratelimited", status=429, retry_after=1)
    post = await stage.started()
    assert stage.slack.messages(GENERAL) == [post]


async def test_an_edit_that_fails_for_good_sends_the_end_directly(stage: Stage) -> None:
    engine = stage.home.engine
    engine.script = Script.SLOW_START
    await stage.pod("start hello")
    [post] = await stage.slack.until(lambda: stage.slack.messages(GENERAL))
    await engine.waiting.wait()
    post.deleted = True
    engine.proceed.set()
    [direct] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert "is running" in direct.text


async def test_edits_keep_their_pace_and_the_last_state_is_sent(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack, pace=0.4) as stage:
        post = await stage.started()
        times = [post.at, *(at for at, _ in post.edits)]
        assert all(later - earlier >= 0.39 for earlier, later in itertools.pairwise(times))
        assert "is running" in post.text


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_message_that_was_half_way_is_brought_to_its_end_after_a_restart(
    tmp_path: Path, slack: SlackDouble, mode: str
) -> None:
    engine = FakeEngine(script=Script.SLOW_PULL)
    async with staged(mode, tmp_path / "data", slack, engine=engine) as stage:
        await stage.pod("start hello --name demo")
        [post] = await slack.until(lambda: slack.messages(GENERAL))
        await stage.shows(post, "50 %")
        await stage.restart()
        engine.proceed.set()
        await stage.shows(post, "is running")
        assert f"Started by <@{ANA}>" in post.screen
        assert slack.messages(GENERAL) == [post]
        edits = len(post.edits)
        await stage.pod("stop demo")
        [_, stopped] = await slack.until(lambda: len(slack.messages(GENERAL)) == 2 and slack.messages(GENERAL))
        await stage.shows(stopped, "is stopped")
        await stage.restart()
        await stage.told("why demo")
        assert len(post.edits) == edits


async def test_our_own_bug_is_shown_as_a_reference_and_the_secret_stays_out_of_the_log(
    tmp_path: Path, slack: SlackDouble, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FakeEngine):
        async def check(self) -> str:
            raise RuntimeError("the engine's driver has a bug")

    async with staged("http", tmp_path / "data", slack, engine=Broken()) as stage:
        post = await stage.told("start hello --env PASSWORD=tiger")
        assert "Something went wrong on our side (ref " in post.text
        assert "Nothing more was done." in post.text
        reference = post.text.split("(ref ")[1][:4]
        assert f"(ref {reference})" in caplog.text
        assert "tiger" not in caplog.text + post.text
        assert "driver has a bug" not in post.text


async def test_200_starts_at_once_are_all_answered(tmp_path: Path) -> None:
    async with SlackDouble(burst=1000) as slack:
        populate(slack)
        async with staged("socket", tmp_path / "data", slack) as stage:
            acks = await asyncio.gather(*(slack.command(ANA, GENERAL, "/pod", "start hello") for _ in range(200)))
            assert all(ack.ok for ack in acks)
            await slack.until(lambda: len(slack.ephemerals(ANA)) == 195, timeout=60)
            assert all("5" in post.text and "pods" in post.text for post in slack.ephemerals(ANA))
            await slack.until(lambda: sum("is running" in p.text for p in slack.messages(GENERAL)) == 5, timeout=30)
            pods = await stage.home.pods.list(await stage.home.local(), everyone=True)
            assert [pod.status for pod in pods] == [Status.RUNNING] * 5
        assert slack.complaints == []


async def test_the_token_of_a_new_pod_is_given_to_its_owner_and_to_nobody_else(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await stage.started("start jupyter --name lab")
    [told] = await stage.slack.until(lambda: stage.slack.ephemerals(ANA))
    pod = await stage.only_pod()
    token = pod.spec.env["JUPYTER_TOKEN"]
    assert f"`JUPYTER_TOKEN`: `{token}`" in told.screen
    assert token in (await stage.told("show lab")).screen
    assert token not in (await stage.told("show lab", EVE)).screen
    assert all(token not in f"{post.text} {post.blocks} {post.edits}" for post in stage.slack.messages(GENERAL))
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("aiosqlite")]
    assert token not in "\n".join(ours)
