"""What every room expects of pods' names in the store, on each database it knows."""

import asyncio
from datetime import timedelta

import pytest

from core.errors import Conflict
from core.model import Draft, Role, Status
from core.store import Store
from core.store.store import Person
from tests.stores import DRAFT, NOW, a_pod

RENAMED = Draft(kind="pod.renamed", actor="tester", via="api", data={"to": "other"})
LATER = NOW + timedelta(minutes=5)


async def test_a_pod_gets_another_name_with_its_event_and_nothing_else_changes(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    renamed = await store.rename(pod.id, "other", RENAMED, LATER)
    assert renamed == pod.model_copy(update={"name": "other"})
    assert await store.pod(pod.id) == renamed
    assert (await store.called("default", "other"), await store.called("default", "pod-1")) == (renamed, None)
    event = (await store.events(0, pod_id=pod.id))[-1]
    assert (event.kind, event.at, event.status, event.run) == ("pod.renamed", LATER, pod.status, 1)


async def test_a_taken_name_is_refused_and_that_of_a_terminated_pod_is_free(store: Store, ann: Person) -> None:
    pod, other = [(await store.add_pod(a_pod(ann, n), DRAFT, stem=None, limit=5))[0] for n in (1, 2)]
    with pytest.raises(Conflict, match=r"'pod-2' is taken by a pod of Ann \(PROVISIONING\)"):
        await store.rename(pod.id, other.name, RENAMED, LATER)
    assert await store.pod(pod.id) == pod
    assert len(await store.events(0, pod_id=pod.id)) == 1
    await store.move(other.id, 1, {Status.PROVISIONING}, Status.TERMINATED, LATER, DRAFT)
    renamed = await store.rename(pod.id, other.name, RENAMED, LATER)
    assert renamed is not None
    assert renamed.name == other.name
    assert await store.rename(other.id, "again", RENAMED, LATER) is None
    assert await store.rename("nobody", "again", RENAMED, LATER) is None


async def test_its_own_name_is_no_conflict_and_another_workspace_has_names_of_its_own(
    store: Store, ann: Person
) -> None:
    bob = await store.person("elsewhere", "slack", "T2:U1", "Bob", Role.MEMBER, NOW)
    pod, theirs = [
        (await store.add_pod(a_pod(who, n), DRAFT, stem=None, limit=5))[0] for n, who in ((1, ann), (2, bob))
    ]
    assert await store.rename(pod.id, pod.name, RENAMED, LATER) == pod
    renamed = await store.rename(pod.id, theirs.name, RENAMED, LATER)
    assert renamed is not None
    assert renamed.name == theirs.name


async def test_of_many_who_want_one_name_at_once_one_gets_it(store: Store, ann: Person) -> None:
    pods = [(await store.add_pod(a_pod(ann, n), DRAFT, stem=None, limit=9))[0] for n in range(1, 7)]
    tried = (store.rename(pod.id, "wanted", RENAMED, LATER) for pod in pods)
    answers = await asyncio.gather(*tried, return_exceptions=True)
    assert sum(isinstance(answer, Conflict) for answer in answers) == 5
    assert [pod.name for pod in await store.pods()].count("wanted") == 1
