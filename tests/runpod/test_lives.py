"""What happens to pods at RunPod besides what we ask for, and what their owners are told of it."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import Conflict
from core.model import IdleAction, Pod, Status
from core.service import StartRequest
from tests.helpers import until
from tests.runpod.cloud import QUICK, Cloud, cloud
from tests.runpod.faults import ONE, Fault, Kind


@pytest.fixture
async def sky(tmp_path: Path) -> AsyncIterator[Cloud]:
    """Both houses."""
    async with cloud(tmp_path) as opened:
        yield opened


def listed(change: Any, times: int = 1000, path: str = "/v2/pods") -> Fault:
    """Answers to a look at the list, or at one pod, with each pod changed."""

    def spoil(answer: Any) -> Any:
        if "pods" in answer:
            return {"pods": [{**pod, **change(pod)} for pod in answer["pods"]]}
        return {**answer, **change(answer)}

    return Fault(Kind.CHANGED, "GET", path, times=times, spoil=spoil)


def every(change: Any) -> list[Fault]:
    """The list, one pod, and the answers of a create and of actions."""
    spoil = listed(change).spoil
    paths = (("GET", "/v2/pods"), ("GET", ONE), ("POST", "/v2/pods"), ("POST", "/action"))
    return [Fault(Kind.CHANGED, verb, path, times=1000, spoil=spoil) for verb, path in paths]


def _in_error(pod: Any) -> Any:
    return {} if pod["status"] == "TERMINATED" else {"status": "ERROR"}


async def _status(sky: Cloud, pod: Pod, status: Status) -> Pod | None:
    await sky.house.reconciler.tick(sky.clock())
    found = await sky.look(pod)
    return found if found.status is status else None


async def _becomes(sky: Cloud, pod: Pod, status: Status) -> Pod:
    found = await until(lambda: _status(sky, pod, status), 10)
    assert found is not None
    return found


async def test_a_gpu_pod_has_its_price_and_kind_before_and_after_its_start(sky: Cloud) -> None:
    sky.proxy.faults += [
        Fault(
            Kind.CHANGED,
            path="/catalog/gpus",
            times=9,
            spoil=lambda a: {"gpus": [{**a["gpus"][0], "price": {"secure": 0.43, "community": 0.3}}]},
        ),
        *every(lambda pod: {"cost": 0.39} if pod["status"] == "RUNNING" else {}),
    ]
    spec = await sky.pods.plan(await sky.me(), StartRequest(template="gpu"))
    assert spec.price_per_hour == 0.43
    assert str(spec.gpu) == "NVIDIA L4"
    begun = await sky.begun("gpu")
    assert begun.spec.price_per_hour == 0.43
    pod = await sky.settled(begun)
    assert pod.status is Status.RUNNING, pod.reason
    assert pod.spec.price_per_hour == 0.39


async def test_kinds_of_gpu_are_tried_in_turn_while_there_is_no_capacity(sky: Cloud) -> None:
    kinds = [{"id": f"NVIDIA {name}", "name": name} for name in ("A100", "L40S", "L4")]
    sky.proxy.faults += [
        Fault(
            Kind.CHANGED,
            path="/catalog/gpus",
            times=9,
            spoil=lambda a: {"gpus": [{**a["gpus"][0], **kind} for kind in kinds]},
        )
    ]
    pod = await sky.up("gpu", gpu="A100,L40S,L4")
    assert sky.proxy.asked["POST /v2/pods"] == 3
    assert str(pod.spec.gpu) == "NVIDIA L4"
    other = await sky.started("gpu", gpu="A100,L40S")
    assert other.status is Status.ERROR
    assert "Tried: NVIDIA A100, NVIDIA L40S" in (other.reason or "")
    await sky.agree()


async def test_a_pod_that_resumes_without_its_gpu_is_stopped_again_with_its_disk(sky: Cloud) -> None:
    pod = await sky.stop(await sky.up("gpu"))
    fault = [sky.proxy.add(one) for one in every(lambda pod: {"gpu": {"id": pod["gpu"]["id"], "count": 0}})]
    failed = await sky.resume(pod)
    assert failed.status is Status.ERROR
    assert "without its GPU" in (failed.reason or "")
    assert "volume disk is kept" in (failed.reason or "")
    assert await sky.run_there() == []
    there = await sky.one()
    assert there.status is Status.EXITED
    for one in fault:
        one.times = 0
    assert (await sky.resume(failed)).status is Status.RUNNING
    assert (await sky.one()).id == there.id


async def test_what_runpod_tells_late_of_a_started_pod_is_waited_for(sky: Cloud) -> None:
    pod = await sky.stop(await sky.up("gpu"))
    before = {"status": "EXITED", "runtime": None, "actions": ["start", "terminate"], "cost": 0.0}
    no_gpus = {"uptime": 1, "ports": [], "gpus": []}
    sky.proxy.faults += [
        listed(lambda _: before, times=2),
        listed(lambda pod: {"runtime": None} if pod["runtime"] else {}, times=2),
        listed(lambda pod: {"runtime": no_gpus} if pod["runtime"] else {}, times=2),
    ]
    resumed = await sky.resume(pod)
    assert resumed.status is Status.RUNNING, resumed.reason
    assert await sky.run_there() == [(await sky.one()).id]


async def test_a_pod_that_runpod_has_moved_keeps_its_id_and_its_address(sky: Cloud) -> None:
    pod = await sky.up()
    url = sky.pods.urls(pod)
    old = (pod.ref or "").partition("@")[0]

    def move(found: Any) -> Any:
        return {"id": "moved0here"} if found["id"] == old else {}

    sky.proxy.faults += [
        Fault(Kind.REFUSED, "GET", f"/v2/pods/{old}", times=1000, status=404),
        listed(move),
        Fault(Kind.REFUSED, "GET", "/v2/pods/moved0here", times=0),
    ]

    async def moved() -> Pod | None:
        await sky.house.reconciler.tick(sky.clock())
        found = await sky.look(pod)
        return found if (found.ref or "").startswith("moved0here@") else None

    found = await until(moved)
    assert found is not None
    assert found.status is Status.RUNNING
    assert sky.pods.urls(found) == url
    live = sky.gateway.routes[f"{pod.id}-8080"].upstream
    assert live is not None
    assert live.name == "moved0here-8080.proxy.cloud.test"


@pytest.mark.parametrize(
    ("status", "ends", "words"),
    [("EXITED", Status.EXITED, "not by Podkeeper"), ("ERROR", Status.ERROR, "an error from which it does not come")],
)
async def test_a_pod_that_ended_there_is_told_of(sky: Cloud, status: str, ends: Status, words: str) -> None:
    pod = await sky.up()
    sky.proxy.faults += [listed(lambda _: {"status": status, "runtime": None, "actions": ["start", "terminate"]})]
    found = await _becomes(sky, pod, ends)
    assert words in (found.reason or "")


async def test_a_pod_that_runpod_does_not_know_is_believed_gone_at_the_second_answer(tmp_path: Path) -> None:
    async with cloud(tmp_path, pace=replace(QUICK, strikes=2.0)) as sky:
        await sky.up(name="other")
        pod = await sky.up(name="mine")
        there = (pod.ref or "").partition("@")[0]
        sky.proxy.faults += [
            Fault(Kind.CHANGED, times=1000, spoil=lambda a: {"pods": [pod for pod in a["pods"] if pod["id"] != there]}),
            gone := Fault(Kind.REFUSED, "GET", f"/v2/pods/{there}", times=1000, status=404),
        ]
        while not gone.met:
            await sky.reconciled(1)
        await sky.reconciled(1)
        assert (await sky.look(pod)).status is Status.RUNNING
        found = await _becomes(sky, pod, Status.EXITED)
        assert "vanished" in (found.reason or "")
        assert gone.met > 1


async def test_a_pod_that_runpod_says_is_terminated_is_gone(sky: Cloud) -> None:
    pod = await sky.up()
    me, there = await sky.there.local(), (pod.ref or "").partition("@")[0]
    await sky.there.after(await sky.there.pods.terminate(me, there))
    found = await _becomes(sky, pod, Status.EXITED)
    assert "vanished" in (found.reason or "")


async def test_a_pod_that_was_deleted_there_while_it_slept_is_made_anew_unless_it_had_a_disk(sky: Cloud) -> None:
    me = await sky.there.local()
    pods = [await sky.stop(await sky.up(name)) for name in ("web", "gpu")]
    for there in await sky.listed():
        await sky.there.after(await sky.there.pods.terminate(me, there.id))
    plain, disk = [await sky.resume(pod) for pod in pods]
    assert plain.status is Status.RUNNING, plain.reason
    assert plain.id == pods[0].id
    assert disk.status is Status.ERROR
    assert "deleted there, its volume disk with it" in (disk.reason or "")
    assert [one.id for one in await sky.listed()] == [(plain.ref or "").partition("@")[0]]
    await sky.agree()


async def test_a_failed_first_start_can_be_tried_again(sky: Cloud) -> None:
    fault = [sky.proxy.add(one) for one in every(_in_error)]
    failed = await sky.started("gpu")
    for one in fault:
        one.times = 0
    assert (failed.status, failed.ref) == (Status.ERROR, None)
    assert (await sky.resume(failed)).status is Status.RUNNING
    await sky.one()


async def test_a_pod_is_never_believed_gone_while_the_list_is_empty(sky: Cloud) -> None:
    pod = await sky.up()
    there = (pod.ref or "").partition("@")[0]
    sky.proxy.faults += [
        Fault(Kind.CHANGED, times=1000, spoil=lambda _: {"pods": []}),
        gone := Fault(Kind.REFUSED, "GET", f"/v2/pods/{there}", times=1000, status=404),
    ]
    begun = time.monotonic()
    while gone.met < 4 or time.monotonic() - begun < 4 * QUICK.strikes:
        await sky.reconciled(1)
    assert (await sky.look(pod)).status is Status.RUNNING


async def test_a_status_that_nobody_knows_yet_ends_nothing(sky: Cloud) -> None:
    pod = await sky.up()
    sky.proxy.faults += [listed(lambda _: {"status": "HIBERNATING", "actions": ["dream"], "dreams": {"of": 1}})]
    await sky.reconciled()
    assert (await sky.look(pod)).status is Status.RUNNING


async def test_a_pod_of_ours_that_no_row_knows_is_stopped_and_one_of_somebody_else_is_not(sky: Cloud) -> None:
    await sky.up(name="other")
    installation = sky.installation
    me = await sky.there.local()
    made = [
        await sky.there.started(me, name=name)
        for name in (f"lost-pk-abcdefghij1234-{installation}", "pk-abcdefghij1234-0123456789ab", "somebody-s")
    ]
    await sky.reconciled()
    now = [(await sky.there.pods.get(me, pod.id)).status for pod in made]
    assert now == [Status.EXITED, Status.RUNNING, Status.RUNNING]
    assert (await sky.look(await sky.pods.get(await sky.me(), "other"))).status is Status.RUNNING


async def test_a_copy_of_a_pod_is_stopped_and_the_pod_is_not(sky: Cloud) -> None:
    pod = await sky.up()
    there = await sky.one()
    copy = await sky.there.started(name=f"a{there.name[1:]}")
    await sky.reconciled()
    me = await sky.there.local()
    assert (await sky.there.pods.get(me, copy.id)).status is Status.EXITED
    assert (await sky.there.pods.get(me, there.id)).status is Status.RUNNING
    assert (await sky.look(pod)).status is Status.RUNNING


async def test_a_pod_that_somebody_started_there_is_stopped_again(sky: Cloud) -> None:
    pod = await sky.stop(await sky.up())
    there = await sky.one()
    await sky.there.pods.resume(await sky.there.local(), there.id)
    await sky.there.after(there)
    await sky.agree()
    assert await sky.run_there() == []
    assert (await sky.look(pod)).status is Status.EXITED


async def test_a_failed_first_start_leaves_nothing_there_and_a_failed_resume_leaves_the_disk(sky: Cloud) -> None:
    sky.gateway.unreached.add("*")
    fault = [
        sky.proxy.add(one) for one in every(lambda pod: {} if pod["status"] == "TERMINATED" else {"status": "ERROR"})
    ]
    failed = await sky.started("gpu")
    assert failed.status is Status.ERROR
    assert await sky.listed() == []
    for one in fault:
        one.times = 0
    sky.gateway.unreached.clear()
    pod = await sky.stop(await sky.up("gpu"))
    fault = [
        sky.proxy.add(one) for one in every(lambda pod: {} if pod["status"] == "TERMINATED" else {"status": "ERROR"})
    ]
    assert (await sky.resume(pod)).status is Status.ERROR
    for one in fault:
        one.times = 0
    await sky.agree()
    assert (await sky.one()).status is Status.EXITED


async def test_a_pod_with_a_network_volume_can_be_stopped_where_runpod_says_so(sky: Cloud) -> None:
    volume = await sky.house.services.volumes.create(await sky.me(), "data", "20g")
    pod = await sky.up(network_volume="data")
    assert not pod.stoppable  # so says the Podkeeper that is the cloud here
    with pytest.raises(Conflict, match="only terminated"):
        await sky.pods.stop(await sky.me(), pod.id)
    with pytest.raises(Conflict, match="pod"):
        await sky.house.services.volumes.delete(await sky.me(), volume.id)
    await sky.terminate(pod)
    sky.proxy.faults += every(lambda pod: {"actions": ["stop", "terminate"]} if pod["status"] == "RUNNING" else {})
    other = await sky.up(network_volume="data")
    assert other.stoppable
    await sky.terminate(other)
    await sky.house.services.volumes.delete(await sky.me(), volume.id)
    assert await sky.there.house.services.volumes.list(await sky.there.local()) == ()


async def test_tcp_ports_go_by_runpods_own_addresses_and_why_says_that_nobody_counts_them(sky: Cloud) -> None:
    ports = [{"private": 22, "public": 10341, "type": "tcp", "ip": "203.0.113.7"}]
    shares = {"cpu": {"util": 3}, "gpus": [{"util": 0, "memoryUtil": 80}]}
    sky.proxy.faults += [
        listed(lambda pod: {"runtime": {**(pod["runtime"] or {}), "ports": ports, **shares}} if pod["runtime"] else {})
    ]
    pod = await sky.up("gpu")
    assert {one.port: one.url for one in sky.pods.urls(pod)}["22/tcp"] == "tcp://203.0.113.7:10341"
    await sky.house.reaper.tick(sky.clock())
    why = await sky.house.services.keeping.why(await sky.me(), pod.id)
    assert "22 is reached past the gateway and not counted" in why.text
    assert "cpu 3% (counts from 20%)" in why.text
    assert "gpu 0% (counts from 5%)" in why.text


@pytest.mark.parametrize(
    ("runtime", "stays"),
    [
        ({"cpu": {"util": 2}, "gpus": [{"util": 0}]}, False),
        ({"cpu": {"util": 2}, "gpus": [{"util": 0}, {"util": 60}]}, True),
        ({"cpu": {"util": 35}, "gpus": [{"util": 0}]}, True),
        ({"cpu": {"util": 2}}, True),
        ({"gpus": [{"util": 0}]}, True),
        ({}, True),
    ],
    ids=["rests", "a gpu works", "the cpu works", "no gpu told", "no cpu told", "nothing told"],
)
async def test_a_silent_pod_is_stopped_only_when_the_second_witness_says_that_it_rests(
    sky: Cloud, runtime: Any, stays: bool
) -> None:
    sky.proxy.faults += every(
        lambda pod: {"runtime": {"uptime": 9, "ports": [], **runtime}} if pod["status"] == "RUNNING" else {}
    )
    pod = await sky.up("gpu", idle="30m")
    for _ in range(70):
        await sky.house.reaper.tick(sky.clock.forward(seconds=30))
    await sky.house.launcher.idle()
    found = await sky.look(pod)
    assert found.status is (Status.RUNNING if stays else Status.EXITED)
    assert pod.spec.idle.action is IdleAction.STOP


async def test_requests_do_not_grow_with_pods(sky: Cloud) -> None:
    await sky.up(name="first")
    for n in range(4):
        await sky.house.services.pods.start(
            await sky.house.services.people.slack("T1", f"U{n}", f"u{n}"), StartRequest(template="web")
        )
    await sky.house.launcher.idle()
    before = sky.proxy.asked.total()
    for _ in range(3):
        await sky.house.reconciler.tick(sky.clock())
        await sky.house.reaper.tick(sky.clock.forward(seconds=30))
    assert len(await sky.run_there()) == 5
    assert sky.proxy.asked.total() - before <= 12  # three ticks of each, and those of `changes` meanwhile


async def test_a_list_that_lacks_everything_does_not_make_a_request_of_each_pod(tmp_path: Path) -> None:
    async with cloud(tmp_path, pace=replace(QUICK, looks=1.0), max_pods_per_user=30) as sky:
        pods = [await sky.begun(name=f"pod-{n}") for n in range(25)]
        for pod in pods:
            assert (await sky.settled(pod)).status is Status.RUNNING
        sky.proxy.faults += [Fault(Kind.CHANGED, times=1000, spoil=lambda _: {"pods": []})]
        await until(lambda: _empty(sky))
        before = sum(times for what, times in sky.proxy.asked.items() if re.fullmatch(f"GET {ONE}", what))
        lists = sky.proxy.asked["GET /v2/pods"]
        await sky.house.reconciler.tick(sky.clock())
        asked = sum(times for what, times in sky.proxy.asked.items() if re.fullmatch(f"GET {ONE}", what)) - before
        assert 0 < asked <= 10 * (sky.proxy.asked["GET /v2/pods"] - lists + 1) <= 20
        assert len(await sky.run_there()) == 25
        assert {(await sky.look(pod)).status for pod in pods} == {Status.RUNNING}


async def _empty(sky: Cloud) -> bool:
    return await sky.engine.list() == ()


async def test_the_log_is_read_and_kept(sky: Cloud) -> None:
    pod = await sky.up()
    there = await sky.one()
    assert await sky.pods.logs(await sky.me(), pod.id) == f"hello from {there.id}\n"
    await sky.stop(pod)
    assert f"hello from {there.id}" in await sky.pods.logs(await sky.me(), pod.id)
    assert await sky.pods.logs(await sky.me(), (await sky.terminate(pod)).id) == ""
