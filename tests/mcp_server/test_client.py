"""The client of the terminal: structured results, and exceptions whose text helps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.engines.fake import Script
from mcp_server.client import NotServing, ToolFailed, connect
from tests.helpers import free_port
from tests.houses import FakeHouse
from tests.mcp_server.conftest import TOKEN, Served, last, serving


async def test_a_call_gives_the_structured_result(served: Served) -> None:
    notes: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str) -> None:
        notes.append((progress, total, message))

    async with connect(served.url, TOKEN) as client:
        pod = await client.call("pod_start", {"template": "hello"}, note)
        assert (pod["status"], pod["via"]) == ("RUNNING", "terminal")
        assert (await client.call("pod_list", {}))["total"] == 1
        assert await last(notes) == (1.0, 1.0, "hello-1 is RUNNING")


async def test_the_address_may_name_the_endpoint(served: Served) -> None:
    async with connect(served.endpoint, TOKEN) as client:
        assert (await client.call("pod_list", {}))["total"] == 0


async def test_a_tool_that_fails(served: Served) -> None:
    async with connect(served.url, TOKEN) as client:
        with pytest.raises(ToolFailed, match=r"^No pod 'nope'. You have no pods.$"):
            await client.call("pod_get", {"pod": "nope"})
        assert (await client.call("pod_list", {}))["total"] == 0


async def test_an_exception_of_the_caller_comes_out_as_it_is(served: Served) -> None:
    with pytest.raises(ToolFailed, match="No pod"):
        async with connect(served.url, TOKEN) as client:
            await client.call("pod_get", {"pod": "nope"})


async def test_nobody_serves() -> None:
    with pytest.raises(NotServing, match=r"make up.*podkeeper up.*PODKEEPER_URL"):
        async with connect(f"http://127.0.0.1:{free_port()}", TOKEN):
            pytest.fail("connected to nothing")


@pytest.mark.parametrize("token", ["wrong", "ünicode", "a\nb", ""])
async def test_a_token_that_is_refused(served: Served, token: str) -> None:
    with pytest.raises(NotServing) as caught:
        async with connect(served.url, token):
            pytest.fail("let in")
    assert "refuses the token" in str(caught.value)
    assert "PODKEEPER_TOKEN" in str(caught.value)


@pytest.mark.parametrize("url", ["pods.example.org", "ftp://127.0.0.1", "http://", "http://127.0.0.1:999999"])
async def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(NotServing, match="PODKEEPER_URL"):
        async with connect(url, TOKEN):
            pytest.fail("connected to nothing")


@asynccontextmanager
async def stranger() -> AsyncIterator[str]:
    """Some other web server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_something_else_answers() -> None:
    async with stranger() as url:
        with pytest.raises(NotServing, match=r"404.*PODKEEPER_URL"):
            async with connect(url, TOKEN):
                pytest.fail("connected to a stranger")


async def test_a_service_that_goes_away_during_a_call(home: FakeHouse) -> None:
    home.engine.script = Script.SLOW_PULL
    async with serving(home, free_port()) as served:

        async def start() -> None:
            async with connect(served.url, TOKEN) as client:
                await client.call("pod_start", {"template": "hello", "wait_seconds": 300})

        call = asyncio.create_task(start())
        await asyncio.wait_for(home.engine.waiting.wait(), 20)
    with pytest.raises(NotServing, match="podkeeper up"):
        await asyncio.wait_for(call, 20)
    home.engine.proceed.set()
