"""What every room expects of people and pods in the store, on each database it knows."""

import asyncio
from datetime import timedelta

import pytest

from core.errors import Conflict, NotFound, QuotaExceeded
from core.model import (
    Cause,
    Draft,
    GpuRequest,
    Ready,
    Role,
    Status,
    Upstream,
)
from core.store import Store
from core.store.store import Person
from tests.stores import DRAFT, NOW, a_pod, a_volume, spec

LATER = NOW + timedelta(minutes=5)


# people


async def test_an_identity_leads_to_the_same_person_and_keeps_name_and_role_up_to_date(store: Store) -> None:
    first = await store.person("default", "slack", "T1:U1", "Ann", Role.MEMBER, NOW)
    assert await store.person("default", "slack", "T1:U1", "Ann", Role.MEMBER, LATER) == first
    await store.add_pod(a_pod(first), DRAFT, stem=None, limit=5)
    renamed = await store.person("default", "slack", "T1:U1", "Ann Other", Role.ADMIN, LATER)
    assert renamed == first.model_copy(update={"name": "Ann Other", "role": Role.ADMIN})
    assert [pod.owner_name for pod in await store.pods()] == ["Ann Other"]
    for other in (("default", "token", "T1:U1"), ("default", "slack", "T1:U2"), ("elsewhere", "slack", "T1:U1")):
        assert (await store.person(*other, "Ann", Role.MEMBER, NOW)).id != first.id
    assert await store.identity(first.id, "slack") == "T1:U1"
    assert await store.identity(first.id, "token") is None


async def test_a_person_seen_by_many_at_once_is_one(store: Store) -> None:
    seen = await asyncio.gather(
        *(store.person("default", "slack", "T1:U9", "Bob", Role.MEMBER, NOW) for _ in range(20))
    )
    assert len({person.id for person in seen}) == 1


# a new pod


async def test_a_pod_comes_back_as_it_went_in_with_its_event(store: Store, ann: Person) -> None:
    rich = spec(
        args=("--flag", "ü 'quoted' \"twice\""),
        env={"TOKEN": "x=y\n\x00z"},
        ports=("8080/http", "22/tcp"),
        gpu=GpuRequest(type="A100", count=2),
        volume=1 << 40,
        ready=Ready(port=8080, path="/health", timeout=timedelta(seconds=90)),
        price_per_hour=0.25,
    )
    pod = a_pod(
        ann,
        spec=rich,
        upstreams={8080: Upstream(host="172.30.0.2", port=8080)},
        gpus=("GPU-1", "GPU-2"),
        worker="w1",
        lease_until=LATER,
        reason="because",
        cause=Cause.PERSON,
        stoppable=False,
    )
    added, event = await store.add_pod(pod, DRAFT, stem=None, limit=5)
    assert added == pod
    assert await store.pod(pod.id) == pod
    assert (event.seq, event.pod_id, event.status, event.run, event.at) == (1, pod.id, pod.status, 1, pod.changed_at)
    assert (event.kind, event.actor, event.via, event.data) == (DRAFT.kind, DRAFT.actor, DRAFT.via, DRAFT.data)
    assert await store.events(0) == (event,)
    assert await store.pod("nobody-knows-me") is None


async def test_a_pod_of_nobody_is_refused(store: Store, ann: Person) -> None:
    with pytest.raises(NotFound, match="There is no person"):
        await store.add_pod(a_pod(ann, owner="stranger"), DRAFT, stem=None, limit=5)
    assert await store.pods() == ()


async def test_a_name_is_unique_among_live_pods_and_free_again_after_the_end(store: Store, ann: Person) -> None:
    first, _ = await store.add_pod(a_pod(ann, 1, name="web"), DRAFT, stem=None, limit=9)
    with pytest.raises(Conflict) as refused:
        await store.add_pod(a_pod(ann, 2, name="web"), DRAFT, stem=None, limit=9)
    assert all(word in str(refused.value) for word in ("'web'", first.id, "Ann", "PROVISIONING", "another name"))
    assert await store.last_event() == 1
    elsewhere = await store.person("elsewhere", "slack", "T2:U1", "Eve", Role.MEMBER, NOW)
    await store.add_pod(a_pod(elsewhere, 3, name="web"), DRAFT, stem=None, limit=9)
    assert await store.move(first.id, 1, {Status.PROVISIONING}, Status.TERMINATED, LATER, DRAFT)
    await store.add_pod(a_pod(ann, 4, name="web"), DRAFT, stem=None, limit=9)


