"""Personal tokens in Slack: shown once and to nobody else, good for MCP as the person who made them, until revoked."""

import asyncio
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from tests.bot.conftest import ANA, BOB, GENERAL, Stage, staged
from tests.helpers import free_port
from tests.mcp_server.conftest import serving
from tests.slack_double import SlackDouble


def secret_in(text: str) -> str:
    """The token that a message shows."""
    return next(word for word in text.split() if word.startswith("pkp_"))


async def test_a_token_is_shown_once_to_who_made_it_and_acts_as_them(stage: Stage) -> None:
    await stage.started("start hello --name anas")
    await stage.started("start hello --name bobs", user=BOB)
    secret = secret_in((await stage.told("token laptop")).text)
    listed = await stage.told("token")
    assert "`laptop` · good until" in listed.screen
    assert "never used" in listed.screen
    assert secret not in listed.text + listed.screen
    seen = [post for post in stage.slack.posts if secret in post.text]
    assert [(post.only_for, post.channel) for post in seen] == [(ANA, GENERAL)]
    async with serving(stage.home, free_port()) as served, served.client("auto", token=secret) as client:
        answer = await client.call_tool("pod_list", {})
        assert [pod["name"] for pod in (answer.structured_content or {})["pods"]] == ["anas"]
        refused = await client.call_tool("pod_stop", {"pod": "bobs"})
        assert "belongs to bob" in str(refused.content)
    assert "last used <!date^" in (await stage.told("token")).screen


async def test_a_revoked_token_opens_nothing_and_others_stay(stage: Stage) -> None:
    kept = secret_in((await stage.told("token kept")).text)
    stage.home.clock.forward(seconds=1)
    gone = secret_in((await stage.told("token gone")).text)
    listed = await stage.told("token")
    assert listed.buttons == ["Revoke", "Revoke", "New token"]
    [row] = [block for block in listed.blocks if "`gone`" in str(block)]
    ack = await stage.slack.click(ANA, listed, "pod_token_revoke")
    assert ack.payload["actions"][0]["value"] == row["accessory"]["value"]
    await stage.shows(listed, "`gone` is revoked")
    tokens = stage.home.house.services.tokens
    assert await tokens.caller(gone, "mcp") is None
    assert await tokens.caller(kept, "mcp") is not None
    async with serving(stage.home, free_port()) as served:
        with pytest.raises((MCPError, ExceptionGroup)):
            async with served.client("auto", token=gone):
                pass


async def test_nobody_revokes_the_token_of_another(stage: Stage) -> None:
    secret = secret_in((await stage.told("token mine")).text)
    listed = await stage.told("token")
    ack = await stage.slack.click(ANA, listed, "pod_token_new")
    await stage.slack.until(lambda: any("`assistant`" in post.text for post in stage.slack.ephemerals(ANA)))
    revoke = [e for e in listed.elements if e["action_id"] == "pod_token_revoke"]
    ack.payload["user"] = {"id": BOB, "username": "bob", "team_id": "T1"}
    ack.payload["actions"], ack.payload["trigger_id"] = [{**revoke[0], "type": "button"}], "other"
    assert (await stage.slack.again(ack)).ok
    [said] = await stage.slack.until(lambda: [p for p in stage.slack.posts if "You have no token" in p.text])
    assert said.only_for == ANA, "the answer goes where the click came from"
    assert await stage.home.house.services.tokens.caller(secret, "mcp") is not None


async def test_whoever_leaves_slack_leaves_no_token_behind(stage: Stage) -> None:
    secret = secret_in((await stage.told("token laptop")).text)
    bobs = secret_in((await stage.told("token laptop", user=BOB)).text)
    for user in ({"id": ANA, "deleted": False}, {"id": ANA, "deleted": True}):
        assert (await stage.slack.event({"type": "user_change", "user": user})).ok
    tokens = stage.home.house.services.tokens
    async with asyncio.timeout(10):
        while await tokens.caller(secret, "mcp") is not None:
            await asyncio.sleep(0.01)
    assert await tokens.caller(bobs, "mcp") is not None


async def test_a_token_that_cannot_be_shown_where_only_its_owner_sees_it_is_none(stage: Stage) -> None:
    listed = await stage.told("token")
    ack = await stage.slack.click(ANA, listed, "pod_token_new")
    await stage.slack.until(lambda: any("pkp_" in post.text for post in stage.slack.ephemerals(ANA)))
    stage.slack.offset += 31 * 60
    ack.payload["trigger_id"] += "9"
    await stage.slack.again(ack)
    [direct] = await stage.slack.until(lambda: stage.slack.directs(ANA))
    assert direct.text == "I could not show you the new token, so it is revoked. Ask again."
    assert len(await stage.home.house.services.tokens.list(await stage.home.member(ANA))) == 1


@pytest.mark.parametrize(("name", "words"), [("x" * 61, "1 to 60 characters"), ("'  '", "Your tokens")])
async def test_a_name_that_is_none_is_refused(stage: Stage, name: str, words: str) -> None:
    await stage.told("token first")
    assert words in (await stage.told(f"token {name}")).text


async def test_twenty_tokens_are_enough(tmp_path: Path, slack: SlackDouble) -> None:
    async with staged("socket", tmp_path / "data", slack) as stage:
        caller = await stage.home.member(ANA)
        for n in range(20):
            await stage.home.house.services.tokens.make(caller, f"t{n}")
        assert (
            "You have 20 tokens, and nobody may have more. Revoke one first." in (await stage.told("token more")).text
        )
        assert len((await stage.told("token")).buttons) == 21
