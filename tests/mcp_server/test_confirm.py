"""What loses data or costs much needs the person's own yes, in their program or past it. No word of a model is one."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client

from core.model import Confirmation, Pod, Status
from mcp_server import face
from mcp_server.server import build
from tests.helpers import free_port
from tests.houses import FakeHouse, fake_house
from tests.mcp_server.conftest import TOKEN, Opener, Person, Served, data, refusal, serving

DEAR = {"name": "dear", "description": "a dear one", "image": "hello", "ports": ["8080/http"], "price_per_hour": 2.5}


def templates(folder: Path) -> Path:
    folder.mkdir()
    (folder / "dear.yaml").write_text(json.dumps(DEAR))
    return folder


async def waiting(home: FakeHouse) -> list[Confirmation]:
    return list(await home.house.services.confirmations.waiting(await home.local()))


async def say(home: FakeHouse, *, yes: bool = True) -> None:
    [one] = await waiting(home)
    await home.house.services.confirmations.answer(await home.local(), one.code, yes=yes)


async def now(home: FakeHouse, pod: Pod) -> Status:
    return (await home.pods.get(await home.local(), pod.id)).status


async def test_a_program_that_can_ask_asks_and_says_what_is_lost(opened: Opener, home: FakeHouse) -> None:
    pod, person = await home.started(volume="2g"), Person()
    async with opened(asked=person) as client:
        assert data(await client.call_tool("pod_terminate", {"pod": pod.name}))["status"] == "TERMINATED"
    [question] = person.heard
    assert question == (
        f"Terminate hello-1 ({pod.id}, RUNNING)? Lost for good: its container disk, its volume disk (2g at /workspace) "
        "and its address."
    )
    assert await waiting(home) == []


@pytest.mark.parametrize("person", [Person("decline"), Person("cancel"), Person(ticks=False)], ids=str)
async def test_without_a_yes_nothing_is_done(opened: Opener, home: FakeHouse, person: Person) -> None:
    pod = await home.started()
    async with opened(asked=person) as client:
        told = refusal(await client.call_tool("pod_terminate", {"pod": pod.name}))
    assert "did not confirm" in told
    assert "Do not try again" in told
    assert await now(home, pod) is Status.RUNNING


async def test_a_program_that_cannot_ask_is_refused_and_the_person_is_told_how(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    async with opened() as client:
        for _ in range(2):
            told = refusal(await client.call_tool("pod_terminate", {"pod": pod.name}))
            assert "podkeeper confirm" in told
            assert "pod_terminate again" in told
        [question] = await waiting(home)
        assert question.code not in told
        assert (question.action, question.subject, question.asked_by) == ("terminate", pod.id, "tests")
        assert await now(home, pod) is Status.RUNNING
        await say(home)
        assert data(await client.call_tool("pod_terminate", {"pod": pod.name}))["status"] == "TERMINATED"
    assert await waiting(home) == []


async def test_a_no_is_told_and_stands(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    async with opened() as client:
        refusal(await client.call_tool("pod_terminate", {"pod": pod.name}))
        await say(home, yes=False)
        assert "said no" in refusal(await client.call_tool("pod_terminate", {"pod": pod.name}))
        assert await waiting(home) == []
        home.clock.forward(minutes=10)
        assert "podkeeper confirm" in refusal(await client.call_tool("pod_terminate", {"pod": pod.name}))
    assert await now(home, pod) is Status.RUNNING


async def test_a_yes_is_for_one_pod_and_one_time_and_not_for_ever(opened: Opener, home: FakeHouse) -> None:
    first, second = await home.started(), await home.started()
    async with opened() as client:
        refusal(await client.call_tool("pod_terminate", {"pod": first.name}))
        await say(home)
        assert "podkeeper confirm" in refusal(await client.call_tool("pod_terminate", {"pod": second.name}))
        home.clock.forward(minutes=10)
        assert "podkeeper confirm" in refusal(await client.call_tool("pod_terminate", {"pod": first.name}))
    assert await now(home, first) is await now(home, second) is Status.RUNNING


async def test_two_calls_use_one_yes_once(home: FakeHouse) -> None:
    async with Client(build(home.house.services)) as client:
        refusal(await client.call_tool("volume_delete", {"volume": await volume(home)}))
        await say(home)
        both = await asyncio.gather(*(client.call_tool("volume_delete", {"volume": "models"}) for _ in range(2)))
    assert sorted(result.is_error for result in both) == [False, True]


async def volume(home: FakeHouse) -> str:
    return (await home.house.services.volumes.create(await home.local(), "models", "5g")).name


async def test_a_volume_that_a_pod_has_is_not_asked_about(opened: Opener, home: FakeHouse) -> None:
    await home.started(network_volume=await volume(home))
    person = Person()
    async with opened(asked=person) as client:
        assert "pod_terminate" in refusal(await client.call_tool("volume_delete", {"volume": "models"}))
    assert person.heard == []


async def test_what_costs_much_is_asked_about_and_what_does_not_is_not(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", templates_dir=templates(tmp_path / "t")) as home:
        person = Person()
        async with Client(build(home.house.services), elicitation_callback=person) as client:
            data(await client.call_tool("pod_start", {"template": "hello"}))
            assert person.heard == []
            pod = data(await client.call_tool("pod_start", {"template": "dear"}))
            assert person.heard == [
                "Start a pod from dear? It costs $2.50 an hour until it is stopped, by you or by its silence."
            ]
            data(await client.call_tool("pod_stop", {"pod": pod["id"]}))
            data(await client.call_tool("pod_resume", {"pod": pod["id"]}))
            assert person.heard[1].startswith("Start dear-1 again? It costs $2.50")


async def test_a_yes_to_a_start_is_for_what_was_asked_and_for_one(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", templates_dir=templates(tmp_path / "t")) as home:
        async with Client(build(home.house.services)) as client:
            refusal(await client.call_tool("pod_start", {"template": "dear"}))
            await say(home)
            other = await client.call_tool("pod_start", {"template": "dear", "idle": "0"})
            assert "podkeeper confirm" in refusal(other)
            assert data(await client.call_tool("pod_start", {"template": "dear"}))["status"] == "RUNNING"
            refusal(await client.call_tool("pod_start", {"template": "dear"}))
        assert len(await home.pods.list(await home.local())) == 1


async def test_another_cost_may_be_set(tmp_path: Path) -> None:
    more = {"templates_dir": templates(tmp_path / "t"), "confirm_cost_per_hour": 3.0}
    async with fake_house(tmp_path / "data", **more) as home, Client(build(home.house.services)) as client:
        assert data(await client.call_tool("pod_start", {"template": "dear"}))["status"] == "RUNNING"


async def test_an_answer_counts_at_another_process_with_the_same_token(home: FakeHouse) -> None:
    pod, person = await home.started(), Person()
    settings = home.house.settings.model_copy(update={"listen": ("127.0.0.1", free_port())})
    first, second = face(home.house.services, settings, TOKEN), face(home.house.services, settings, TOKEN)
    turn = iter([first, second, second])

    async def either(scope: Any, receive: Any, send: Any) -> None:
        await next(turn).app(scope, receive, send)

    async with first.running(), second.running():
        transport = httpx2.ASGITransport(either)
        ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        }
        headers = {
            "Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "pod_terminate",
        }  # fmt: skip
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers) as http:

            async def call(**more: Any) -> dict[str, Any]:
                params = {"name": "pod_terminate", "arguments": {"pod": pod.name}, "_meta": meta, **more}
                answer = await http.post("/mcp", json={**ask, "params": params})
                said = [line.removeprefix("data:") for line in answer.text.splitlines() if line.startswith("data:")]
                return json.loads(said[-1] if said else answer.text)["result"]

            asked = await call()
            [key] = asked["inputRequests"]
            yes = {key: {"action": "accept", "content": {"confirm": True}}}
            done = await call(inputResponses=yes, requestState=asked["requestState"])
    assert done["structuredContent"]["status"] == "TERMINATED"
    assert person.heard == []


async def test_the_desk_lists_and_takes_answers_of_the_person_only(served: Served, home: FakeHouse) -> None:
    pod = await home.started()
    _, bob = await home.house.services.tokens.make(await home.member("UBOB"), "laptop")
    async with served.client("auto") as client:
        refusal(await client.call_tool("pod_terminate", {"pod": pod.name}))
    [question] = await waiting(home)
    desk = f"{served.url}/confirmations"

    async def post(token: str, **body: Any) -> tuple[int, dict[str, Any]]:
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = await http.post(desk, json=body, headers={"Authorization": f"Bearer {token}"})
            return answer.status_code, answer.json()

    async with httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.get(desk)).status_code == 401
        assert (await http.get(desk, headers={"Authorization": "Bearer wrong"})).status_code == 401
        ours = (await http.get(desk, headers={"Authorization": f"Bearer {TOKEN}"})).json()
        theirs = (await http.get(desk, headers={"Authorization": f"Bearer {bob}"})).json()
    assert [one["code"] for one in ours["waiting"]] == [question.code]
    assert theirs == {"waiting": []}
    status, said = await post(bob, code=question.code, yes=True)
    assert (status, "somebody else's" in said["error"]) == (404, True)
    tampered = question.code[:-1] + ("2" if question.code[-1] != "2" else "3")
    assert (await post(TOKEN, code=tampered, yes=True))[0] == 404
    for wrong in ({"code": "x", "yes": True}, {"code": "x" * 900, "yes": True}, {"yes": True}, {"code": 1, "yes": "?"}):
        assert (await post(TOKEN, **wrong))[0] == 400
    assert (await post(TOKEN, code="x" * 10_000, yes=True))[0] == 400
    assert await now(home, pod) is Status.RUNNING
    assert (await post(TOKEN, code=question.code.lower(), yes=True))[0] == 200
    assert (await post(TOKEN, code=question.code, yes=True))[0] == 404


async def test_an_event_tells_who_asked_and_by_what(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    begin = await home.house._store.last_event()
    async with opened("Some Assistant") as client:
        refusal(await client.call_tool("pod_terminate", {"pod": pod.name}))
        await say(home)
        await client.call_tool("pod_terminate", {"pod": pod.name})
    events = await home.house._store.events(begin, pod_id=pod.id)
    told = {event.kind: event.data for event in events}
    assert told["confirm.asked"]["client"] == "Some Assistant"
    assert told["pod.terminate"] == {"by": "local admin", "client": "Some Assistant"}


async def test_a_question_waits_for_a_quarter_of_an_hour(opened: Opener, home: FakeHouse) -> None:
    pod = await home.started()
    async with opened() as client:
        refusal(await client.call_tool("pod_terminate", {"pod": pod.name}))
    [question] = await waiting(home)
    assert question.expires_at - question.asked_at == timedelta(minutes=15)
    home.clock.forward(minutes=15)
    assert await waiting(home) == []


async def test_through_a_port_as_in_this_process(home: FakeHouse, mode: str) -> None:
    pod, person = await home.started(), Person()
    async with serving(home, free_port()) as served, served.client(mode, asked=person) as client:
        assert data(await client.call_tool("pod_terminate", {"pod": pod.name}))["status"] == "TERMINATED"
    assert len(person.heard) == 1
