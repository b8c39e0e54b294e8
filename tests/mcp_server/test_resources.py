"""What is read without a tool, by whom; completions, prompts; and that nobody hears of another's pod."""

import asyncio
import json

import pytest
from mcp import MCPError
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp_types import PromptReference, ResourceTemplateReference, TextContent

from core.model import Scope
from tests.houses import FakeHouse
from tests.mcp_server.conftest import Opener, Served


async def token(home: FakeHouse, user: str, scope: Scope = Scope.OPERATE) -> str:
    return (await home.house.services.tokens.make(await home.member(user), "laptop", scope))[1]


async def test_pods_logs_and_templates_are_read(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    async with opened() as client:
        [listed] = (await client.list_resources()).resources
        assert (listed.uri, listed.name) == (f"pod://{pod.id}", "hello-1")
        templates = {one.uri_template for one in (await client.list_resource_templates()).resource_templates}
        assert templates == {"pod://{id}", "pod://{id}/logs", "template://{name}"}
        [shown] = (await client.read_resource(f"pod://{pod.id}")).contents
        assert json.loads(shown.text)["status"] == "RUNNING"
        [logs] = (await client.read_resource(f"pod://{pod.id}/logs")).contents
        assert logs.text == f"hello from {pod.id}"
        [template] = (await client.read_resource("template://hello")).contents
        assert json.loads(template.text)["ports"] == ["8080/http"]
        for wrong in ("pod://nope", "pod://hello-1", "pod://nope/logs", "template://nope", "nope://x"):
            with pytest.raises(MCPError):
                await client.read_resource(wrong)


async def test_what_is_anothers_is_neither_listed_nor_read_nor_completed(
    served: Served, home: FakeHouse, mode: str
) -> None:
    theirs = await home.started(await home.member("UANN"), name="anns")
    own = await home.started(await home.member("UBOB"), name="bobs")
    async with served.client(mode, token=await token(home, "UBOB")) as client:
        assert [one.uri for one in (await client.list_resources()).resources] == [f"pod://{own.id}"]
        for uri in (f"pod://{theirs.id}", f"pod://{theirs.id}/logs"):
            with pytest.raises(MCPError, match="no pod"):
                await client.read_resource(uri)
        ref = ResourceTemplateReference(uri="pod://{id}")
        found = await client.complete(ref, {"name": "id", "value": ""})
        assert found.completion.values == [own.id]
        asked = await client.complete(PromptReference(name="why_stopped"), {"name": "pod", "value": ""})
        assert asked.completion.values == ["bobs"]
        template = await client.complete(
            ResourceTemplateReference(uri="template://{name}"), {"name": "name", "value": "he"}
        )
        assert template.completion.values == ["hello"]


async def test_prompts_name_the_tools(opened: Opener) -> None:
    async with opened() as client:
        listed = {one.name: one.title for one in (await client.list_prompts()).prompts}
        assert listed == {
            "start_llama": "Start a llama for me",
            "running_and_cost": "What is running, and what does it cost?",
            "why_stopped": "Why was my pod stopped?",
        }
        [said] = (await client.get_prompt("why_stopped", {"pod": "comfy-2"})).messages
        assert isinstance(said.content, TextContent)
        assert "my pod comfy-2" in said.content.text
        assert "pod_why" in said.content.text


async def test_changes_reach_who_owns_the_pod_and_nobody_else(served: Served, home: FakeHouse) -> None:
    ann, bob = await home.member("UANN"), await home.member("UBOB")
    anns, bobs = await home.started(ann, name="anns"), await home.started(bob, name="bobs")
    async with (
        served.client("auto", token=await token(home, "UANN")) as hers,
        served.client("auto", token=await token(home, "UBOB")) as his,
    ):
        with pytest.raises(MCPError, match="your own pods"):
            async with his.listen(resource_subscriptions=[f"pod://{anns.id}"]):
                pass
        for wrong in ("pod://nope", "pod://bobs", "other://x", f"pod://{bobs.id}/logs"):
            with pytest.raises(MCPError, match="your own pods"):
                async with his.listen(resource_subscriptions=[wrong]):
                    pass
        async with (
            hers.listen(resource_subscriptions=[f"pod://{anns.id}"]) as hears,
            his.listen(resource_subscriptions=[f"pod://{bobs.id}"]) as other,
        ):
            await home.pods.stop(ann, anns.id)
            async with asyncio.timeout(20):
                event = await anext(aiter(hears))
            assert isinstance(event, ResourceUpdated)
            assert event.uri == f"pod://{anns.id}"
            await home.pods.stop(bob, bobs.id)
            async with asyncio.timeout(20):
                assert (await anext(aiter(other))).uri == f"pod://{bobs.id}"


async def test_who_owns_a_new_pod_hears_that_the_list_has_changed(served: Served, home: FakeHouse) -> None:
    ann = await home.member("UANN")
    async with (
        served.client("auto", token=await token(home, "UANN")) as hers,
        served.client("auto", token=await token(home, "UBOB")) as his,
        hers.listen(resources_list_changed=True) as hears,
        his.listen(resources_list_changed=True) as other,
    ):
        await home.started(ann, name="anns")
        async with asyncio.timeout(20):
            assert isinstance(await anext(aiter(hears)), ResourcesListChanged)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(aiter(other))


async def test_a_prompt_that_is_not_there(opened: Opener) -> None:
    async with opened() as client:
        with pytest.raises(MCPError, match="There are: start_llama, running_and_cost, why_stopped"):
            await client.get_prompt("nope")
        with pytest.raises(MCPError, match="needs pod"):
            await client.get_prompt("why_stopped")


async def test_a_revoked_token_hears_nothing_more(served: Served, home: FakeHouse) -> None:
    ann = await home.member("UANN")
    pod = await home.started(ann, name="anns")
    tokens = home.house.services.tokens
    made, secret = await tokens.make(ann, "laptop")
    kept = await token(home, "UANN")
    async with (
        served.client("auto", token=secret) as gone,
        served.client("auto", token=kept) as good,
        gone.listen(resource_subscriptions=[f"pod://{pod.id}"]) as deaf,
        good.listen(resource_subscriptions=[f"pod://{pod.id}"]) as hears,
    ):
        await tokens.revoke(ann, made.id)
        await home.pods.stop(ann, pod.id)
        async with asyncio.timeout(20):
            await anext(aiter(hears))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(aiter(deaf))
