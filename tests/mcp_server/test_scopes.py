"""What a token is good for: looking, operating, administering; told by 403 and, past that, by the core itself."""

import httpx2
import pytest
from mcp import MCPError

from core.errors import InvalidInput, ScopeMissing
from core.model import Caller, Scope
from core.service import StartRequest
from tests.helpers import free_port
from tests.houses import FakeHouse, fake_house
from tests.mcp_server.conftest import Person, Served, data, refusal, serving
from tests.mcp_server.test_http import ACCEPT

CHANGING = {
    "pod_start": {"template": "hello"}, "pod_stop": {"pod": "anns"}, "pod_resume": {"pod": "anns"},
    "pod_restart": {"pod": "anns"}, "pod_terminate": {"pod": "anns"}, "pod_keep": {"pod": "anns", "duration": "2h"},
    "pod_expose": {"pod": "anns", "port": "9"}, "pod_unexpose": {"pod": "anns", "port": "8080"},
    "volume_create": {"name": "v"}, "volume_delete": {"volume": "models"},
}  # fmt: skip


async def limited(home: FakeHouse) -> tuple[str, Caller]:
    ann = await home.member("UANN")
    await home.started(ann, name="anns")
    await home.house.services.volumes.create(ann, "models")
    _, secret = await home.house.services.tokens.make(ann, "reader", Scope.READ)
    found = await home.house.services.tokens.caller(secret, "mcp")
    assert found is not None
    return secret, found[1]


async def test_a_token_for_looking_looks(served: Served, home: FakeHouse, mode: str) -> None:
    secret, _ = await limited(home)
    async with served.client(mode, token=secret) as client:
        assert data(await client.call_tool("pod_list"))["total"] == 1
        assert data(await client.call_tool("pod_why", {"pod": "anns"}))["name"] == "anns"


@pytest.mark.parametrize("tool", CHANGING)
async def test_it_changes_nothing_and_is_told_which_scope_is_missing(
    served: Served, home: FakeHouse, tool: str
) -> None:
    secret, _ = await limited(home)
    before = await home.pods.list(await home.local(), everyone=True)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": CHANGING[tool]}}
    async with httpx2.AsyncClient(trust_env=False) as http:
        headers = {**ACCEPT, "Authorization": f"Bearer {secret}"}
        for body in (call, [call]):
            answer = await http.post(served.endpoint, json=body, headers=headers)
            assert answer.status_code == 403
            told = answer.headers["WWW-Authenticate"]
            assert 'error="insufficient_scope", scope="operate"' in told
            assert "/.well-known/oauth-protected-resource/mcp" in told
    assert await home.pods.list(await home.local(), everyone=True) == before


async def test_the_core_refuses_it_whichever_way_it_comes(home: FakeHouse) -> None:
    _, reader = await limited(home)
    services = home.house.services
    for refused in (
        services.pods.start(reader, StartRequest(template="hello")),
        services.pods.stop(reader, "anns"),
        services.pods.again(reader, "anns"),
        services.pods.restart(reader, "anns"),
        services.pods.terminate(reader, "anns"),
        services.keeping.keep(reader, "anns", "2h"),
        services.ports.expose(reader, "anns", "9"),
        services.volumes.create(reader, "v"),
        services.volumes.delete(reader, "models"),
        services.tokens.make(reader, "more"),
        services.confirmations.ask(reader, "terminate", "x", "x"),
        services.confirmations.answer(reader, "K7QM-3XTP", yes=True),
    ):
        with pytest.raises(ScopeMissing, match="scope"):
            await refused


async def test_an_admins_token_is_an_admins_only_when_it_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with fake_house(tmp_path_factory.mktemp("a") / "data", admins=frozenset({"UANN"})) as home:
        ann, tokens = await home.member("UANN"), home.house.services.tokens
        await home.started(await home.member("UBOB"), name="bobs")
        _, operate = await tokens.make(ann, "laptop")
        _, admin = await tokens.make(ann, "laptop", Scope.ADMIN)
        async with serving(home, free_port()) as served:
            async with served.client("auto", token=operate, asked=Person()) as client:
                assert data(await client.call_tool("pod_list", {"everyone": True}))["total"] == 0
                assert "belongs to" in refusal(await client.call_tool("pod_terminate", {"pod": "bobs"}))
            async with served.client("auto", token=admin) as client:
                assert data(await client.call_tool("pod_list", {"everyone": True}))["total"] == 1
        with pytest.raises(InvalidInput, match="no admin"):
            await tokens.make(await home.member("UBOB"), "more", Scope.ADMIN)


async def test_a_stolen_session_is_of_no_use_with_another_token(served: Served, home: FakeHouse) -> None:
    tokens = home.house.services.tokens
    _, ann = await tokens.make(await home.member("UANN"), "laptop")
    _, bob = await tokens.make(await home.member("UBOB"), "laptop")
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "r", "version": "1"}},
    }  # fmt: skip
    async with httpx2.AsyncClient(trust_env=False) as http:
        opened = await http.post(served.endpoint, json=hello, headers={**ACCEPT, "Authorization": f"Bearer {ann}"})
        stolen = {**ACCEPT, "Mcp-Session-Id": opened.headers["Mcp-Session-Id"], "Authorization": f"Bearer {bob}"}
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert (await http.post(served.endpoint, json=call, headers=stolen)).status_code == 404


async def test_a_token_revoked_meanwhile_opens_nothing(served: Served, home: FakeHouse) -> None:
    tokens, ann = home.house.services.tokens, await home.member("UANN")
    made, secret = await tokens.make(ann, "laptop")
    async with served.client("auto", token=secret) as client:
        data(await client.call_tool("pod_list"))
        await tokens.revoke(ann, made.id)
        with pytest.raises(MCPError):
            await client.call_tool("pod_list")
