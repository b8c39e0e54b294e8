"""The whole walk with one Podkeeper as the cloud of another: real containers, two gateways, one idle stop."""

from collections.abc import AsyncIterator

import pytest

from core.model import Status
from tests.e2e.parts import Place
from tests.parts import Images
from tests.runpod.parts import two_houses


@pytest.fixture
async def places() -> AsyncIterator[tuple[Place, Place]]:
    """Of the first Podkeeper and of its cloud."""
    first, cloud = Place(), Place()
    try:
        yield first, cloud
    finally:
        await first.close()
        await cloud.close()


async def test_a_pod_is_started_reached_and_stopped_when_nobody_uses_it(
    places: tuple[Place, Place], busybox_image: Images
) -> None:
    first, cloud = places
    first.template("web", busybox_image.web, idle={"timeout": "4s", "warning": "0"})
    async with cloud.served() as theirs, two_houses(first, cloud) as home:
        pod = await home.up("web")
        there = (await theirs.pods.list(await theirs.me(), everyone=True))[0]
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
