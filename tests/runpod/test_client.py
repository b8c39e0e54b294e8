"""How RunPod is asked: patiently, by its own rules, and without ever telling the key."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from core.engines.runpod import Account, Pace, RunPodEngine
from core.engines.runpod.client import Api
from core.engines.runpod.problems import Undecided
from core.errors import PodError, Unavailable
from tests.core.engines.orders import make_pod

KEY = "rpa_THIS-IS-THE-KEY"
PACE = Pace(lines=0.1, looks=0.01, stale=0.02, retry=0.001, timeout=0.5, strikes=0.01)
PODS = {"pods": [{"id": "a1", "name": "x", "status": "RUNNING"}]}
Answer = Callable[[httpx.Request], httpx.Response]


@asynccontextmanager
async def asked(answer: Answer, base_url: str = "https://api.example.test") -> AsyncIterator[Api]:
    """An API that answers so."""
    api = Api(Account(key=KEY, base_url=base_url), PACE, httpx.MockTransport(answer))
    try:
        yield api
    finally:
        await api.close()


async def test_a_list_that_has_not_changed_is_not_sent_again() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("If-None-Match"))
        if seen[-1] == '"v1"':
            return httpx.Response(304)
        return httpx.Response(200, json=PODS, headers={"ETag": '"v1"'})

    async with asked(answer) as api:
        assert await api.get("pods") == await api.get("pods") == PODS
    assert seen == [None, '"v1"']


async def test_an_exhausted_window_is_waited_for_and_a_long_one_is_told() -> None:
    quota = '"minute";r=0;t=600, "hour";r=2800;t=1812'
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=PODS, headers={"RateLimit": quota})

    async with asked(answer) as api:
        await api.get("pods")
        with pytest.raises(Unavailable, match=r"another [56][0-9]{2} s"):
            await api.get("pods")
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry-After": "900"}, True),
        ({"Retry-After": "Sat, 28 Nov 2026 12:15:00 GMT", "Date": "Sat, 28 Nov 2026 12:00:00 GMT"}, True),
        ({"Retry-After": "Thu, 01 Jan 2037 00:00:00 GMT", "Date": "Thu, 01 Jan 2037 00:00:00 GMT"}, False),
        ({"Retry-After": "soon"}, False),
        ({"RateLimit": "nonsense;;;"}, False),
        ({}, False),
    ],
    ids=["seconds", "a date by its own clock", "a clock of another year", "no time", "no quota", "nothing"],
)
async def test_a_wait_is_kept_to_whatever_clock_runpod_has(headers: dict[str, str], waits: bool) -> None:
    answers = [httpx.Response(429, headers=headers), httpx.Response(200, json=PODS)]
    async with asked(lambda _: answers.pop(0)) as api:
        if not waits:
            assert await api.get("pods") == PODS
            return
        with pytest.raises(Unavailable, match="takes no more requests for another"):
            await api.get("pods")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Welcome to nginx!</html>"),
        httpx.Response(200, json=["pods"]),
        httpx.Response(200, content=b"\xff\xfe"),
        httpx.Response(301, headers={"Location": f"https://elsewhere.example/{KEY}"}),
        httpx.Response(404, text="404 page not found"),
        httpx.Response(500, text=f"trace with {KEY}"),
        httpx.Response(401, json={"title": "Unauthorized", "detail": "no"}),
    ],
    ids=["a page", "another list", "bytes", "a redirect", "no such path", "500", "401"],
)
async def test_a_server_that_is_not_runpod_is_no_evidence_of_anything(answer: httpx.Response) -> None:
    engine = RunPodEngine(Account(key=KEY), pace=PACE, transport=httpx.MockTransport(lambda _: answer))
    await engine.open("0123456789ab")
    with pytest.raises(PodError) as error:
        await engine.list()
    assert KEY not in str(error.value)
    await engine.close()


@pytest.mark.parametrize("broken", [httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.WriteError])
async def test_a_change_whose_answer_is_lost_is_sent_once(broken: type[httpx.RequestError]) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise broken("gone", request=request)

    async with asked(answer) as api:
        with pytest.raises(Undecided):
            await api.post("pods", {"name": "x"})
    assert len(sent) == 1


@pytest.mark.parametrize("broken", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_a_change_that_never_left_is_sent_again(broken: type[httpx.RequestError]) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if len(sent) < 3:
            raise broken("no", request=request)
        return httpx.Response(201, json={"id": "a", "status": "PROVISIONING"})

    async with asked(answer) as api:
        assert (await api.post("pods", {"name": "x"}))["id"] == "a"
    assert len(sent) == 3


async def test_the_key_is_in_one_header_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        headers = dict(request.headers)
        assert headers.pop("authorization") == f"Bearer {KEY}"
        told.extend([str(request.url), json.dumps(headers), request.content.decode()])
        return httpx.Response(403, json={"title": "Forbidden", "detail": "no"})

    account = Account(key=KEY)
    engine = RunPodEngine(account, pace=PACE, transport=httpx.MockTransport(answer))
    await engine.open("0123456789ab")
    with pytest.raises(PodError) as error:
        await engine.check()
    told += [repr(account), repr(engine), str(vars(engine)), str(error.value), caplog.text, repr(replace(account))]
    assert told[0] == "https://api.runpod.io/v2/pods"
    assert not [text for text in told if KEY in text]
    await engine.close()


async def test_a_log_is_read_until_it_is_silent() -> None:
    first = 'id: 1\ndata: {"ts":"x","source":"container","line":"one"}\n\n: \n\n'
    second = 'data: no json\n\ndata: {"line":"two"}\n\n'

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield first.encode()
            yield second.encode()
            while True:  # as our own door keeps a connection alive
                yield b": \n\n"
                await asyncio.sleep(0.01)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["tail"] == "100"
        return httpx.Response(200, stream=Endless(), headers={"Content-Type": "text/event-stream"})

    engine = RunPodEngine(Account(key=KEY), pace=PACE, transport=httpx.MockTransport(answer))
    await engine.open("0123456789ab")
    pod = make_pod().model_copy(update={"ref": "abc@1"})
    assert await engine.logs(pod, 100) == "one\ntwo\n"
    await engine.close()


async def test_who_is_content_with_the_last_list_does_not_wait_for_who_wants_a_newer_one() -> None:
    account, transport = Account(key=KEY), httpx.MockTransport(lambda _: httpx.Response(200, json=PODS))
    engine = RunPodEngine(account, pace=replace(PACE, looks=60.0, stale=60.0), transport=transport)
    await engine.open("0123456789ab")
    assert "1 pods" in await engine.check()
    waits = asyncio.create_task(engine.stop(make_pod(run=2)))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert "1 pods" in await engine.check()
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    await engine.close()
