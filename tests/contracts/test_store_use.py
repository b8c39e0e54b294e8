"""What the reaper expects of the store, on each database: use, promises, warnings, signs of life, a jumping clock."""

from datetime import datetime, timedelta

from core.model import Draft, Pod, PortTraffic, Reading, Status
from core.store import Store
from core.store.store import Person
from tests.stores import DRAFT, NOW, a_pod

LATER = NOW + timedelta(minutes=5)
HOUR = timedelta(hours=1)
TOLD = (Draft(kind="pod.kept", actor="tester", via="terminal"), LATER)


async def a_running_pod(store: Store, owner: Person, number: int = 1, /, **changes: object) -> Pod:
    pod, _ = await store.add_pod(a_pod(owner, number, **changes), DRAFT, stem=None, limit=9)
    running = await store.move(pod.id, 1, {pod.status}, Status.RUNNING, NOW, DRAFT, ready_at=NOW, last_active_at=NOW)
    assert running is not None
    return running


async def seen_at(store: Store, pod: Pod) -> datetime | None:
    found = await store.pod(pod.id)
    assert found is not None
    return found.last_active_at


async def test_use_is_written_down_for_many_pods_at_once_and_never_goes_back(store: Store, ann: Person) -> None:
    one, two = await a_running_pod(store, ann, 1), await a_running_pod(store, ann, 2)
    await store.saw_use({one.id: 1, two.id: 2}, LATER)
    # The second was seen in a run that is over.
    assert [await seen_at(store, pod) for pod in (one, two)] == [LATER, NOW]
    await store.saw_use({one.id: 1}, NOW)
    await store.saw_use({}, LATER)
    assert await seen_at(store, one) == LATER
    await store.move(one.id, 1, {Status.RUNNING}, Status.STOPPING, LATER, DRAFT)
    await store.saw_use({one.id: 1}, LATER + HOUR)
    assert await seen_at(store, one) == LATER


async def test_only_a_running_pod_says_that_it_is_in_use(store: Store, ann: Person) -> None:
    pod = await a_running_pod(store, ann)
    assert await store.beat(pod.id, LATER)
    found = await store.pod(pod.id)
    assert found is not None
    assert (found.heartbeat_at, found.last_active_at) == (LATER, NOW)
    await store.move(pod.id, 1, {Status.RUNNING}, Status.EXITED, LATER, DRAFT)
    assert not await store.beat(pod.id, LATER + HOUR)
    assert not await store.beat("nobody", LATER)


async def test_a_promise_is_written_with_its_event_or_not_at_all(store: Store, ann: Person) -> None:
    pod = await a_running_pod(store, ann)
    before = await store.last_event()
    kept = await store.amend(pod.id, 1, {Status.RUNNING}, told=TOLD, keep_until=NOW + HOUR, kept_by="Ann")
    assert kept is not None
    assert (kept.keep_until, kept.kept_by, kept.changed_at) == (NOW + HOUR, "Ann", pod.changed_at)
    event = (await store.events(before))[0]
    assert (event.kind, event.at, event.run, event.status) == ("pod.kept", LATER, 1, Status.RUNNING)
    assert await store.amend(pod.id, 2, {Status.RUNNING}, told=TOLD, keep_until=None) is None
    assert await store.last_event() == event.seq


async def test_a_move_or_a_change_asks_that_what_was_looked_at_is_still_so(store: Store, ann: Person) -> None:
    pod = await a_running_pod(store, ann)
    looked = {"keep_until": pod.keep_until, "heartbeat_at": pod.heartbeat_at}
    await store.amend(pod.id, 1, {Status.RUNNING}, keep_until=NOW + HOUR)
    stop = (pod.id, 1, {Status.RUNNING}, Status.STOPPING, LATER, DRAFT)
    assert await store.move(*stop, same=looked) is None
    assert await store.move(*stop, same=looked | {"keep_until": NOW + HOUR}) is not None
    other = pod.spec.model_copy(update={"cpu": 2.0})
    running = await a_running_pod(store, ann, 2)
    assert await store.amend(running.id, 1, {Status.RUNNING}, same={"spec": other}, spec=other) is None
    assert await store.amend(running.id, 1, {Status.RUNNING}, same={"spec": running.spec}, spec=other) is not None


async def test_a_clock_that_jumps_moves_what_silence_is_measured_from(store: Store, ann: Person) -> None:
    pod = await a_running_pod(store, ann)
    await store.amend(pod.id, 1, {Status.RUNNING}, warned_at=LATER, keep_until=LATER)
    resting = await a_running_pod(store, ann, 2)
    await store.move(resting.id, 1, {Status.RUNNING}, Status.EXITED, LATER, DRAFT)
    reading = Reading(generation="g", traffic=PortTraffic(in_flight=1), moved_at=NOW, in_flight_since=NOW)
    await store.save_readings({"p-80": reading})
    for gap in (HOUR, -3 * HOUR):
        await store.shift(gap)
    moved = await store.pod(pod.id)
    assert moved is not None
    assert (moved.last_active_at, moved.warned_at) == (NOW - 2 * HOUR, LATER - 2 * HOUR)
    assert (moved.keep_until, moved.ready_at, moved.heartbeat_at) == (LATER, NOW, None)
    assert await seen_at(store, resting) == NOW
    assert await store.readings() == {"p-80": reading.model_copy(update={"moved_at": NOW - 2 * HOUR})}


async def test_ports_of_the_gateway_stay_with_a_pod_until_it_is_terminated(store: Store, ann: Person) -> None:
    pod = await a_running_pod(store, ann)
    assert await store.claim(pod.id, "tcp", ["30000", "30001"], 1) == ("30000",)
    await store.claim(pod.id, "address", ["10.0.0.2"], 1)
    await store.amend(pod.id, 1, {Status.RUNNING}, listens={22: 30000})
    stopped = await store.move(pod.id, 1, {Status.RUNNING}, Status.EXITED, LATER, DRAFT)
    assert stopped is not None
    assert stopped.listens == {22: 30000}
    assert (await store.claimed("tcp"), await store.claimed("address")) == ({"30000": pod.id}, {})
    await store.move(pod.id, 1, {Status.EXITED}, Status.TERMINATED, LATER, DRAFT)
    assert await store.claimed("tcp") == {}