async def test_a_stem_gets_the_smallest_free_number(store: Store, ann: Person) -> None:
    names = ["hello-1", "hello-3", "hello-02", "HELLO-2", "hello-x", "hello_y-2"]
    for number, name in enumerate(names, start=1):
        await store.add_pod(a_pod(ann, number, name=name), DRAFT, stem=None, limit=99)
    for number, wanted in ((11, "hello-2"), (12, "hello-4")):
        added, _ = await store.add_pod(a_pod(ann, number, name=""), DRAFT, stem="hello", limit=99)
        assert added.name == wanted
    odd, _ = await store.add_pod(a_pod(ann, 13, name=""), DRAFT, stem="hello_%", limit=99)
    assert odd.name == "hello_%-1"


async def test_the_limit_names_itself_the_person_and_the_way_out(store: Store, ann: Person) -> None:
    for number, status in enumerate((Status.RUNNING, Status.STOPPING, Status.EXITED, Status.ERROR), start=1):
        await store.add_pod(a_pod(ann, number, status=status), DRAFT, stem=None, limit=9)
    bob = await store.person("default", "slack", "T1:UBOB", "Bob", Role.MEMBER, NOW)
    await store.add_pod(a_pod(bob, 8), DRAFT, stem=None, limit=1)
    with pytest.raises(QuotaExceeded) as refused:
        await store.add_pod(a_pod(ann, 5), DRAFT, stem=None, limit=2)
    said = str(refused.value)
    assert said.startswith("Ann has 2 pods running or on the way, and the limit is 2")
    assert "stop one, or ask an admin to raise PODKEEPER_MAX_PODS_PER_USER" in said
    await store.add_pod(a_pod(ann, 5), DRAFT, stem=None, limit=3)


async def test_two_hundred_starts_at_once_get_numbers_up_to_the_limit(store: Store, ann: Person) -> None:
    limit = 120
    made = await asyncio.gather(
        *(store.add_pod(a_pod(ann, n, name=""), DRAFT, stem="hello", limit=limit) for n in range(200)),
        return_exceptions=True,
    )
    added = [one[0].name for one in made if isinstance(one, tuple)]
    assert sorted(added) == sorted(f"hello-{n}" for n in range(1, limit + 1))
    assert all(isinstance(one, tuple | QuotaExceeded) for one in made)
    assert [event.seq for event in await store.events(0)] == list(range(1, limit + 1))


async def test_a_pod_on_an_unknown_network_volume_is_refused_with_those_there_are(store: Store, ann: Person) -> None:
    wants = a_pod(ann, spec=spec(network_volume="vol1"))
    with pytest.raises(NotFound, match="There are none yet"):
        await store.add_pod(wants, DRAFT, stem=None, limit=5)
    elsewhere = await store.person("elsewhere", "slack", "T2:U1", "Eve", Role.MEMBER, NOW)
    await store.add_volume(a_volume(elsewhere))
    await store.add_volume(a_volume(ann, "data", "vol2"))
    with pytest.raises(NotFound, match="There are: data"):
        await store.add_pod(wants, DRAFT, stem=None, limit=5)
    await store.add_pod(a_pod(ann, spec=spec(network_volume="vol2")), DRAFT, stem=None, limit=5)


# a move


