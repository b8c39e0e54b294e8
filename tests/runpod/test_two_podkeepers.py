"""The whole walk with one Podkeeper as the cloud of another: real containers, two gateways, one idle stop."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.model import Pod, Status
from tests.core.gateway.certificates import Pair
from tests.e2e.parts import TOKEN, Place, RealHouse
from tests.e2e.test_crash import start
from tests.e2e.test_walk import the_walk
from tests.helpers import until
from tests.parts import Images
from tests.runpod.faults import Fault, FaultProxy, Kind
from tests.runpod.parts import engine, two_houses


@pytest.fixture
async def places() -> AsyncIterator[tuple[Place, Place]]:
    """Of the first Podkeeper and of its cloud."""
    first, cloud = Place(), Place()
    try:
        yield first, cloud
    finally:
        await first.close()
        await cloud.close()


async def test_the_main_walk_goes_by_slack_both_podkeepers_and_tls_to_the_container_and_back(
    places: tuple[Place, Place], busybox_image: Images, tmp_path: Path
) -> None:
    first, cloud = places
    cert, key = Pair().write(tmp_path)
    async with cloud.served(tls_cert=cert, tls_key=key) as theirs:
        await the_walk(first, busybox_image.web, "socket", engine=engine(cloud, https=True), upstream_ca=cert)
        assert await _pods(theirs) == ()


async def test_a_create_that_is_cut_by_kill_9_is_found_by_the_next_process(
    places: tuple[Place, Place], busybox_image: Images
) -> None:
    first, cloud = places
    first.template("web", busybox_image.web)
    async with cloud.served() as theirs:
        proxy = FaultProxy(cloud.url)
        proxy.add(Fault(Kind.STALLED, "POST", seconds=60))
        async with proxy.running() as between:
            first.more = {
                "PODKEEPER_ENGINE": "runpod",
                "RUNPOD_API_KEY": TOKEN,
                "RUNPOD_API_BASE_URL": between,
                "RUNPOD_PROXY_URL": f"http://proxy.localhost:{cloud.site.port}",
            }
            async with first.process() as house:
                begun = asyncio.create_task(start(first, "web", name="mine"))
                await until(lambda: _pods(theirs))
                await house.kill()
                begun.cancel()
                await asyncio.gather(begun, return_exceptions=True)
            async with first.process(), first.client() as client:
                found = await client.call("pod_get", {"pod": "mine", "wait_for": "running", "timeout": 60})
                assert found["status"] == "RUNNING"
                assert proxy.asked["POST /v2/pods"] == 1
                assert len(await _pods(theirs)) == 1
                await client.call("pod_terminate", {"pod": "mine"})
        assert await _pods(theirs) == ()


async def test_a_pod_is_started_reached_and_stopped_when_nobody_uses_it(
    places: tuple[Place, Place], busybox_image: Images
) -> None:
    first, cloud = places
    first.template("web", busybox_image.web, idle={"timeout": "4s", "warning": "0"})
    async with cloud.served() as theirs, two_houses(first, cloud) as home:
        pod = await home.up("web")
        there = (await _pods(theirs))[0]
        assert (await home.ask(pod)).text.strip() == there.id
        stopped = await home.becomes(pod, Status.EXITED, 60)
        assert "nobody used it" in (stopped.reason or "")
        assert (await theirs.look(there)).status is Status.EXITED
        again = await home.resume(pod)
        assert again.status is Status.RUNNING, again
        assert (await home.ask(pod)).text.strip() == there.id
        gone = await home.terminate(again)
        assert gone.status is Status.TERMINATED
        assert (await theirs.pods.list(await theirs.me(), everyone=True)) == ()


async def _pods(home: RealHouse) -> tuple[Pod, ...]:
    return await home.pods.list(await home.me(), everyone=True)
