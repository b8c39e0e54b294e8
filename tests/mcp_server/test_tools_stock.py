"""Templates and network volumes, in both protocol eras."""

from tests.houses import FakeHouse
from tests.mcp_server.conftest import Opener, Person, data, refusal


async def test_templates_say_what_a_pod_gets(opened: Opener) -> None:
    async with opened() as client:
        brief = data(await client.call_tool("template_list"))["templates"]
        templates = data(await client.call_tool("template_list", {"detail": "full"}))["templates"]
    assert [set(template) for template in brief] == [{"name", "description", "gpu", "price_per_hour"}] * len(templates)
    names = [template["name"] for template in templates]
    assert "hello" in names
    assert "llama-template" in names
    [hello] = [template for template in templates if template["name"] == "hello"]
    assert set(hello) == {
        "name", "description", "image", "ports", "cpu", "memory", "gpu", "volume", "idle_timeout", "price_per_hour",
    }  # fmt: skip
    assert hello["ports"] == ["8080/http"]
    assert hello["idle_timeout"] == "30m"


async def test_a_volume_is_made_listed_mounted_and_deleted(opened: Opener, home: FakeHouse) -> None:
    async with opened(asked=Person()) as client:
        made = data(await client.call_tool("volume_create", {"name": "models", "size": "50g"}))
        assert (made["name"], made["size"], made["attached_to"]) == ("models", "50g", [])
        pod = data(await client.call_tool("pod_start", {"template": "hello", "network_volume": "models"}))
        assert (pod["network_volume"], pod["volume"]) == (made["id"], None)
        [listed] = data(await client.call_tool("volume_list"))["volumes"]
        assert (listed["attached_to"], listed["mine"]) == ([pod["name"]], True)
        told = refusal(await client.call_tool("volume_delete", {"volume": "models"}))
        assert "pod_terminate" in told
        assert "only terminated" in refusal(await client.call_tool("pod_stop", {"pod": pod["id"]}))
        await client.call_tool("pod_terminate", {"pod": pod["id"]})
        assert data(await client.call_tool("volume_delete", {"volume": "models"}))["id"] == made["id"]
        assert data(await client.call_tool("volume_list"))["volumes"] == []


async def test_a_taken_name_and_an_unknown_volume(opened: Opener) -> None:
    async with opened() as client:
        await client.call_tool("volume_create", {"name": "models"})
        assert "volume_list" in refusal(await client.call_tool("volume_create", {"name": "models"}))
        assert "volume_list" in refusal(await client.call_tool("volume_delete", {"volume": "nope"}))
        started = await client.call_tool("pod_start", {"template": "hello", "network_volume": "nope"})
        assert "volume_list" in refusal(started)
