"""What a service that runs makes of a pod that was taken in; the account is a second Podkeeper without containers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.engines.fake import Script
from core.engines.runpod.adoption import Adoption
from core.engines.runpod.marks import Marks
from core.errors import Conflict
from core.model import Pod, Status, Upstream
from core.service import Adopting
from tests.runpod.cloud import QUICK, Cloud, cloud


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A house that runs, and its account."""
    async with cloud(tmp_path) as opened:
        yield opened


@dataclass
class Taker:
    """What the terminal does, at the store of a house that runs."""

    both: Cloud
    service: Adopting

    async def take(self, theirs: Pod) -> Pod:
        offer = await self.service.look(await self.both.me(), theirs.id)
        return await self.service.take(await self.both.me(), offer)


@pytest.fixture
async def taker(both: Cloud) -> AsyncIterator[Taker]:
    """Of a pod that answers."""
    store = both.house._store  # pyright: ignore[reportPrivateUsage]
    there = both.engine._account  # pyright: ignore[reportPrivateUsage]
    adoption = Adoption(there, store.installation, pace=QUICK)

    async def reach(_: Upstream) -> bool:
        return True

    service = Adopting(store, both.house.settings, adoption, reach, both.house.services.templates.files, both.clock)
    yield Taker(both, service)
    await adoption.close()


async def test_a_running_pod_is_taken_up_as_it_runs_and_from_then_on_is_ours(both: Cloud, taker: Taker) -> None:
    theirs = await both.there.started(name="research")
    pod = await taker.take(theirs)
    await both.reconciled()
    now = await both.look(pod)
    assert (now.status, now.ref, now.run) == (Status.RUNNING, f"{theirs.id}@1", 1)
    assert now.upstreams[8080].name == f"{theirs.id}-8080.proxy.cloud.test"
    assert [(one.id, one.run, one.status) for one in await both.listed()] == [(theirs.id, 1, Status.RUNNING)]
    stopped = await both.stop(now)
    assert (stopped.status, (await both.one()).status) == (Status.EXITED, Status.EXITED)
    again = await both.resume(stopped)
    assert (again.status, (await both.one()).status) == (Status.RUNNING, Status.RUNNING)
    await both.agree()
    assert (await both.terminate(again)).status is Status.TERMINATED
    assert await both.listed() == []


async def test_a_stopped_pod_is_started(both: Cloud, taker: Taker) -> None:
    theirs = await both.there.started()
    await both.there.pods.stop(await both.there.local(), theirs.id)
    await both.there.after(theirs)
    pod = await taker.take(theirs)
    await both.reconciled()
    assert (await both.look(pod)).status is Status.RUNNING
    assert [(one.id, one.status) for one in await both.listed()] == [(theirs.id, Status.RUNNING)]


async def test_one_whose_start_fails_is_stopped_and_stays_there_with_its_disk(both: Cloud, taker: Taker) -> None:
    theirs = await both.there.started(volume="20g", gpu="L4")
    await both.there.pods.stop(await both.there.local(), theirs.id)
    await both.there.after(theirs)
    both.there.engine.script = Script.EXITS
    pod = await taker.take(theirs)
    await both.reconciled()
    failed = await both.look(pod)
    assert failed.status is Status.ERROR, failed
    [left] = await both.listed()
    assert (left.id, left.status.holds_compute) == (theirs.id, False)
    both.there.engine.script = Script.OK
    assert (await both.resume(failed)).status is Status.RUNNING
    assert [one.id for one in await both.listed()] == [theirs.id]


async def test_one_that_runs_and_cannot_be_reached_is_stopped_and_not_deleted(both: Cloud, taker: Taker) -> None:
    theirs = await both.there.started()
    pod = await taker.take(theirs)
    both.gateway.answers[f"{pod.id}-8080"] = None
    await both.reconciled()
    assert (await both.look(pod)).status is Status.ERROR
    assert [(one.id, one.status) for one in await both.listed()] == [(theirs.id, Status.EXITED)]


async def test_without_its_mark_it_is_carried_all_the_same(both: Cloud, taker: Taker) -> None:
    """As when the terminal was broken off just after the row: its reference is enough."""
    theirs = await both.there.started(name="research")
    pod = await taker.take(theirs)
    await both.there.pods.rename(await both.there.local(), theirs.id, "research")
    await both.reconciled()
    now = await both.look(pod)
    assert now.status is Status.RUNNING
    await both.reconciled()
    assert (await both.look(pod)) == now
    assert (await both.stop(now)).status is Status.EXITED
    assert (await both.one()).status is Status.EXITED


async def test_what_was_changed_since_the_look_is_not_taken(both: Cloud, taker: Taker) -> None:
    theirs = await both.there.started()
    me = await both.me()
    offer = await taker.service.look(me, theirs.id)
    await both.there.pods.stop(await both.there.local(), theirs.id)
    await both.there.after(theirs)
    with pytest.raises(Conflict, match="was changed at RunPod just now"):
        await taker.service.take(me, offer)
    offers = [await taker.service.look(me, theirs.id, name) for name in ("one", "two")]
    await taker.service.take(me, offers[0])
    with pytest.raises(Conflict, match="was changed at RunPod just now"):
        await taker.service.take(me, offers[1])
    assert [pod.name for pod in await both.pods.list(me)] == ["one"]


async def test_what_carries_our_mark_and_has_no_row_is_taken_in_under_its_id(both: Cloud, taker: Taker) -> None:
    """An orphan, which the reconciler has stopped and left for somebody to look at."""
    store = both.house._store  # pyright: ignore[reportPrivateUsage]
    theirs = await both.there.started(name=Marks(store.installation).name("lost", "2s56cp0pof1rmt"))
    await both.reconciled()
    assert (await both.one()).status is Status.EXITED
    pod = await taker.take(theirs)
    assert (pod.id, pod.name) == ("2s56cp0pof1rmt", "lost")
    await both.reconciled()
    assert (await both.look(pod)).status is Status.RUNNING
    await both.agree()


async def test_a_pod_on_a_network_volume_of_ours_is_taken_in_with_it(both: Cloud, taker: Taker) -> None:
    volume = await both.house.services.volumes.create(await both.me(), "models", "20g")
    there = (await both.there.house.services.volumes.list(await both.there.local()))[0]
    theirs = await both.there.started(network_volume=there.name)
    pod = await taker.take(theirs)
    assert (pod.spec.network_volume, pod.spec.volume) == (volume.id, None)
    await both.reconciled()
    assert (await both.look(pod)).status is Status.RUNNING
