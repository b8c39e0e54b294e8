"""The walk through the whole house: Slack, a real container, the gateway, silence, the notice, and an assistant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from core.model import Pod, Status
from tests.bot.conftest import ANA, GENERAL, populate
from tests.e2e.parts import Place, RealHouse
from tests.e2e.scripts import shell
from tests.helpers import until
from tests.parts import Images
from tests.slack_double import SlackDouble

IDLE = timedelta(seconds=3)
GREETING = "hello-from-inside"


@asynccontextmanager
async def walk(place: Place, slack: SlackDouble, mode: str, **more: Any) -> AsyncIterator[RealHouse]:
    """A house with both faces, reached by Slack in one of its two ways."""
    given: dict[str, Any] = more | {"slack_bot_token": SecretStr(slack.bot_token), "slack_api_url": slack.api_url}
    if mode == "socket":
        given["slack_app_token"] = SecretStr(slack.app_token)
    else:
        given["slack_signing_secret"] = SecretStr(slack.signing_secret)
        slack.deliver_to(f"{place.url}/slack/events")
    async with place.served(**given) as home:
        if mode == "socket":
            await slack.until(lambda: slack.sockets.connected, what="for the socket")
        yield home


@asynccontextmanager
async def visitor(home: RealHouse, pod: Pod) -> AsyncIterator[list[int]]:
    """Somebody who asks for a page three times a second; the statuses they got."""
    got: list[int] = []

    async def visit() -> None:
        while True:
            got.append((await home.ask(pod)).status)
            await asyncio.sleep(0.3)

    task = asyncio.create_task(visit())
    try:
        yield got
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_pod_lives_from_slack_while_it_is_used_and_an_assistant_ends_it(
    mode: str, place: Place, busybox_image: Images
) -> None:
    await the_walk(place, busybox_image.web, mode)


async def the_walk(place: Place, image: str, mode: str, **more: Any) -> None:
    """All of it; `more`: settings of the house, and its engine."""
    args = shell(f"mkdir /www; echo {GREETING} > /www/index.html; exec httpd -f -p 8080 -h /www")
    place.template("web", image, args=args, idle={"timeout": f"{IDLE.seconds}s"})
    async with SlackDouble(burst=20) as slack:
        populate(slack)
        async with walk(place, slack, mode, **more) as home:
            pod = await _starts(home, slack)
            await _traffic_keeps_it(home, pod)
            await _silence_stops_it(home, slack, pod)
            again = await _starts_again(home, slack, pod)
            async with visitor(home, again):
                await _an_assistant_ends_it(place, home, again)
            assert (await home.ask(again)).status == 404
        assert slack.complaints == []


async def _starts(home: RealHouse, slack: SlackDouble) -> Pod:
    ack = await slack.command(ANA, GENERAL, "/pod", "start web")
    assert ack.ok, ack.error
    await slack.until(lambda: slack.messages(GENERAL), what="for the live message")
    [live] = slack.messages(GENERAL)
    await slack.until(lambda: "is running" in live.screen or "failed" in live.screen, 30, "for the pod")
    [pod] = await home.pods.list(await home.me(), everyone=True)
    [port] = home.pods.urls(pod)
    assert port.url == f"http://{pod.id}-8080.proxy.localhost:{home.site.port}"
    assert port.url in live.text
    answer = await home.ask(pod)
    assert (answer.status, answer.text.strip()) == (200, GREETING)
    return pod


async def _traffic_keeps_it(home: RealHouse, pod: Pod) -> None:
    async with visitor(home, pod) as got:

        async def past_its_time() -> bool:
            last = (await home.look(pod)).last_active_at
            return last is not None and pod.ready_at is not None and last - pod.ready_at > IDLE * 1.5

        await until(past_its_time, 15)
    assert set(got) == {200}
    found = await home.look(pod)
    assert (found.status, found.run) == (Status.RUNNING, 1)


async def _silence_stops_it(home: RealHouse, slack: SlackDouble, pod: Pod) -> None:
    await home.becomes(pod, Status.EXITED)
    answer = await home.ask(pod)
    assert (answer.status, answer.gateway) == (503, "sleeping")
    await slack.until(lambda: "was stopped" in slack.directs(ANA)[-1].screen, what="for the notice")
    notice = slack.directs(ANA)[-1]
    assert "nobody used it for" in notice.screen
    assert any("will be stopped at" in before for _, before in notice.edits), "it was the warning before"


async def _starts_again(home: RealHouse, slack: SlackDouble, pod: Pod) -> Pod:
    notice = slack.directs(ANA)[-1]
    ack = await slack.click(ANA, notice, "pod_start_again")
    assert ack.ok, ack.error
    found = await home.becomes(pod, Status.RUNNING)
    answer = await home.ask(pod)
    assert (answer.status, answer.text.strip()) == (200, GREETING)
    assert found.run == 2
    return found


async def _an_assistant_ends_it(place: Place, home: RealHouse, pod: Pod) -> None:
    async with place.client() as assistant:
        listed = await assistant.call("pod_list", {"everyone": True, "detail": "full"})
        assert [(p["id"], p["status"], p["via"]) for p in listed["pods"]] == [(pod.id, "RUNNING", "slack")]
        assert listed["pods"][0]["url"] == home.pods.urls(pod)[0].url
        ended = await assistant.call("pod_terminate", {"pod": pod.name})
        assert ended["status"] == "TERMINATED"
