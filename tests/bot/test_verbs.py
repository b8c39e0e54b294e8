"""The other words of `/pod`: who sees the answer, and what it says."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bot.verbs import VERBS
from core.model import PortModel, Status
from core.service import StartRequest
from tests.bot.conftest import ANA, BOB, EVE, GENERAL, Stage, staged
from tests.slack_double import SlackDouble


async def test_help_shows_every_word_to_the_asker_only(stage: Stage) -> None:
    post = await stage.told("help")
    for verb in VERBS:
        assert f"/pod {verb}" in post.text
    post = await stage.told("help start")
    assert "--network-volume" in post.screen
    assert "For example `/pod start hello --name demo --idle 1h`" in post.text
    assert "For example `/pod keep hello-1 2h`" in (await stage.told("help keep")).text
    assert stage.slack.messages(GENERAL) == []


async def test_network_volumes_are_listed_with_how_many_pods_mount_them(stage: Stage) -> None:
    assert "There are no network volumes" in (await stage.told("volumes")).text
    await stage.home.house.services.volumes.create(await stage.home.local(), "datasets", "20g")
    await stage.started("start hello --network-volume datasets")
    assert "`datasets` · 20g · mounted by 1 pod · of local admin" in (await stage.told("volumes")).text


async def test_templates_are_listed(stage: Stage) -> None:
    post = await stage.told("templates")
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


async def test_a_long_list_is_turned_page_by_page(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack, max_pods_per_user=50) as stage:
        ana = await stage.home.member(ANA)
        for n in range(45):
            await stage.home.pods.start(ana, StartRequest(template="hello", name=f"pod-{n:02}"))
            stage.home.clock.forward(seconds=1)
        page = await stage.told("list")
        assert "45 pods*, 1 to 20, newest first" in page.screen
        assert page.buttons == ["Older"]
        await slack.click(ANA, page, "pod_list_older")
        await stage.shows(page, "21 to 40")
        assert "pod-24" in page.screen
        await slack.click(ANA, page, "pod_list_older")
        await stage.shows(page, "41 to 45")
        assert page.buttons == ["Newer"]
        await slack.click(ANA, page, "pod_list_newer")
        await stage.shows(page, "21 to 40")
        assert page.buttons == ["Newer", "Older"]
        assert len(slack.ephemerals(ANA)) == 1


async def test_show_says_all_but_the_environment(stage: Stage) -> None:
    await stage.started("start hello --name demo --env TOKEN=tiger")
    pod = await stage.only_pod()
    post = await stage.told("show dem")
    for words in (pod.id, "busybox:stable", "0.25 vCPU", "64m memory", "owner ana", "<!date^"):
        assert words in post.screen
    assert "tiger" not in post.text + post.screen
    assert post.buttons == ["Open", "Keep 1 h", "Stop", "Start another…"]


async def test_logs_are_shown_in_a_block_and_cannot_mention_anybody(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    pod = await stage.only_pod()
    post = await stage.told("logs demo --tail 5")
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
    assert "demo is already stopped (EXITED), so it cannot be stopped now. You can resume or terminate it." in post.text


async def test_somebody_elses_pod_is_left_alone_by_every_word(stage: Stage) -> None:
    await stage.started("start hello --name anas")
    for line in ("show anas", "stop anas", "restart anas", "terminate anas", "logs anas", "why anas", "keep anas 1h",
                 "expose anas 81", "unexpose anas 8080"):  # fmt: skip
        post = await stage.told(line, BOB)
        assert "anas belongs to ana. Ask them, or an admin." in post.text
    pod = await stage.only_pod()
    assert (pod.status, pod.keep_until, pod.spec.http_ports) == (Status.RUNNING, None, (8080,))
    await stage.pod("stop anas", EVE)
    await stage.slack.until(lambda: "stopped by eve" in stage.slack.messages(GENERAL)[-1].text)


@pytest.mark.parametrize("verb", ["show", "stop", "resume", "restart", "terminate", "logs", "why"])
async def test_a_missing_an_unknown_and_an_ambiguous_pod_are_explained(stage: Stage, verb: str) -> None:
    assert f"for example /pod {verb} hello-1" in (await stage.told(verb)).text
    await stage.home.started(await stage.home.member(ANA), name="demo-one")
    await stage.home.started(await stage.home.member(ANA), name="demo-two")
    assert "Did you mean demo-two" in (await stage.told(f"{verb} demotwo")).text
    assert "fits 2 pods" in (await stage.told(f"{verb} demo")).text


async def test_who_is_not_allowed_learns_how_to_be(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("http", tmp_path / "data", slack, allowed_users=frozenset({BOB})) as stage:
        assert "Ask an admin to add your user id" in (await stage.told("list", ANA)).text
        assert "You have no pods" in (await stage.told("list", BOB)).text


async def test_an_engine_that_is_away_is_said_to_the_asker(stage: Stage) -> None:
    stage.home.engine.down = True
    post = await stage.told("start hello")
    assert "does not answer" in post.text
    assert stage.slack.messages(GENERAL) == []


async def test_ten_different_questions_at_once_each_get_their_answer(stage: Stage) -> None:
    await asyncio.gather(*(stage.pod("templates") for _ in range(10)))
    await stage.slack.until(lambda: len(stage.slack.ephemerals(ANA)) == 10)


async def test_keep_is_told_in_one_message_and_can_be_taken_back(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    await stage.pod("keep demo 2h")
    [_, post] = await stage.slack.until(
        lambda: len(stage.slack.messages(GENERAL)) == 2 and stage.slack.messages(GENERAL)
    )
    until = stage.home.clock() + timedelta(hours=2)
    assert f"`demo` is kept until <!date^{int(until.timestamp())}^" in post.text
    assert f"By <@{ANA}>" in post.screen
    assert (await stage.only_pod()).keep_until == until
    assert "kept until <!date^" in (await stage.told("show demo")).screen
    await stage.pod("keep demo 0")
    posts = await stage.slack.until(lambda: stage.slack.messages(GENERAL)[2:])
    assert "`demo` is not kept any more" in posts[0].text
    assert "kept until" not in (await stage.told("show demo")).screen


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("keep demo", "Which duration? Write it after the pod, for example /pod keep hello-1 2h."),
        ("keep", "Which pod? Write it after keep, for example /pod keep hello-1 2h."),
        ("keep demo 30", "keep: '30' is not a duration"),
        ("keep demo -1m", "'-1m' is not a duration"),
        ("keep demo 1e9h", "'1e9h' is not a duration"),
        ("keep demo ٣٠m", "'٣٠m' is not a duration"),
        ("keep demo 31d", "at most 30d at a time"),
        ("keep demo for 2h", "takes a pod and a duration, and '2h' is one too many"),
        ("expose demo", "Which port? Write it after the pod, for example /pod expose hello-1 8888."),
        ("expose demo 70000", "'70000' is not a port"),
        ("expose demo 22/tcp", "carries no TCP ports"),
        ("unexpose demo 81", "demo has no port 81 with an address. It has: 8080/http."),
        ("why demo now", "takes one pod"),
    ],
)
async def test_what_is_wrong_is_said_to_the_asker_only_and_nothing_is_changed(
    stage: Stage, typed: str, answer: str
) -> None:
    await stage.home.started(await stage.home.member(ANA), name="demo")
    assert answer in (await stage.told(typed)).text
    pod = await stage.only_pod()
    assert (pod.keep_until, pod.spec.ports) == (None, (PortModel(number=8080),))
    assert stage.slack.messages(GENERAL) == []


async def test_why_says_it_in_words_and_its_times_in_the_readers_zone(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    ready = stage.home.clock().timestamp()
    stage.home.clock.forward(minutes=10)
    post = await stage.told("why demo")
    assert "`demo`: idle 10m of 30m" in post.text
    for what, minutes in (("warning", 25), ("stop", 30)):
        assert f"{what} at <!date^{int(ready + minutes * 60)}^{{time}}|14:{minutes:02} UTC>" in post.screen
    stage.home.gateway.count((await stage.only_pod()).id, 8080, in_flight=1)
    busy = await stage.told("why demo")
    assert "`demo`: busy: 1 request in flight on 8080" in busy.text
    assert "warning" not in busy.screen
    stage.home.gateway.count((await stage.only_pod()).id, 8080, in_flight=-1)
    await stage.pod("stop demo")
    await stage.slack.until(lambda: "is stopped" in stage.slack.messages(GENERAL)[-1].text)
    assert "`demo`: not running (EXITED): stopped by ana" in (await stage.told("why demo")).text


async def test_a_port_is_given_an_address_and_loses_it_again(stage: Stage) -> None:
    await stage.started("start hello --name demo")
    pod = await stage.only_pod()
    await stage.pod("expose demo 8888")
    [_, post] = await stage.slack.until(
        lambda: len(stage.slack.messages(GENERAL)) == 2 and stage.slack.messages(GENERAL)
    )
    assert f"http://{pod.id}-8888.proxy.localhost:8080" in post.screen
    assert f"Port 8888 exposed by <@{ANA}>" in post.screen
    assert post.buttons == ["Open", "Open 8888/http", "Keep 1 h", "Stop"]
    await stage.pod("unexpose demo 8888")
    posts = await stage.slack.until(lambda: stage.slack.messages(GENERAL)[2:])
    assert "-8888." not in posts[0].screen
    assert (await stage.only_pod()).spec.http_ports == (8080,)


async def test_a_tcp_port_is_shown_with_its_address_and_no_button_opens_it(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack, tcp_ports=(30022,)) as stage:
        await stage.started("start hello --name demo")
        await stage.pod("expose demo 22/tcp")
        [_, post] = await slack.until(lambda: len(slack.messages(GENERAL)) == 2 and slack.messages(GENERAL))
        assert "tcp://127.0.0.1:30022" in post.screen
        assert post.buttons == ["Open", "Keep 1 h", "Stop"]
        assert "tcp://127.0.0.1:30022" in (await stage.told("show demo")).screen


async def test_show_says_by_which_rules_a_pod_ends_and_comes_back(stage: Stage) -> None:
    await stage.started(
        "start hello --name demo --idle 1h --warning 10m --for 12h --wake auto --ignore /health"
        " --ignore agent:UptimeRobot --ignore method:HEAD"
    )
    screen = (await stage.told("show demo")).screen
    assert "Stops by itself after 1h without traffic, and after 12h in any case" in screen
    assert "its owner is warned 10m before" in screen
    assert "while it is stopped, a visit starts it" in screen
    assert "served, but no use: `/health`, agent `UptimeRobot`, `HEAD`" in screen
    assert "match every request" not in screen


async def test_show_says_that_rules_match_every_request(stage: Stage) -> None:
    await stage.started("start hello --name demo --ignore /")
    assert "These rules match every request, so none counts." in (await stage.told("show demo")).screen
    assert "its ignore rules match every request, so none counts" in (await stage.told("why demo")).text
