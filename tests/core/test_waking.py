"""Waking: what strangers may know of a stopped pod, and how often they may start it."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from core.engines.fake import Script
from core.errors import Conflict, Forbidden, NoCapacity, NotFound, PodError, QuotaExceeded, Unavailable
from core.model import Gpu, Pod, Status, Wake
from core.service import Sleeper, TooOften, Waking
from tests.houses import FakeHouse, fake_house

VISITOR = "203.0.113.7"


def waking(home: FakeHouse) -> Waking:
    return home.house.services.waking


def key(pod: Pod) -> str:
    return f"{pod.id}-8080"


async def asleep(home: FakeHouse, **options: object) -> Pod:
    """A pod that its owner has stopped."""
    pod = await home.started(**options)
    return await stopped(home, pod)


async def stopped(home: FakeHouse, pod: Pod) -> Pod:
    await home.pods.stop(await home.local(), pod.id)
    return await home.after(pod)


async def seen(home: FakeHouse, pod: Pod) -> Sleeper:
    found = await waking(home).sleeper(key(pod))
    assert found is not None
    return found


async def test_a_stranger_is_told_what_it_is_and_nothing_of_anybody(home: FakeHouse) -> None:
    pod = await home.started(name="mine", volume="1g", env={"SECRET": "swordfish"}, idle="10m")
    home.clock.forward(hours=1)
    pod = await stopped(home, pod)
    found = await seen(home, pod)
    assert (found.name, found.status, found.run) == ("mine", Status.EXITED, 1)
    assert found.since == home.clock()
    assert found.why == "Somebody stopped it."
    assert (found.wake, found.keeps, found.idle) == (Wake.BUTTON, True, timedelta(minutes=10))
    told = found.model_dump_json()
    for secret in ("local admin", pod.owner, "swordfish", pod.reason or "?"):
        assert secret not in told


async def test_why_it_does_not_run_is_told_in_words_of_our_own(home: FakeHouse) -> None:
    idle = await home.started(idle="10m")
    for _ in range(3):
        home.clock.forward(minutes=9)
        await home.tick()
    assert (await seen(home, idle)).why == "Nobody used it for a while."
    old = await home.started(idle="0", lifetime="1h")
    for _ in range(3):
        home.clock.forward(minutes=59)
        await home.tick()
    assert (await seen(home, old)).why == "Its time was up."
    ended = await home.started()
    home.engine.die(ended.id, 0)
    await home.house.reconciler.look(ended.id)
    await home.house.launcher.idle()
    assert (await seen(home, ended)).why == "Its program ended."
    home.engine.script = Script.NO_IMAGE
    assert (await seen(home, await home.started())).why == "It could not be started."


@pytest.mark.parametrize("unknown", ["", "-", "8080", "nobody-8080", "x" * 10_000, "'; --1"])
async def test_nothing_is_known_of_what_is_not_there(home: FakeHouse, unknown: str) -> None:
    assert await waking(home).sleeper(unknown) is None
    with pytest.raises(NotFound):
        await waking(home).wake(unknown, VISITOR)
    assert [stride async for stride in waking(home).follow(unknown)] == []


async def test_a_terminated_pod_is_not_there(home: FakeHouse) -> None:
    pod = await asleep(home)
    await home.pods.terminate(await home.local(), pod.id)
    await home.after(pod)
    assert await waking(home).sleeper(key(pod)) is None


async def test_a_visitor_starts_it_as_its_owner_would(home: FakeHouse) -> None:
    pod = await asleep(home, volume="1g")
    woken = await waking(home).wake(key(pod), VISITOR)
    assert (woken.status, woken.run, woken.ended_at, woken.reason) == (Status.PROVISIONING, 2, None, None)
    pod = await home.after(pod)
    assert pod.status is Status.RUNNING
    store = home.house._store  # pyright: ignore[reportPrivateUsage]
    event = next(e for e in await store.events(0, pod_id=pod.id) if e.kind == "pod.woken")
    assert (event.actor, event.via, event.status, event.run) == ("visitor", "wake", Status.PROVISIONING, 2)
    assert VISITOR not in event.model_dump_json()


async def test_only_a_stopped_pod_is_woken(home: FakeHouse) -> None:
    running = await home.started()
    with pytest.raises(Conflict, match="not stopped"):
        await waking(home).wake(key(running), VISITOR)
    home.engine.script = Script.NO_IMAGE
    failed = await home.started()
    assert failed.status is Status.ERROR
    with pytest.raises(Conflict, match="not stopped"):
        await waking(home).wake(key(failed), VISITOR)


async def test_a_pod_whose_wake_is_off_is_its_owners_alone(home: FakeHouse) -> None:
    pod = await asleep(home, wake="off")
    assert (await seen(home, pod)).wake is Wake.OFF
    with pytest.raises(Forbidden, match="Only its owner"):
        await waking(home).wake(key(pod), VISITOR)
    assert (await home.after(pod)).status is Status.EXITED


async def test_twenty_visitors_at_once_make_one_start(home: FakeHouse) -> None:
    pod = await asleep(home)
    visits = (waking(home).wake(key(pod), f"203.0.113.{n}") for n in range(20))
    results = await asyncio.gather(*visits, return_exceptions=True)
    assert [type(r) for r in results].count(Pod) == 1
    assert all(isinstance(r, (Pod, Conflict)) for r in results)
    pod = await home.after(pod)
    assert (pod.status, pod.run, len(home.engine.orders)) == (Status.RUNNING, 2, 2)


async def test_a_pod_is_woken_six_times_an_hour_at_most(home: FakeHouse) -> None:
    pod = await asleep(home)
    for n in range(6):
        await waking(home).wake(key(pod), f"203.0.113.{n}")
        await home.after(pod)
        await stopped(home, pod)
        home.clock.forward(minutes=1)
    with pytest.raises(TooOften, match=r"6 times within an hour\. Try again in 54m\.") as found:
        await waking(home).wake(key(pod), "203.0.113.99")
    assert found.value.retry_after == 54 * 60
    home.clock.forward(minutes=54)
    await waking(home).wake(key(pod), "203.0.113.99")
    assert (await home.after(pod)).status is Status.RUNNING


async def test_a_visitor_asks_for_twenty_starts_an_hour_at_most(home: FakeHouse) -> None:
    pod = await asleep(home)
    home.engine.down = True
    for n in range(20):
        with pytest.raises(Unavailable, match="cannot be started now"):
            await waking(home).wake(key(pod), f"2001:db8::{n:x}")
    home.engine.down = False
    with pytest.raises(TooOften, match="20 times"):
        await waking(home).wake(key(pod), "2001:db8::ffff:1")
    await waking(home).wake(key(pod), "2001:db8:0:1::1")
    assert (await home.after(pod)).status is Status.RUNNING


async def test_what_is_refused_names_neither_owner_nor_engine(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", max_pods_per_user=1) as home:
        pod = await asleep(home)
        await home.started()
        refused: list[PodError] = []
        with pytest.raises(QuotaExceeded) as found:
            await waking(home).wake(key(pod), VISITOR)
        refused.append(found.value)
        home.engine.down = True
        with pytest.raises(Unavailable) as away:
            await waking(home).wake(key(pod), VISITOR)
        refused.append(away.value)
        for error in refused:
            assert "local admin" not in str(error)
            assert "engine" not in str(error).lower()
        assert (await home.pods.get(await home.local(), pod.id)).status is Status.EXITED


async def test_a_pod_whose_devices_are_taken_away_is_not_woken(home: FakeHouse) -> None:
    home.engine._gpus = (Gpu(uuid="GPU-1", type="NVIDIA A100", memory=1),)  # pyright: ignore[reportPrivateUsage]
    pod = await asleep(home, gpu="A100")
    home.engine._gpus = ()  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(NoCapacity, match="in use elsewhere"):
        await waking(home).wake(key(pod), VISITOR)


async def test_a_ticket_is_good_for_one_address_one_stop_and_one_hour(home: FakeHouse) -> None:
    pod, other = await asleep(home), await asleep(home)
    found, another = await seen(home, pod), await seen(home, other)
    ticket = waking(home).ticket(found)
    assert waking(home).admits(found, ticket)
    assert not waking(home).admits(another, ticket)
    assert not waking(home).admits(found.model_copy(update={"key": f"{pod.id}-9090"}), ticket)
    assert not waking(home).admits(found.model_copy(update={"run": 2}), ticket)
    until, _, signature = ticket.partition(".")
    for forged in ("", ".", until, f"{int(until) + 1}.{signature}", f"{until}.", f"{until}.é", "٣.x", "9" * 5000):
        assert not waking(home).admits(found, forged), forged
    home.clock.forward(minutes=60)
    assert waking(home).admits(found, ticket)
    home.clock.forward(seconds=1)
    assert not waking(home).admits(found, ticket)


async def test_a_start_is_followed_forward_to_its_end(home: FakeHouse) -> None:
    pod = await asleep(home)
    home.engine.script = Script.SLOW_PULL
    await waking(home).wake(key(pod), VISITOR)
    strides = []
    async for stride in waking(home).follow(key(pod)):
        strides.append(stride)
        if stride.message == "Fetching its image" and stride.fraction:
            home.engine.proceed.set()
    fractions = [stride.fraction for stride in strides if stride.fraction is not None]
    assert fractions == sorted(fractions)
    assert 0.275 in fractions
    assert (strides[-1].status, strides[-1].fraction) == (Status.RUNNING, 1.0)
    assert "docker.io" not in "".join(stride.message for stride in strides)


async def test_following_ends_when_the_start_fails_or_is_called_off(home: FakeHouse) -> None:
    pod = await asleep(home)
    home.engine.script = Script.BAD_COMMAND
    await waking(home).wake(key(pod), VISITOR)
    strides = [stride async for stride in waking(home).follow(key(pod))]
    assert (strides[-1].status, strides[-1].message) == (Status.ERROR, "It could not be started.")
    home.engine.script = Script.OK
    pod = await asleep(home)
    assert [stride.status async for stride in waking(home).follow(key(pod))] == [Status.EXITED]
