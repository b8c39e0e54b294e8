"""A yes that an assistant needs, asked of its person in Slack by a button, and of nobody else."""

from mcp_types import CallToolResult

from tests.bot.conftest import ANA, BOB, Stage
from tests.bot.test_tokens import secret_in
from tests.helpers import free_port
from tests.mcp_server.conftest import data, refusal, serving
from tests.slack_double import Post


async def wants(stage: Stage, secret: str) -> CallToolResult:
    async with serving(stage.home, free_port()) as served, served.client("auto", "Claude <3", secret) as client:
        return await client.call_tool("pod_terminate", {"pod": "anas"})


async def asked(stage: Stage) -> Post:
    [post] = await stage.slack.until(lambda: [p for p in stage.slack.posts if "wants your yes" in p.text])
    return post


async def begun(stage: Stage) -> tuple[str, Post]:
    await stage.started("start hello --name anas")
    secret = secret_in((await stage.told("token laptop")).text)
    told = refusal(await wants(stage, secret))
    assert "in Slack" in told
    return secret, await asked(stage)


async def test_the_button_says_yes_and_the_assistant_goes_on(stage: Stage) -> None:
    secret, question = await begun(stage)
    assert question.channel.startswith("D")
    assert "Claude &lt;3" in question.screen
    assert "Lost for good: its container disk" in question.screen
    await stage.slack.click(ANA, question, "pod_confirm_yes")
    await stage.shows(question, "You said *yes*")
    assert data(await wants(stage, secret))["status"] == "TERMINATED"


async def test_a_no_is_told_to_the_assistant(stage: Stage) -> None:
    secret, question = await begun(stage)
    await stage.slack.click(ANA, question, "pod_confirm_no")
    await stage.shows(question, "You said *no*")
    assert "said no" in refusal(await wants(stage, secret))


async def test_nobody_else_says_yes(stage: Stage) -> None:
    secret, question = await begun(stage)
    ack = await stage.slack.click(ANA, await stage.told("token"), "pod_token_new")
    [yes] = [one for one in question.elements if one["action_id"] == "pod_confirm_yes"]
    ack.payload["user"] = {"id": BOB, "username": "bob", "team_id": "T1"}
    ack.payload["actions"], ack.payload["trigger_id"] = [{**yes, "type": "button"}], "other"
    assert (await stage.slack.again(ack)).ok
    await stage.slack.until(lambda: [p for p in stage.slack.posts if "waits for your answer" in p.text])
    assert "podkeeper confirm" in refusal(await wants(stage, secret))
