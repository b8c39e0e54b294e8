"""The double itself: it refuses what Slack refuses, and lets through what Slack lets through."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.slack_double import NotOnScreen, SlackDouble
from tests.slack_double.blockcheck import check_message, check_view

BUTTON = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "A"}, "value": "v"}
ACTIONS = {"type": "actions", "elements": [BUTTON]}


TABLE = {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}


def chart(categories: list[str], labels: list[str], series: int = 1) -> dict[str, Any]:
    data = [{"label": label, "value": 1} for label in labels]
    made = {"type": "bar", "series": [{"name": "s", "data": data}] * series, "axis_config": {"categories": categories}}
    return {"type": "data_visualization", "title": "T", "chart": made}


def text(words: str, kind: str = "mrkdwn") -> dict[str, Any]:
    return {"type": "section", "text": {"type": kind, "text": words}}


@pytest.fixture
async def slack() -> AsyncIterator[SlackDouble]:
    async with SlackDouble(ack_seconds=0.3, retry_delays=(0.0, 0.05, 0.05), burst=3) as double:
        double.user("U1", "ana")
        double.user("U2", "bob")
        double.channel("C1", "general")
        double.channel("C2", "private", bot=False)
        yield double


async def call(slack: SlackDouble, method: str, *, token: str | None = None, **args: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token or slack.bot_token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{slack.api_url}{method}", json=args, headers=headers) as answer,
    ):
        return {**await answer.json(), "status": answer.status, "retry_after": answer.headers.get("Retry-After")}


async def test_tokens_are_checked(slack: SlackDouble) -> None:
    assert (await call(slack, "auth.test"))["user_id"] == slack.bot
    assert (await call(slack, "auth.test", token="xoxb-other"))["error"] == "invalid_auth"
    assert (await call(slack, "auth.test", token=slack.app_token))["error"] == "not_allowed_token_type"
    assert (await call(slack, "apps.connections.open"))["error"] == "not_allowed_token_type"
    assert (await call(slack, "apps.connections.open", token=slack.app_token))["url"].startswith("ws://127.0.0.1")
    async with aiohttp.ClientSession() as session, session.post(f"{slack.api_url}auth.test") as answer:
        assert (await answer.json())["error"] == "not_authed"


async def test_arguments_come_in_four_ways(slack: SlackDouble) -> None:
    blocks = json.dumps([text("hi")])
    form = {"channel": "C1", "text": "hi", "blocks": blocks, "token": slack.bot_token}
    multipart = aiohttp.FormData(form, default_to_multipart=True)
    async with aiohttp.ClientSession() as session:
        for how in ({"data": form}, {"data": multipart}, {"params": form}, {"json": {**form, "blocks": [text("hi")]}}):
            slack.offset += 10
            async with session.post(f"{slack.api_url}chat.postMessage", **how) as answer:
                assert (await answer.json())["ok"]
    assert [post.screen for post in slack.messages("C1")] == ["hi"] * 4


async def test_channels_and_messages_that_are_not_there_are_refused(slack: SlackDouble) -> None:
    assert (await call(slack, "chat.postMessage", channel="C9", text="x"))["error"] == "channel_not_found"
    assert (await call(slack, "chat.postMessage", channel="C2", text="x"))["error"] == "not_in_channel"
    slack.channels["C1"].archived = True
    assert (await call(slack, "chat.postMessage", channel="C1", text="x"))["error"] == "is_archived"
    slack.channels["C1"].archived = False
    assert (await call(slack, "chat.update", channel="C1", ts="1", text="x"))["error"] == "message_not_found"
    theirs = slack.store("C1", "U1", "mine", [])
    assert (await call(slack, "chat.update", channel="C1", ts=theirs.ts, text="x"))["error"] == "cant_update_message"
    assert (await call(slack, "conversations.open", users="U9"))["error"] == "user_not_found"
    slack.scopes.discard("users:read")
    assert (await call(slack, "users.info", user="U1"))["error"] == "missing_scope"
    slack.deactivated.add("U1")
    assert (await call(slack, "conversations.open", users="U1"))["error"] == "user_disabled"
    assert (await call(slack, "chat.postMessage", channel="C1"))["error"] == "no_text"
    refused = await call(slack, "chat.postEphemeral", channel="C1", user="U9", text="x")
    assert refused["error"] == "user_not_in_channel"
    assert (await call(slack, "made.up"))["error"] == "unknown_method"


async def test_an_update_needs_the_channel_that_the_post_returned(slack: SlackDouble) -> None:
    posted = await call(slack, "chat.postMessage", channel="U1", text="hello")
    assert posted["channel"].startswith("D")
    refused = await call(slack, "chat.update", channel="U1", ts=posted["ts"], text="x")
    assert refused["error"] == "channel_not_found"
    assert (await call(slack, "chat.update", channel=posted["channel"], ts=posted["ts"], text="x"))["ok"]


async def test_an_edit_keeps_the_blocks_that_it_leaves_out(slack: SlackDouble) -> None:
    posted = await call(slack, "chat.postMessage", channel="C1", text="a", blocks=[text("b")])
    await call(slack, "chat.update", channel="C1", ts=posted["ts"], text="c")
    [post] = slack.messages("C1")
    assert (post.text, post.screen) == ("c", "b")
    await call(slack, "chat.update", channel="C1", ts=posted["ts"], text="d", blocks=[])
    assert post.screen == "d"


async def test_a_burst_is_answered_with_429_until_some_time_has_passed(slack: SlackDouble) -> None:
    answers = [await call(slack, "chat.postMessage", channel="C1", text="x") for _ in range(4)]
    assert [answer["status"] for answer in answers] == [200, 200, 200, 429]
    assert (answers[3]["error"], answers[3]["retry_after"]) == ("ratelimited", "1")
    slack.offset += 1
    assert (await call(slack, "chat.postMessage", channel="C1", text="x"))["ok"]


@pytest.mark.parametrize(
    "blocks",
    [
        [text("x")] * 51,
        [text("x" * 3001)],
        [text("")],
        [{"type": "section"}],
        [{"type": "nonsense"}],
        [{"type": "input", "label": {"type": "plain_text", "text": "l"}}],
        [{"type": "actions", "elements": []}],
        [{"type": "actions", "elements": [BUTTON] * 2}],
        [{"type": "actions", "elements": [{**BUTTON, "text": {"type": "mrkdwn", "text": "A"}}]}],
        [{"type": "actions", "elements": [{**BUTTON, "text": {"type": "plain_text", "text": "A" * 76}}]}],
        [{"type": "actions", "elements": [{**BUTTON, "value": "v" * 2001}]}],
        [{"type": "actions", "elements": [{**BUTTON, "style": "green"}]}],
        [{"type": "actions", "elements": [{**BUTTON, "colour": "red"}]}],
        [{"type": "header", "text": {"type": "plain_text", "text": "h" * 151}}],
        [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
        [{**text("x"), "block_id": "same"}, {**text("y"), "block_id": "same"}],
        [text("x" * 2900)] * 5,
        [TABLE] * 2,
        [chart(["a", "b"], ["a"])],
        [chart(["a", "a"], ["a", "a"])],
        [chart(["a"], ["a"], series=2)],
        [chart(["a"], ["a"])] * 3,
    ],
)
async def test_blocks_that_slack_refuses_are_refused(slack: SlackDouble, blocks: list[Any]) -> None:
    assert check_message(blocks)
    answer = await call(slack, "chat.postMessage", channel="C1", text="x", blocks=blocks)
    assert answer["error"] in ("invalid_blocks", "msg_blocks_too_long")
    assert slack.messages("C1") == []
    assert slack.complaints


def test_blocks_that_slack_takes_are_taken() -> None:
    assert check_message([text("x" * 3000), ACTIONS, {"type": "divider"}, TABLE, chart(["a"], ["a"])]) == []
    assert check_view({"type": "home", "blocks": [text("x")]}) == []
    assert check_view({"type": "modal", "blocks": []})


async def test_a_trigger_opens_one_modal_within_three_seconds(slack: SlackDouble) -> None:
    modal = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": [text("x")]}
    assert (await call(slack, "views.open", trigger_id="1.2", view=modal))["error"] == "invalid_trigger_id"
    trigger = slack.trigger("U1")
    assert (await call(slack, "views.open", trigger_id=trigger, view={"type": "home", "blocks": []}))["error"] == (
        "invalid_arguments"
    )
    trigger = slack.trigger("U1")
    assert (await call(slack, "views.open", trigger_id=trigger, view=modal))["ok"]
    assert (await call(slack, "views.open", trigger_id=trigger, view=modal))["error"] == "exchanged_trigger_id"
    late = slack.trigger("U1")
    slack.offset += 3.1
    assert (await call(slack, "views.open", trigger_id=late, view=modal))["error"] == "expired_trigger_id"
    assert [view.user for view in slack.views] == ["U1"]


async def test_a_home_tab_is_published_over_the_one_that_was_seen(slack: SlackDouble) -> None:
    page = {"type": "home", "blocks": [text("x")]}
    assert (await call(slack, "views.publish", user_id="U9", view=page))["error"] == "user_not_found"
    first = (await call(slack, "views.publish", user_id="U1", view=page))["view"]["hash"]
    assert (await call(slack, "views.publish", user_id="U1", view=page, hash=first))["ok"]
    assert (await call(slack, "views.publish", user_id="U1", view=page, hash=first))["error"] == "hash_conflict"


async def test_nobody_enters_what_a_form_does_not_offer(slack: SlackDouble) -> None:
    options = [{"text": {"type": "plain_text", "text": "A"}, "value": "a"}]
    element = {"type": "static_select", "action_id": "value", "options": options}
    field = {"type": "input", "block_id": "f", "label": {"type": "plain_text", "text": "F"}, "element": element}
    modal = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": [field]}
    modal["submit"] = {"type": "plain_text", "text": "Go"}
    assert (await call(slack, "views.open", trigger_id=slack.trigger("U1"), view=modal))["ok"]
    [view] = slack.views
    for user, given in (("U2", {"f": "a"}), ("U1", {"f": "b"}), ("U1", {"g": "a"}), ("U1", {})):
        with pytest.raises(NotOnScreen):
            await slack.submit(user, view, **given)


async def test_a_message_without_text_is_complained_of(slack: SlackDouble) -> None:
    assert (await call(slack, "chat.postMessage", channel="C1", blocks=[text("x")]))["ok"]
    assert slack.complaints == ["missing_text_in_message"]


async def test_a_response_url_takes_five_posts_in_half_an_hour(slack: SlackDouble) -> None:
    await slack.command("U1", "C1", "/pod", "x")
    async with aiohttp.ClientSession() as session:
        url = f"{slack.base}/hooks/{next(iter(slack.hooks))}"
        for n in range(7):
            async with session.post(url, json={"text": "hi"}) as answer:
                assert answer.status == (200 if n < 5 else 404)
    assert len(slack.ephemerals("U1")) == 5
    assert slack.messages("C1") == []
    await slack.command("U1", "C1", "/pod", "x")
    slack.offset += 31 * 60
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{slack.base}/hooks/{list(slack.hooks)[1]}", json={"text": "late"}) as answer,
    ):
        assert answer.status == 404


Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def app_at(handler: Handler) -> AsyncIterator[str]:
    made = web.Application()
    made.router.add_post("/slack/events", handler)
    runner = web.AppRunner(made, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    finally:
        await runner.cleanup()


async def test_a_late_or_refused_acknowledgement_is_what_the_person_sees(slack: SlackDouble) -> None:
    held = asyncio.Event()

    async def late(_: web.Request) -> web.Response:
        await held.wait()
        return web.Response()

    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=500)

    async with app_at(late) as url:
        slack.deliver_to(url)
        assert (await slack.command("U1", "C1", "/pod")).error == "operation_timeout"
        held.set()
    async with app_at(broken) as url:
        slack.deliver_to(url)
        assert (await slack.command("U1", "C1", "/pod")).error == "dispatch_failed"


async def test_an_event_comes_again_with_the_same_id_until_it_is_acknowledged(slack: SlackDouble) -> None:
    seen: list[tuple[str, str | None]] = []

    async def third_time_lucky(request: web.Request) -> web.Response:
        seen.append(((await request.json())["event_id"], request.headers.get("X-Slack-Retry-Num")))
        return web.Response(status=200 if len(seen) == 3 else 500)

    async with app_at(third_time_lucky) as url:
        slack.deliver_to(url)
        ack = await slack.event({"type": "app_home_opened", "user": "U1"})
    assert (ack.ok, ack.retries) == (True, 2)
    assert [number for _, number in seen] == [None, "1", "2"]
    assert len({event for event, _ in seen}) == 1


async def test_what_an_acknowledgement_says_is_seen_by_the_asker_only(slack: SlackDouble) -> None:
    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        return web.json_response({"text": f"you typed {form['text']}"})

    async with app_at(answer) as url:
        slack.deliver_to(url)
        await slack.command("U1", "C1", "/pod", "a < b & @bob")
    [post] = slack.ephemerals("U1")
    assert post.text == "you typed a &lt; b &amp; <@U2|bob>"


async def test_people_press_only_what_is_on_their_screen(slack: SlackDouble) -> None:
    post = slack.store("C1", slack.bot, "x", [ACTIONS])
    only_for_ana = slack.store("C1", slack.bot, "x", [ACTIONS], only_for="U1")
    asking = slack.store("C1", slack.bot, "x", [{"type": "actions", "elements": [{**BUTTON, "confirm": {}}]}])
    with pytest.raises(NotOnScreen, match="no b on screen"):
        await slack.click("U1", post, "b")
    with pytest.raises(NotOnScreen, match="does not see"):
        await slack.click("U2", only_for_ana, "a")
    with pytest.raises(NotOnScreen, match="confirmation"):
        await slack.click("U1", asking, "a")
    slack.edit(post, "y", [])
    with pytest.raises(NotOnScreen):
        await slack.click("U1", post, "a")


async def test_socket_addresses_are_for_one_use_and_each_envelope_goes_to_one_socket(slack: SlackDouble) -> None:
    ticket = slack.sockets.ticket()
    async with aiohttp.ClientSession() as session:
        first = await session.ws_connect(ticket)
        assert (await first.receive_json())["type"] == "hello"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(ticket)
        second = await session.ws_connect(slack.sockets.ticket())
        assert (await second.receive_json())["num_connections"] == 2
        sent = asyncio.create_task(slack.command("U1", "C1", "/pod", "help"))
        envelope = await second.receive_json()
        assert (envelope["type"], envelope["payload"]["text"]) == ("slash_commands", "help")
        await second.send_json({"envelope_id": envelope["envelope_id"]})
        assert (await sent).ok
        await slack.sockets.disconnect("warning")
        assert (await first.receive_json())["reason"] == "warning", "the envelope did not come here"
        await first.close()
        await second.close()
    await slack.until(lambda: not slack.sockets.connected)
    assert (await slack.command("U1", "C1", "/pod")).error == "dispatch_failed"


async def test_until_fails_with_what_was_seen(slack: SlackDouble) -> None:
    slack.store("C1", slack.bot, "the last words", [])
    with pytest.raises(AssertionError, match="the last words"):
        await slack.until(lambda: False, timeout=0.1)


async def test_an_answer_in_a_thread_needs_a_message_to_answer_and_is_not_in_the_channel(slack: SlackDouble) -> None:
    parent = await call(slack, "chat.postMessage", channel="C1", text="parent")
    for ts, expected in (("1.2", "cannot_reply_to_message"), (parent["ts"], None)):
        answer = await call(slack, "chat.postMessage", channel="C1", text="below", thread_ts=ts)
        assert answer.get("error") == expected
    [post] = slack.messages("C1")
    assert [reply.text for reply in slack.replies(post)] == ["below"]
    assert (await call(slack, "chat.delete", channel="C1", ts=parent["ts"]))["ok"]
    refused = await call(slack, "chat.postMessage", channel="C1", text="below", thread_ts=parent["ts"])
    assert refused["error"] == "cannot_reply_to_message"


async def test_a_file_is_announced_sent_and_shared(slack: SlackDouble) -> None:
    announced = await call(slack, "files.getUploadURLExternal", filename="log.txt", length=5)
    share: dict[str, Any] = {"files": [{"id": announced["file_id"], "title": "Log"}], "channel_id": "C1"}
    assert (await call(slack, "files.completeUploadExternal", **share))["error"] == "file_not_found"
    async with aiohttp.ClientSession() as session:
        for content, status in ((b"too long", 400), (b"lines", 200)):
            async with session.post(announced["upload_url"], data=content) as answer:
                assert answer.status == status
    assert (await call(slack, "files.completeUploadExternal", **share, initial_comment="here"))["ok"]
    [post] = slack.messages("C1")
    assert [(file.name, file.title, file.content) for file in post.files] == [("log.txt", "Log", b"lines")]
    slack.scopes.discard("files:write")
    refused = await call(slack, "files.getUploadURLExternal", filename="log.txt", length=5)
    assert (refused["error"], refused["needed"]) == ("missing_scope", "files:write")


async def test_blocks_that_a_workspace_does_not_take_yet_are_refused_without_a_complaint(slack: SlackDouble) -> None:
    slack.refused_blocks.add("divider")
    refused = await call(slack, "chat.postMessage", channel="C1", text="x", blocks=[{"type": "divider"}])
    assert (refused["error"], slack.complaints) == ("invalid_blocks", [])
