"""What every room expects of the runs in the store, on each database it knows."""

from datetime import datetime, timedelta
from typing import Any

from core.model import Cause, Pod, Role, Run, Status
from core.store import Store
from core.store.store import Person
from tests.stores import DRAFT, NOW, a_pod, spec

FAR = NOW + timedelta(days=100)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


async def move(store: Store, pod: Pod, to: Status, minutes: float, **changes: Any) -> Pod:
    moved = await store.move(pod.id, pod.run, {pod.status}, to, at(minutes), DRAFT, **changes)
    assert moved is not None
    return moved


async def lived(store: Store, owner: Person, number: int, template: str = "hello") -> Pod:
    """Started, answering after two minutes, stopped for its silence after forty."""
    made = a_pod(owner, number, started_at=NOW, spec=spec(template=template, price_per_hour=0.5))
    pod, _ = await store.add_pod(made, DRAFT, stem=None, limit=50)
    pod = await move(store, pod, Status.STARTING, 1)
    pod = await move(store, pod, Status.RUNNING, 2, ready_at=at(2))
    pod = await move(store, pod, Status.STOPPING, 40, cause=Cause.IDLE)
    return await move(store, pod, Status.EXITED, 41, ended_at=at(41))


async def test_a_run_is_written_down_as_it_goes_and_stays_as_it_was(store: Store, ann: Person) -> None:
    pod = await lived(store, ann, 1)
    first = Run(
        pod_id=pod.id,
        run=1,
        name=pod.name,
        owner=ann.id,
        owner_name="Ann",
        template="hello",
        price_per_hour=0.5,
        started_at=NOW,
        ready_at=at(2),
        ended_at=at(41),
        cause=Cause.IDLE,
    )
    assert await store.runs("default", NOW, FAR) == (first,)
    pod = await move(store, pod, Status.PROVISIONING, 60, run=2, started_at=at(60), ready_at=None, ended_at=None)
    [_, second] = await store.runs("default", NOW, FAR)
    assert (second.run, second.started_at, second.ready_at, second.ended_at) == (2, at(60), None, None)
    pod = await move(store, pod, Status.ERROR, 61, cause=Cause.ITSELF)
    pod = await move(store, pod, Status.TERMINATING, 70, cause=Cause.PERSON)
    await move(store, pod, Status.TERMINATED, 71, cause=Cause.PERSON, ended_at=at(71))
    gone = {"gone_at": at(71)}
    assert await store.runs("default", NOW, FAR) == (
        first.model_copy(update=gone),
        second.model_copy(update={"ended_at": at(61), "cause": Cause.ITSELF, **gone}),
    )


async def test_a_restart_ends_the_run_before_it(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    pod = await move(store, pod, Status.RUNNING, 2, ready_at=at(2))
    await move(store, pod, Status.STARTING, 9, run=2, started_at=at(9), ready_at=None)
    [first, second] = await store.runs("default", NOW, FAR)
    assert (first.ended_at, first.cause, second.started_at, second.ended_at) == (at(9), Cause.PERSON, at(9), None)


async def test_runs_are_found_by_time_owner_and_workspace(store: Store, ann: Person) -> None:
    bob = await store.person("default", "slack", "T1:UBOB", "Bob", Role.MEMBER, NOW)
    eve = await store.person("elsewhere", "slack", "T2:UEVE", "Eve", Role.ADMIN, NOW)
    for number, owner in enumerate((ann, bob, eve), start=1):
        await lived(store, owner, number)
    assert {run.owner_name for run in await store.runs("default", NOW, FAR)} == {"Ann", "Bob"}
    assert {run.owner_name for run in await store.runs("elsewhere", NOW, FAR)} == {"Eve"}
    assert [run.owner_name for run in await store.runs("default", NOW, FAR, bob.id)] == ["Bob"]
    assert await store.runs("default", at(41), FAR) == ()
    assert len(await store.runs("default", at(40.9), FAR)) == 2
    assert await store.runs("default", NOW - timedelta(days=2), NOW) == ()


async def test_past_starts_are_told_by_template_the_last_first(store: Store, ann: Person) -> None:
    await lived(store, ann, 1)
    await lived(store, ann, 2, template="other")
    pod, _ = await store.add_pod(a_pod(ann, 3, started_at=at(10)), DRAFT, stem=None, limit=50)
    assert await store.took("default", "hello", 5) == (timedelta(minutes=2),)
    await move(store, pod, Status.RUNNING, 15, ready_at=at(15))
    assert await store.took("default", "hello", 5) == (timedelta(minutes=5), timedelta(minutes=2))
    assert await store.took("default", "hello", 1) == (timedelta(minutes=5),)
    assert await store.took("elsewhere", "hello", 5) == ()
