"""What goes wrong between us and RunPod: afterwards nothing runs that no row knows, nothing twice, no row is wrong."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.model import Status
from tests.helpers import until
from tests.runpod.cloud import Cloud, cloud
from tests.runpod.faults import ONE, Fault, Kind


@pytest.fixture
async def sky(tmp_path: Path) -> AsyncIterator[Cloud]:
    """Both houses."""
    async with cloud(tmp_path) as opened:
        yield opened


DONE_UNSEEN = [
    pytest.param(Fault(Kind.LOST, "POST"), id="lost"),
    pytest.param(Fault(Kind.TRUNCATED, "POST"), id="truncated"),
    pytest.param(Fault(Kind.DONE_ALL_THE_SAME, "POST", status=502), id="502 all the same"),
    pytest.param(Fault(Kind.STALLED, "POST", seconds=3), id="stalled"),
    pytest.param(Fault(Kind.CHANGED, "POST", spoil=lambda _: {"hello": "world"}), id="not understood"),
]


@pytest.mark.parametrize("fault", DONE_UNSEEN)
async def test_a_create_whose_answer_is_lost_is_found_and_adopted(sky: Cloud, fault: Fault) -> None:
    fault = sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    pod = await sky.up()
    assert fault.met == 1
    assert sky.proxy.asked["POST /v2/pods"] == 1
    assert pod.ref == f"{(await sky.one()).id}@1+"
    await sky.agree()


@pytest.mark.parametrize("fault", DONE_UNSEEN[:1])
@pytest.mark.parametrize(
    "hidden",
    [lambda _: {"pods": []}, lambda answer: _named(answer, "other")],
    ids=["empty", "partial"],
)
async def test_a_lost_create_that_a_list_hides_at_first_is_not_made_twice(
    sky: Cloud, fault: Fault, hidden: Any
) -> None:
    await sky.up(name="other")
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    sky.proxy.add(Fault(Kind.CHANGED, times=2, spoil=hidden))
    await sky.up(name="mine")
    assert len(await sky.listed()) == 2
    assert sky.proxy.asked["POST /v2/pods"] == 2
    await sky.agree()


async def test_a_lost_create_that_is_never_listed_in_time_leaves_nothing_running(sky: Cloud) -> None:
    await sky.up(name="other")
    sky.proxy.add(Fault(Kind.LOST, "POST"))
    hide = sky.proxy.add(Fault(Kind.CHANGED, times=1000, spoil=lambda answer: _named(answer, "other")))
    pod = await sky.started(name="mine")
    assert pod.status is Status.ERROR
    assert "may have been done" in (pod.reason or "")
    hide.times = 0
    await sky.agree()
    assert len(await sky.run_there()) == 1
    again = await sky.resume(pod)
    assert again.status is Status.RUNNING
    await sky.agree()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(Kind.REFUSED, "POST", status=429, headers={"Retry-After": "1"}), id="429"),
        pytest.param(Fault(Kind.REFUSED, "POST", status=429, times=2), id="429 twice"),
    ],
)
async def test_a_create_that_was_certainly_not_done_is_asked_for_again(sky: Cloud, fault: Fault) -> None:
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    await sky.up()
    await sky.one()
    await sky.agree()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(Kind.REFUSED, "POST", status=400, detail="There are no instances available"), "none free now"),
        (Fault(Kind.REFUSED, "POST", status=400, detail="The volume is of another type"), "another type"),
        (Fault(Kind.REFUSED, "POST", status=402, detail="Insufficient balance"), "balance is used up"),
        (Fault(Kind.REFUSED, "POST", status=403, detail="read only key"), "may read and write pods"),
        (Fault(Kind.REFUSED, "POST", status=401, detail="unknown key"), "RUNPOD_API_KEY"),
        (Fault(Kind.REFUSED, "POST", status=422, detail="wrong"), "refuses this"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
async def test_a_create_that_is_refused_fails_with_its_reason(sky: Cloud, fault: Fault, words: str) -> None:
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    pod = await sky.started()
    assert pod.status is Status.ERROR
    assert words in (pod.reason or "")
    assert await sky.listed() == []
    assert (await sky.resume(pod)).status is Status.RUNNING
    await sky.agree()


LISTS = [
    pytest.param(Fault(Kind.REFUSED, times=8), id="503 in a burst"),
    pytest.param(Fault(Kind.REFUSED, times=3, status=429, headers={"Retry-After": "1"}), id="429"),
    pytest.param(Fault(Kind.REFUSED, times=20, status=401), id="revoked key"),
    pytest.param(Fault(Kind.REFUSED, times=20, status=403), id="key without a scope"),
    pytest.param(Fault(Kind.STALLED, times=2, seconds=3), id="stalled"),
    pytest.param(Fault(Kind.TRUNCATED, times=5), id="truncated"),
    pytest.param(Fault(Kind.CUT, times=6), id="cut"),
    pytest.param(Fault(Kind.CHANGED, times=20, spoil=lambda _: {"pods": []}), id="empty"),
    pytest.param(Fault(Kind.CHANGED, times=20, spoil=lambda a: {"pods": a["pods"][:1]}), id="partial"),
    pytest.param(Fault(Kind.CHANGED, times=20, spoil=lambda _: {"error": "?"}), id="not a list"),
    pytest.param(Fault(Kind.CHANGED, times=20, spoil=lambda _: {"pods": [{"id": "x"}]}), id="not understood"),
]


@pytest.mark.parametrize("fault", LISTS)
async def test_no_pod_is_stopped_or_called_ended_on_the_evidence_of_a_bad_list(sky: Cloud, fault: Fault) -> None:
    pods = [await sky.up(name=f"pod-{n}") for n in range(3)]
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    for _ in range(4):
        await sky.reconciled(1)
        await sky.house.reaper.tick(sky.clock.forward(seconds=30))
    assert [(await sky.look(pod)).status for pod in pods] == [Status.RUNNING] * 3
    assert len(await sky.run_there()) == 3
    await sky.agree()


@pytest.mark.parametrize("fault", LISTS)
async def test_a_stop_goes_through_and_is_told_only_when_it_is_true(sky: Cloud, fault: Fault) -> None:
    await sky.up(name="other")
    pod = await sky.up(name="mine")
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    stopped = await sky.stop(pod)
    assert stopped.status is Status.EXITED
    assert len(await sky.run_there()) == 1
    await sky.agree()


ACTIONS = [
    pytest.param(Fault(Kind.REFUSED, "POST", "/action", status=409), id="409"),
    pytest.param(Fault(Kind.REFUSED, "POST", "/action", status=503, times=3), id="503"),
    pytest.param(Fault(Kind.REFUSED, "POST", "/action", status=429, headers={"Retry-After": "1"}), id="429"),
    pytest.param(Fault(Kind.LOST, "POST", "/action"), id="lost"),
    pytest.param(Fault(Kind.CUT, "POST", "/action", times=2), id="cut"),
    pytest.param(Fault(Kind.TRUNCATED, "POST", "/action"), id="truncated"),
    pytest.param(Fault(Kind.STALLED, "POST", "/action", seconds=3), id="stalled"),
    pytest.param(Fault(Kind.DONE_ALL_THE_SAME, "POST", "/action", status=500), id="500 all the same"),
]


@pytest.mark.parametrize("fault", ACTIONS)
async def test_a_stop_whose_request_goes_wrong_is_repeated_until_it_is_true(sky: Cloud, fault: Fault) -> None:
    pod = await sky.up()
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    assert (await sky.stop(pod)).status is Status.EXITED
    assert await sky.run_there() == []
    await sky.agree()


@pytest.mark.parametrize("fault", ACTIONS)
async def test_a_resume_whose_request_goes_wrong_ends_in_one_pod_or_none(sky: Cloud, fault: Fault) -> None:
    pod = await sky.stop(await sky.up())
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    resumed = await sky.resume(pod)
    if resumed.status is Status.ERROR:
        await sky.agree()
        assert await sky.run_there() == []
        resumed = await sky.resume(resumed)
    assert resumed.status is Status.RUNNING
    await sky.one()
    await sky.agree()


@pytest.mark.parametrize("fault", ACTIONS)
async def test_a_restart_whose_request_goes_wrong_leaves_row_and_cloud_agreed(sky: Cloud, fault: Fault) -> None:
    pod = await sky.up()
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    restarted = await sky.restart(pod)
    assert restarted.status in (Status.RUNNING, Status.ERROR)
    await sky.agree()
    await sky.one()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(Kind.REFUSED, "DELETE", ONE, status=503, times=3), id="503"),
        pytest.param(Fault(Kind.REFUSED, "DELETE", ONE, status=409), id="409"),
        pytest.param(Fault(Kind.LOST, "DELETE", ONE), id="lost"),
        pytest.param(Fault(Kind.CUT, "DELETE", ONE), id="cut"),
        pytest.param(Fault(Kind.CHANGED, times=3, spoil=lambda _: {"pods": []}), id="empty list"),
    ],
)
async def test_a_terminate_whose_request_goes_wrong_is_repeated_until_it_is_true(sky: Cloud, fault: Fault) -> None:
    pod = await sky.up()
    sky.proxy.add(Fault(**{**vars(fault), "met": 0}))
    assert (await sky.terminate(pod)).status is Status.TERMINATED
    assert await sky.listed() == []


async def test_an_outage_ends_nothing_and_what_was_asked_meanwhile_is_done_after_it(sky: Cloud) -> None:
    pods = [await sky.up(name=f"pod-{n}") for n in range(2)]
    sky.proxy.down = True
    await sky.pods.stop(await sky.me(), pods[0].id)
    for _ in range(3):
        await sky.house.reconciler.tick(sky.clock())
        await sky.house.reaper.tick(sky.clock.forward(minutes=10))
    assert (await sky.look(pods[0])).status is Status.STOPPING
    assert (await sky.look(pods[1])).status is Status.RUNNING
    sky.proxy.down = False
    await until(lambda: _is(sky, pods[0].id, Status.EXITED), 20)
    await sky.agree()
    assert sky.proxy.keys == {"Bearer pk_the-token-of-these-houses"}


def _named(answer: Any, name: str) -> Any:
    """Only the pods whose name begins so."""
    return {"pods": [pod for pod in answer["pods"] if pod["name"].startswith(name)]}


async def _is(sky: Cloud, pod_id: str, status: Status) -> bool:
    return (await sky.pods.get(await sky.me(), pod_id)).status is status