async def test_a_move_writes_row_and_event_together(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    said = Draft(kind="pod.starting", actor="worker", via="worker", data={"cause": Cause.IDLE, "n": [1, None]})
    moved = await store.move(pod.id, 1, {Status.PROVISIONING}, Status.STARTING, LATER, said, ref="c1", worker="w")
    assert moved == pod.model_copy(update={"status": Status.STARTING, "changed_at": LATER, "ref": "c1", "worker": "w"})
    assert await store.pod(pod.id) == moved
    (event,) = await store.events(1)
    assert (event.seq, event.status, event.run, event.at, event.kind) == (2, Status.STARTING, 1, LATER, said.kind)
    assert event.data == {"cause": "idle", "n": [1, None]}


async def test_a_reason_may_quote_whatever_a_pod_printed(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    said = DRAFT.model_copy(update={"data": {"reason": "a\x00b"}})
    moved = await store.move(pod.id, 1, {pod.status}, Status.ERROR, LATER, said, reason="a\x00b \ud800 c")
    assert moved is not None
    assert moved.reason == "a\N{REPLACEMENT CHARACTER}b ? c"
    assert (await store.events(1))[0].data == {"reason": "a\x00b"}


async def test_a_move_from_another_status_or_run_changes_nothing(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    for pod_id, run, expect in (
        (pod.id, 2, {Status.PROVISIONING}),
        (pod.id, 1, {Status.RUNNING, Status.EXITED}),
        (pod.id, 1, set[Status]()),
        ("another", 1, {Status.PROVISIONING}),
    ):
        assert await store.move(pod_id, run, expect, Status.STARTING, LATER, DRAFT) is None
    assert await store.pod(pod.id) == pod
    assert await store.last_event() == 1


async def test_a_move_may_begin_a_new_run_and_its_event_carries_it(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann, status=Status.EXITED, ref="c1"), DRAFT, stem=None, limit=5)
    moved = await store.move(
        pod.id, 1, {Status.EXITED}, Status.PROVISIONING, LATER, DRAFT, run=2, ref=None, started_at=LATER
    )
    assert moved is not None
    assert (moved.run, moved.ref, moved.started_at) == (2, None, LATER)
    assert (await store.events(1))[0].run == 2
    assert await store.amend(pod.id, 1, {Status.PROVISIONING}, ref="late") is None


async def test_a_resume_counts_against_the_limit_and_the_refusal_leaves_all_as_it_was(
    store: Store, ann: Person
) -> None:
    asleep, _ = await store.add_pod(a_pod(ann, 1, status=Status.EXITED), DRAFT, stem=None, limit=5)
    awake, _ = await store.add_pod(a_pod(ann, 2, status=Status.RUNNING), DRAFT, stem=None, limit=5)
    with pytest.raises(QuotaExceeded, match="Ann has 1 pod running"):
        await store.move(asleep.id, 1, {Status.EXITED}, Status.PROVISIONING, LATER, DRAFT, limit=1, run=2)
    assert await store.pod(asleep.id) == asleep
    assert await store.last_event() == 2
    # A restart of one that runs already takes no further place.
    assert await store.move(awake.id, 1, {Status.RUNNING}, Status.PROVISIONING, LATER, DRAFT, limit=1, run=2)
    assert await store.move(asleep.id, 1, {Status.EXITED}, Status.PROVISIONING, LATER, DRAFT, limit=2, run=2)


async def test_of_twenty_who_try_the_same_move_one_wins(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann, status=Status.RUNNING), DRAFT, stem=None, limit=5)
    tried = await asyncio.gather(
        *(store.move(pod.id, 1, {Status.RUNNING}, Status.STOPPING, LATER, DRAFT, worker=f"w{n}") for n in range(20))
    )
    (won,) = [one for one in tried if one is not None]
    assert await store.pod(pod.id) == won
    assert await store.last_event() == 2


@pytest.mark.parametrize("to", [Status.EXITED, Status.ERROR, Status.TERMINATED])
async def test_a_pod_that_comes_to_rest_gives_back_what_it_held(store: Store, ann: Person, to: Status) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    await store.claim(pod.id, "address", ["10.0.0.2"], 1)
    await store.claim(pod.id, "gpu", ["GPU-1"], 1)
    assert await store.move(pod.id, 1, {Status.PROVISIONING}, Status.STOPPING, LATER, DRAFT)
    assert await store.claimed("address") == {"10.0.0.2": pod.id}
    assert await store.move(pod.id, 1, {Status.STOPPING}, to, LATER, DRAFT)
    assert (await store.claimed("address"), await store.claimed("gpu")) == ({}, {})


@pytest.mark.parametrize("change", ["status", "id", "owner", "owner_name", "changed_at", "nonsense"])
async def test_what_may_not_be_changed_is_refused(store: Store, ann: Person, change: str) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    with pytest.raises(ValueError, match=change):
        await store.amend(pod.id, 1, {Status.PROVISIONING}, **{change: "x"})
    with pytest.raises(ValueError, match="run"):
        await store.amend(pod.id, 1, {Status.PROVISIONING}, run=2)


# an amendment


async def test_an_amendment_changes_the_row_without_an_event(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    changes = {"ref": "c1", "upstreams": {80: Upstream(host="10.0.0.2", port=80)}, "gpus": ("GPU-7",), "worker": "w"}
    amended = await store.amend(pod.id, 1, {Status.PROVISIONING}, **changes)
    assert amended == pod.model_copy(update=changes) == await store.pod(pod.id)
    assert await store.amend(pod.id, 1, {Status.RUNNING}, ref="c2") is None
    assert await store.amend(pod.id, 1, {Status.PROVISIONING}) == amended
    assert await store.last_event() == 1


async def test_last_activity_never_goes_back(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann, status=Status.RUNNING), DRAFT, stem=None, limit=5)
    for given, kept in ((NOW, NOW), (LATER, LATER), (NOW, LATER), (None, LATER)):
        amended = await store.amend(pod.id, 1, {Status.RUNNING}, last_active_at=given)
        assert amended is not None
        assert amended.last_active_at == kept
    # A new run begins without any.
    moved = await store.move(pod.id, 1, {Status.RUNNING}, Status.PROVISIONING, LATER, DRAFT, run=2, last_active_at=None)
    assert moved is not None
    assert moved.last_active_at is None


async def test_pods_are_listed_newest_first_and_filtered(store: Store, ann: Person) -> None:
    bob = await store.person("default", "slack", "T1:UBOB", "Bob", Role.MEMBER, NOW)
    eve = await store.person("elsewhere", "slack", "T2:UEVE", "Eve", Role.MEMBER, NOW)
    for number, (owner, status) in enumerate(
        ((ann, Status.RUNNING), (bob, Status.RUNNING), (ann, Status.EXITED), (eve, Status.RUNNING)), start=1
    ):
        await store.add_pod(a_pod(owner, number, status=status), DRAFT, stem=None, limit=5)

    async def names(**filters: object) -> list[str]:
        return [pod.name for pod in await store.pods(**filters)]  # pyright: ignore[reportArgumentType]

    assert await names() == ["pod-4", "pod-3", "pod-2", "pod-1"]
    assert await names(workspace="default") == ["pod-3", "pod-2", "pod-1"]
    assert await names(owner=ann.id) == ["pod-3", "pod-1"]
    assert await names(workspace="default", status={Status.RUNNING}, owner=ann.id) == ["pod-1"]
    assert await names(status=()) == []


async def test_a_lease_is_renewed_only_for_the_worker_and_only_under_way(store: Store, ann: Person) -> None:
    for number, (status, worker) in enumerate(
        ((Status.STARTING, "me"), (Status.TERMINATING, "me"), (Status.RUNNING, "me"), (Status.STARTING, "you")), 1
    ):
        await store.add_pod(a_pod(ann, number, status=status, worker=worker), DRAFT, stem=None, limit=9)
    await store.renew("me", LATER)
    assert {pod.name: pod.lease_until for pod in await store.pods()} == {
        "pod-1": LATER,
        "pod-2": LATER,
        "pod-3": None,
        "pod-4": None,
    }


# a list, page by page


async def test_pages_hold_each_pod_once_and_the_sums_of_all(store: Store, ann: Person) -> None:
    for number, price in enumerate((0.25, None, 0.5, 1.0, 2.0), 1):
        pod = a_pod(
            ann,
            number,
            spec=spec(price_per_hour=price, env={"TOKEN": "x\x00z"}),
            created_at=NOW + timedelta(minutes=number // 2),
        )
        await store.add_pod(pod, DRAFT, stem=None, limit=10)
    ended = a_pod(ann, 5)
    await store.move(ended.id, 1, {ended.status}, Status.EXITED, LATER, DRAFT)
    seen: list[str] = []
    before = None
    while True:
        page, sums = await store.page("default", ann.id, None, before, 2)
        assert sums == (5, 4, 1.75)
        if not page:
            break
        seen += [pod.id for pod in page]
        before = page[-1].created_at, page[-1].id
    assert seen == [pod.id for pod in sorted(await store.pods(), key=lambda p: (p.created_at, p.id), reverse=True)]
    found, sums = await store.page("default", ann.id, {Status.EXITED}, None, 10)
    assert [pod.id for pod in found] == [ended.id]
    assert sums == (1, 0, None)
    assert (await store.page("elsewhere", None, None, None, 10))[1] == (0, 0, None)
