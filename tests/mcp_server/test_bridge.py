"""`podkeeper mcp` as an assistant runs it: a process of its own, spoken to over stdin and stdout."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import Implementation, ResourceTemplateReference, TextResourceContents

from core.engines.fake import Script
from tests.helpers import free_port
from tests.houses import FakeHouse
from tests.mcp_server.conftest import TOKEN, Person, Served, data, refusal, serving

ROOT = Path(__file__).parents[2]
PROGRAM = "import asyncio, sys; from mcp_server.bridge import serve_stdio; asyncio.run(serve_stdio(*sys.argv[1:]))"


def bridge(url: str, token: str = TOKEN) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=["-c", PROGRAM, url, token], cwd=ROOT)


async def test_it_hands_tools_and_calls_on(served: Served, home: FakeHouse, mode: str) -> None:
    notes: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        notes.append((progress, total, message))

    async with Client(bridge(served.url), mode=mode) as client:
        assert client.instructions is not None
        assert len((await client.list_tools()).tools) == 16
        started = await client.call_tool("pod_start", {"template": "hello"}, progress_callback=note)
        assert (data(started)["status"], data(started)["via"]) == ("RUNNING", "mcp")
        assert "pod_list" in refusal(await client.call_tool("pod_get", {"pod": "nope"}))
        home.engine.script = Script.NO_IMAGE
        assert "pod_logs" in refusal(await client.call_tool("pod_start", {"template": "hello"}))
    # How many depends on how fast the start was, and the very last one may be overtaken by the result.
    assert notes
    assert notes == sorted(notes)


async def test_one_that_only_reads_shows_and_calls_no_other_tool(served: Served, home: FakeHouse, mode: str) -> None:
    await home.started()
    program = PROGRAM.replace("*sys.argv[1:]", "*sys.argv[1:], read_only=True")
    reading = StdioServerParameters(command=sys.executable, args=["-c", program, served.url, TOKEN], cwd=ROOT)
    async with Client(reading, mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"pod_list", "pod_get", "pod_logs", "pod_why", "template_list", "volume_list"}
        assert data(await client.call_tool("pod_list"))["total"] == 1
        for name in ("pod_start", "pod_terminate", "made_up"):
            told = refusal(await client.call_tool(name, {"pod": "hello-1"}))
            assert told.startswith(f"{name} is not served here")
    [pod] = await home.pods.list(await home.local())
    assert pod.status == "RUNNING"


async def test_it_waits_for_a_service_that_is_not_there_yet(home: FakeHouse, mode: str) -> None:
    port = free_port()
    async with Client(bridge(f"http://127.0.0.1:{port}"), mode=mode) as client:
        assert len((await client.list_tools()).tools) == 16
        for _ in range(2):
            told = refusal(await client.call_tool("pod_list"))
            assert "make up" in told
            assert "podkeeper up" in told
        async with serving(home, port):
            assert data(await client.call_tool("pod_list"))["total"] == 0
        assert "podkeeper up" in refusal(await client.call_tool("pod_list"))


async def test_it_hands_questions_on(served: Served, home: FakeHouse, mode: str) -> None:
    first, second = await home.started(), await home.started()
    info = Implementation(name="Some Assistant", version="1")
    person = Person()
    async with Client(bridge(served.url), mode=mode, client_info=info, elicitation_callback=person) as client:
        assert data(await client.call_tool("pod_terminate", {"pod": first.name}))["status"] == "TERMINATED"
        assert [question[:17] for question in person.heard] == ["Terminate hello-1"]
    async with Client(bridge(served.url), mode=mode, elicitation_callback=Person("decline")) as client:
        assert "did not confirm" in refusal(await client.call_tool("pod_terminate", {"pod": second.name}))
    async with Client(bridge(served.url), mode=mode, client_info=info) as client:
        assert "podkeeper confirm" in refusal(await client.call_tool("pod_terminate", {"pod": second.name}))
    [waiting] = await home.house.services.confirmations.waiting(await home.local())
    assert waiting.asked_by == "Some Assistant"


async def test_it_hands_resources_prompts_and_completions_on(served: Served, home: FakeHouse, mode: str) -> None:
    pod = await home.started()
    async with Client(bridge(served.url), mode=mode) as client:
        assert [one.uri for one in (await client.list_resources()).resources] == [f"pod://{pod.id}"]
        assert len((await client.list_resource_templates()).resource_templates) == 3
        [logs] = (await client.read_resource(f"pod://{pod.id}/logs")).contents
        assert isinstance(logs, TextResourceContents)
        assert logs.text == f"hello from {pod.id}"
        assert len((await client.list_prompts()).prompts) == 3
        [said] = (await client.get_prompt("why_stopped", {"pod": "comfy-2"})).messages
        assert "comfy-2" in str(said.content)
        ref = ResourceTemplateReference(uri="template://{name}")
        assert (await client.complete(ref, {"name": "name", "value": "hel"})).completion.values == ["hello"]
        with pytest.raises(MCPError, match="no pod"):
            await client.read_resource("pod://nope")
    async with Client(bridge(f"http://127.0.0.1:{free_port()}"), mode=mode) as client:
        assert (await client.list_resources()).resources == []
        with pytest.raises(MCPError, match="podkeeper up"):
            await client.get_prompt("start_llama")


async def test_it_says_that_the_token_is_refused(served: Served) -> None:
    async with Client(bridge(served.url, "wrong")) as client:
        assert "PODKEEPER_TOKEN" in refusal(await client.call_tool("pod_list"))


async def test_cancelling_through_it_does_not_cancel_the_start(served: Served, home: FakeHouse, mode: str) -> None:
    home.engine.script = Script.SLOW_PULL
    async with Client(bridge(served.url), mode=mode) as client:
        call = asyncio.create_task(client.call_tool("pod_start", {"template": "hello", "wait_seconds": 300}))
        await asyncio.wait_for(home.engine.waiting.wait(), 20)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        home.engine.proceed.set()
        pod = data(await client.call_tool("pod_get", {"pod": "hello-1", "wait_for": "settled", "timeout": 20}))
    assert pod["status"] == "RUNNING"


@asynccontextmanager
async def running() -> AsyncIterator[asyncio.subprocess.Process]:
    """The bridge with nobody behind it, spoken to by hand."""
    pipe = asyncio.subprocess.PIPE
    url = f"http://127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, url, TOKEN, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_it_ends_with_its_input_and_writes_nothing_of_its_own() -> None:
    async with running() as process:
        out, err = await asyncio.wait_for(process.communicate(b""), 20)
        assert (process.returncode, out, err) == (0, b"", b"")


async def test_an_interrupt_ends_it_at_once() -> None:
    async with running() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        await asyncio.wait_for(process.stdout.readline(), 20)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == -signal.SIGINT
