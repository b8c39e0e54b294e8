"""A pod's output by RunPod's API: line by line, with times, from where a reader has stopped reading."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.logs import Mark, events, moment
from core.model import Pod
from tests.api.conftest import Door, token_of
from tests.houses import FakeHouse

START = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


def lines(text: str) -> list[str]:
    return [json.loads(line[6:])["line"] for line in text.split("\n") if line.startswith("data: ")]


def ids(text: str) -> list[str]:
    return [line[4:] for line in text.split("\n") if line.startswith("id: ")]


@pytest.fixture
async def over(home: FakeHouse) -> Pod:
    """It has said five lines, one each second, and a sixth with the fifth, and was stopped."""
    pod = await home.started()
    for number in range(5):
        home.clock.forward(seconds=1)
        home.engine.say(pod.id, f"line {number}")
    home.engine.say(pod.id, "line 5")
    await home.pods.stop(await home.local(), pod.id)
    return await home.after(pod)


async def test_the_last_lines_are_told_with_their_times(door: Door, over: Pod) -> None:
    answer = await door.ask("GET", f"/pods/{over.id}/logs?tail=3")
    assert lines(answer.text) == ["line 3", "line 4", "line 5"]
    stamps = [json.loads(line[6:])["ts"] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert stamps == [f"2026-11-24T14:00:0{second}.000000Z" for second in (4, 5, 5)]
    assert ids(answer.text) == [stamps[0], stamps[1], f"{stamps[2]}/2"]
    assert lines((await door.ask("GET", f"/pods/{over.id}/logs?tail=0")).text) == []
    everything = lines((await door.ask("GET", f"/pods/{over.id}/logs")).text)
    assert everything == [f"hello from {over.id}", *(f"line {n}" for n in range(6))]


async def test_a_reader_that_comes_again_goes_on_behind_what_it_has(door: Door, over: Pod) -> None:
    whole = (await door.ask("GET", f"/pods/{over.id}/logs")).text
    for place, known in enumerate(ids(whole)):
        for query in ("", "?tail=1", "?since=2026-11-24T00:00:00Z"):
            answer = await door.ask("GET", f"/pods/{over.id}/logs{query}", **{"Last-Event-ID": known})
            assert lines(answer.text) == lines(whole)[place + 1 :]


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("2026-11-24T14:00:03Z", 2),
        ("2026-11-24T15:00:03+01:00", 2),
        ("2026-11-24T14:00:03.000001Z", 3),
        ("2026-11-24T14:00:05Z", 4),
        ("2026-11-24T14:00:06Z", 6),
    ],
)
async def test_since_goes_before_tail_and_means_then_and_later(door: Door, over: Pod, since: str, first: int) -> None:
    answer = await door.ask("GET", f"/pods/{over.id}/logs?tail=1&since={quote(since)}")
    assert lines(answer.text) == [f"line {n}" for n in range(first, 6)]


async def test_what_is_no_time_is_refused(door: Door, over: Pod) -> None:
    ends = [quote(f"since={end}", safe="=") for end in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")]
    for wrong in (
        "tail=-1",
        "tail=--5",
        "tail=x",
        "tail=5001",
        "source=else",
        "since=yesterday",
        "since=2026-11-24",
        *ends,
    ):
        await door.refused(422, "GET", f"/pods/{over.id}/logs?{wrong}")


async def test_a_blank_last_line_is_kept_as_one(door: Door, home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.say(pod.id, "last words", "")
    await home.pods.stop(await home.local(), pod.id)
    await home.after(pod)
    assert lines((await door.ask("GET", f"/pods/{pod.id}/logs?tail=2")).text) == ["last words", ""]
    assert (await home.pods.logs(await home.local(), pod.id)).endswith("last words\n\n")


async def test_whoever_follows_hears_each_line_once_through_stop_and_restart(home: FakeHouse) -> None:
    me, pod = await home.local(), await home.started()
    stream: AsyncIterator[str] = events(home.house.services, me, pod.id, 0, None, pause=0.001)
    heard: list[str] = []

    async def hear(until: str) -> None:
        async with asyncio.timeout(10):
            async for event in stream:
                heard.extend(lines(event))
                if heard and heard[-1] == until:
                    return

    assert await anext(stream) == ": \n\n", "nothing of what was before"
    for word in ("one", "two"):
        home.engine.say(pod.id, word)  # in one moment, by the hand clock
        await hear(word)
    home.clock.forward(seconds=1)
    home.engine.say(pod.id, "three")
    await home.pods.restart(me, pod.id)
    await home.after(pod)
    home.clock.forward(seconds=1)
    home.engine.say(pod.id, "four")
    await hear("four")
    home.clock.forward(seconds=1)
    home.engine.say(pod.id, "five")
    await home.pods.stop(me, pod.id)
    await home.after(pod)
    async for event in stream:
        heard.extend(lines(event))
    assert [word for word in heard if len(word) < 6] == ["one", "two", "three", "four", "five"]


async def test_while_a_pod_restarts_nothing_is_told_twice(home: FakeHouse) -> None:
    me, pod = await home.local(), await home.started()
    home.engine.say(pod.id, "one")
    stops, go, waits = home.engine.stop, asyncio.Event(), asyncio.Event()

    async def slow(pod: Pod, grace: float = 10) -> None:
        waits.set()
        await go.wait()
        await stops(pod, grace)

    home.engine.stop = slow
    await home.pods.restart(me, pod.id)
    await waits.wait()
    told = [line.text for line in await home.pods.lines(me, pod.id, 100, START)]
    assert told == [f"hello from {pod.id}", "one"]
    home.clock.forward(seconds=1)
    go.set()
    await home.after(pod)
    told = [line.text for line in await home.pods.lines(me, pod.id, 100, START)]
    assert told == [f"hello from {pod.id}", "one", f"hello from {pod.id}"]


async def test_nobody_but_its_owner_reads_its_secrets(door: Door, home: FakeHouse, http: httpx.AsyncClient) -> None:
    ana = await home.member()
    pod = await home.started(ana, env={"HF_TOKEN": "hf_secret"})
    home.engine.say(pod.id, "with hf_secret")
    await home.pods.stop(ana, pod.id)
    await home.after(pod)
    assert lines((await door.ask("GET", f"/pods/{pod.id}/logs?tail=1")).text) == ["with …"]
    own = Door(http, await token_of(home, ana))
    assert lines((await own.ask("GET", f"/pods/{pod.id}/logs?tail=1")).text) == ["with hf_secret"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-24T14:00:00.000001Z", Mark(START + timedelta(microseconds=1), 1)),
        ("2026-11-24T14:00:00Z/12", Mark(START, 12)),
        ("2026-11-24T15:00:00+01:00", Mark(START, 1)),
        ("2026-11-24T15:00:00 01:00", Mark(START, 1)),
        ("2026-11-24T14:00:00", Mark(START, 1)),
        ("nothing", None),
        ("", None),
        ("/3", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-W10-1", None),
        ("2026-11-24T14:00:00Z/x", None),
    ],
)
def test_ids_of_events_are_times(text: str, told: Any) -> None:
    assert Mark.read(text) == told
    if told is not None:
        assert Mark.read(told.id) == told
        assert moment(text.partition("/")[0]) == told.at
