"""The MCP face on a real port: who is let in, progress on the way, long starts, and calls that are cut off."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from core.engines.fake import Script
from core.errors import InvalidInput
from core.model import Status
from core.settings import Settings
from mcp_server import face
from mcp_server.server import guard
from tests.helpers import free_port
from tests.houses import FakeHouse
from tests.mcp_server.conftest import TOKEN, Served, data, serving

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def knock(url: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.post(url, json=HELLO, headers={**ACCEPT, **headers})


async def test_no_token_and_a_wrong_one_are_refused(served: Served) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = await knock(served.endpoint, **headers)
        assert answer.status_code == 401
        told = answer.headers["WWW-Authenticate"]
        assert f'resource_metadata="{served.url}/.well-known/oauth-protected-resource/mcp"' in told
        assert TOKEN not in answer.text + told


async def test_the_resource_describes_itself(served: Served) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        document = (await http.get(f"{served.url}/.well-known/oauth-protected-resource/mcp")).json()
    assert document["resource"] == served.endpoint
    assert document["scopes_supported"] == ["read", "operate", "admin"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "localhost:8700"}, 200),
        ({}, 200),
    ],
    ids=str,
)
async def test_rebound_hosts_and_foreign_pages_are_refused(served: Served, header: dict[str, str], status: int) -> None:
    answer = await knock(served.endpoint, Authorization=f"Bearer {TOKEN}", **header)
    assert answer.status_code == status


@pytest.mark.parametrize("host", ["pods.example.org", "pods.example.org:443"])
async def test_the_public_name_is_let_in(home: FakeHouse, host: str) -> None:
    async with serving(home, free_port(), url="https://pods.example.org") as served:
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": host, "Origin": "https://pods.example.org"}
        answer = await knock(served.endpoint, **headers)
        assert answer.status_code == 200
        refused = await knock(served.endpoint)
    assert "https://pods.example.org/.well-known/oauth-protected-resource/mcp" in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["/tools/podkeeper/mcp", "/mcp"])
async def test_it_answers_below_the_path_of_its_public_address_and_without(home: FakeHouse, path: str) -> None:
    async with serving(home, free_port(), url="https://example.org/tools/podkeeper") as served:
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "example.org"}
        assert (await knock(f"{served.url}{path}", **headers)).status_code == 200
        refused = await knock(f"{served.url}{path}", Host="example.org")
        where = "https://example.org/.well-known/oauth-protected-resource/tools/podkeeper/mcp"
        assert where in refused.headers["WWW-Authenticate"]
        async with httpx2.AsyncClient(trust_env=False) as http:
            document = await http.get(f"{served.url}{where.removeprefix('https://example.org')}")
    assert document.json()["resource"] == "https://example.org/tools/podkeeper/mcp"


async def test_sessions_are_bounded_and_newer_programs_need_none(home: FakeHouse) -> None:
    async with serving(home, free_port(), mcp_max_sessions=3) as served:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answers = [(await knock(served.endpoint, **headers)).status_code for _ in range(5)]
        assert answers == [200, 200, 200, 503, 503]
        async with served.client("auto") as client:
            assert data(await client.call_tool("pod_list"))["total"] == 0


def test_what_is_listened_on_is_let_in(tmp_path: Path) -> None:
    allowed = guard(Settings(data_dir=tmp_path, listen=("fd00::1", 8700)))
    assert "[fd00::1]:*" in allowed.allowed_hosts
    assert "http://[fd00::1]:*" in allowed.allowed_origins
    assert allowed.enable_dns_rebinding_protection


def test_a_url_that_is_none_is_refused_with_its_name(home: FakeHouse) -> None:
    settings = home.house.settings.model_copy(update={"url": "pods.example.org"})
    with pytest.raises(InvalidInput, match="PODKEEPER_URL"):
        face(home.house.services, settings, TOKEN)


async def test_a_body_of_five_megabytes_is_refused(served: Served) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        headers = {**ACCEPT, "Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        answer = await http.post(served.endpoint, content=b"[" * 5_000_000, headers=headers)
    assert answer.status_code == 413


async def test_progress_arrives_while_it_is_made(served: Served, home: FakeHouse, mode: str) -> None:
    home.engine.script = Script.SLOW_START
    notes: list[tuple[float, float | None, str | None]] = []
    heard = asyncio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        notes.append((progress, total, message))
        if message == "starting the container":
            heard.set()

    async with served.client(mode) as client:
        call = asyncio.create_task(client.call_tool("pod_start", {"template": "hello"}, progress_callback=note))
        await asyncio.wait_for(heard.wait(), 20)
        assert not call.done()
        home.engine.proceed.set()
        pod = data(await call)
    assert pod["status"] == "RUNNING"
    assert [step for step, _, _ in notes] == sorted({step for step, _, _ in notes})
    shown = {message: step for step, _, message in notes}
    assert 0.7 <= shown["starting the container"] < 0.8
    assert all(total == 1.0 for _, total, _ in notes)


async def test_a_long_start_returns_after_a_bounded_wait(served: Served, home: FakeHouse, mode: str) -> None:
    home.engine.script = Script.SLOW_PULL
    async with served.client(mode) as client:
        pod = data(await client.call_tool("pod_start", {"template": "hello", "wait_seconds": 1}))
        assert pod["status"] == "PROVISIONING"
        assert "still PROVISIONING: call pod_get" in pod["hint"]
        home.engine.proceed.set()
        assert (
            data(await client.call_tool("pod_get", {"pod": pod["id"], "wait_for": "settled", "timeout": 20}))["status"]
            == "RUNNING"
        )


async def test_cancelling_the_call_does_not_cancel_the_start(served: Served, home: FakeHouse, mode: str) -> None:
    home.engine.script = Script.SLOW_PULL
    async with served.client(mode) as client:
        call = asyncio.create_task(client.call_tool("pod_start", {"template": "hello", "wait_seconds": 300}))
        await asyncio.wait_for(home.engine.waiting.wait(), 20)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        home.engine.proceed.set()
        [pod] = await home.pods.list(await home.local())
        assert (await home.pods.settled(await home.local(), pod.id, 20)).status is Status.RUNNING
        assert data(await client.call_tool("pod_get", {"pod": pod.id}))["status"] == "RUNNING"


async def test_a_client_that_dies_does_not_cancel_the_start(served: Served, home: FakeHouse, mode: str) -> None:
    home.engine.script = Script.SLOW_PULL

    async def start() -> None:
        async with served.client(mode) as client:
            await client.call_tool("pod_start", {"template": "hello", "wait_seconds": 300})

    dying = asyncio.create_task(start())
    await asyncio.wait_for(home.engine.waiting.wait(), 20)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    home.engine.proceed.set()
    [pod] = await home.pods.list(await home.local())
    assert (await home.pods.settled(await home.local(), pod.id, 20)).status is Status.RUNNING


async def test_ten_assistants_at_once(served: Served, home: FakeHouse, mode: str) -> None:
    await home.started()

    async def look() -> str:
        async with served.client(mode) as client:
            return data(await client.call_tool("pod_get", {"pod": "hello-1"}))["status"]

    assert await asyncio.gather(*(look() for _ in range(10))) == ["RUNNING"] * 10
