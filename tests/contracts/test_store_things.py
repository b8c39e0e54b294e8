"""What every room expects of claims, events, counters, volumes and registries, on each database."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import Conflict, InvalidInput, NotFound, QuotaExceeded
from core.model import (
    Credential,
    Draft,
    Line,
    PortTraffic,
    Reading,
    Role,
    Status,
)
from core.store import Store
from core.store.store import Person
from tests.stores import DRAFT, NOW, a_pod, a_template, a_volume, spec

LATER = NOW + timedelta(minutes=5)


# claims


async def test_claims_take_the_first_free_and_give_back_what_was_held(store: Store, ann: Person) -> None:
    one, _ = await store.add_pod(a_pod(ann, 1), DRAFT, stem=None, limit=5)
    two, _ = await store.add_pod(a_pod(ann, 2), DRAFT, stem=None, limit=5)
    there = ["a", "b", "a", "c"]
    assert await store.claim(one.id, "gpu", there, 2) == ("a", "b")
    assert await store.claim(two.id, "address", there, 1) == ("a",)
    assert await store.claim(two.id, "gpu", there, 2) is None
    assert await store.claim(two.id, "gpu", iter(there), 1) == ("c",)
    assert await store.claim(one.id, "gpu", there, 1) == ("a",)
    assert await store.claimed("gpu") == {"a": one.id, "c": two.id}
    assert await store.claim(one.id, "gpu", [], 0) == ()
    assert await store.claimed("gpu") == {"c": two.id}


async def test_a_pod_at_rest_can_claim_nothing(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann, status=Status.EXITED), DRAFT, stem=None, limit=5)
    for pod_id in (pod.id, "another"):
        with pytest.raises(Conflict, match="can hold no gpu"):
            await store.claim(pod_id, "gpu", ["a"], 1)


async def test_a_thing_is_never_claimed_twice(store: Store, ann: Person) -> None:
    for number in range(12):
        await store.add_pod(a_pod(ann, number), DRAFT, stem=None, limit=99)
    devices = [f"GPU-{n}" for n in range(10)]
    got = await asyncio.gather(*(store.claim(pod.id, "gpu", devices, 2) for pod in await store.pods()))
    held = [device for one in got if one is not None for device in one]
    assert sorted(held) == sorted(devices)
    assert got.count(None) == 7


# events


async def test_events_are_read_after_a_number_and_forgotten_by_time(store: Store, ann: Person) -> None:
    pod, _ = await store.add_pod(a_pod(ann), DRAFT, stem=None, limit=5)
    orphan = Draft(kind="pod.orphan", actor="reconciler", via="reconciler", data={"ref": "c9"})
    said = await store.record("norowforthisid", "default", 3, orphan, LATER)
    assert (said.seq, said.pod_id, said.status, said.run, said.at) == (2, "norowforthisid", None, 3, LATER)
    assert await store.events(1) == (said,)
    assert [event.seq for event in await store.events(0, limit=1)] == [1]
    assert [event.seq for event in await store.events(0, pod_id=pod.id)] == [1]
    await store.forget_events(LATER)
    assert await store.events(0) == (said,)
    await store.forget_events(LATER + timedelta(seconds=1))
    assert await store.events(0) == ()
    assert await store.last_event() == 2
    assert (await store.record("x", "default", 1, orphan, LATER)).seq == 3


async def test_a_tailer_misses_nothing_while_many_write(store: Store) -> None:
    seen: list[int] = []
    writers = 50

    async def tail() -> None:
        while len(seen) < writers * 2:
            seen.extend(event.seq for event in await store.events(seen[-1] if seen else 0, limit=7))

    async def write(number: int) -> None:
        for _ in range(2):
            await store.record(f"pod{number}", "default", 1, DRAFT, NOW)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        for number in range(writers):
            tasks.create_task(write(number))
        await tail()
    assert seen == list(range(1, writers * 2 + 1))


async def test_a_cursor_is_remembered(store: Store) -> None:
    assert await store.cursor("slack") is None
    for seq in (4, 9):
        await store.save_cursor("slack", seq)
        assert await store.cursor("slack") == seq
    assert await store.cursor("mcp") is None


async def test_a_key_is_new_once_within_a_day(store: Store) -> None:
    long = "k" * 10_000
    answers = await asyncio.gather(*(store.first_time(long, NOW) for _ in range(10)))
    assert sorted(answers) == [False] * 9 + [True]
    assert await store.first_time("\x00 \ud800", NOW)
    assert not await store.first_time(long, NOW + timedelta(days=1))
    assert await store.first_time(long, NOW + timedelta(days=1, seconds=1))


# counters


async def test_what_was_seen_of_a_port_is_remembered(store: Store) -> None:
    p = Reading(generation="g1", traffic=PortTraffic(completed=1, bytes=1 << 40), moved_at=NOW, level=3.5, level_at=NOW)
    q = Reading(generation="g1", traffic=PortTraffic(), open_since=NOW)
    await store.save_readings({"p-80": p, "q-80": q})
    assert await store.readings() == {"p-80": p, "q-80": q}
    newer = Reading(generation="g2", traffic=PortTraffic(completed=2))
    await store.save_readings({"p-80": newer})
    assert await store.readings() == {"p-80": newer, "q-80": q}
    await store.forget_readings(["q-80", "never-seen"])
    await store.forget_readings([])
    assert await store.readings() == {"p-80": newer}


async def test_what_was_seen_of_a_port_outlives_the_process(database_url: str, tmp_path: Path) -> None:
    seen = {"p-80": Reading(generation="g1", traffic=PortTraffic(completed=7))}
    for found in ({}, seen):
        store = await Store.open(database_url, tmp_path / "registry.key")
        try:
            assert await store.readings() == found
            await store.save_readings(seen)
        finally:
            await store.close()


async def test_a_signature_is_good_for_one_text_and_one_purpose(store: Store) -> None:
    signed = store.sign("keepalive", "p1")
    assert (len(signed), signed) == (40, store.sign("keepalive", "p1"))
    assert len({signed, store.sign("keepalive", "p2"), store.sign("wake", "p1")}) == 3


# network volumes


async def test_a_volume_is_listed_with_the_pods_that_name_it(store: Store, ann: Person) -> None:
    volume = a_volume(ann)
    assert await store.add_volume(volume) == volume
    users = [a_pod(ann, number, spec=spec(network_volume=volume.id)) for number in (1, 2)]
    for pod in users:
        await store.add_pod(pod, DRAFT, stem=None, limit=5)
    (listed,) = await store.volumes("default")
    assert listed == volume.model_copy(update={"attached_to": {pod.id: pod.name for pod in users}})
    assert await store.volumes("elsewhere") == ()


async def test_a_volume_in_use_stays_and_one_that_is_free_goes_and_may_come_back(store: Store, ann: Person) -> None:
    volume = await store.add_volume(a_volume(ann))
    pod, _ = await store.add_pod(a_pod(ann, spec=spec(network_volume="vol1")), DRAFT, stem=None, limit=5)
    assert await store.move(pod.id, 1, {Status.PROVISIONING}, Status.ERROR, LATER, DRAFT)
    with pytest.raises(Conflict, match=rf"used by pod-1 \({pod.id}\)"):
        await store.remove_volume("default", "models")
    assert await store.move(pod.id, 1, {Status.ERROR}, Status.TERMINATED, LATER, DRAFT)
    assert await store.remove_volume("default", "models") == volume
    assert await store.volumes("default") == ()
    ended = await store.pod(pod.id)
    assert ended is not None
    assert ended.spec.network_volume == "vol1"
    assert await store.add_volume(volume) == volume
    assert await store.remove_volume("default", "vol1") == volume


async def test_a_volume_is_changed_in_name_and_size(store: Store, ann: Person) -> None:
    volume = await store.add_volume(a_volume(ann))
    await store.add_volume(a_volume(ann, "data", "vol2"))
    larger = volume.model_copy(update={"name": "weights", "size": 40 << 30})
    assert await store.grow_volume(volume, 40 << 30) == volume.model_copy(update={"size": 40 << 30})
    assert await store.rename_volume(volume, "weights") == larger
    assert await store.grow_volume(volume, 30 << 30) == larger, "somebody was faster"
    assert larger in await store.volumes("default")
    with pytest.raises(Conflict, match="'data' already"):
        await store.rename_volume(volume, "data")
    for gone in ({"id": "vol3"}, {"workspace": "elsewhere"}):
        with pytest.raises(NotFound, match="Nothing was changed"):
            await store.rename_volume(volume.model_copy(update=gone), "new")
        with pytest.raises(NotFound):
            await store.grow_volume(volume.model_copy(update=gone), 1)


# saved templates


async def test_saved_templates_are_listed_changed_and_forgotten(store: Store, ann: Person) -> None:
    one, two = a_template(ann), a_template(ann, "data", "tpl2")
    for saved in (one, two):
        await store.add_template(saved)
    assert await store.saved_templates("default") == (two, one)
    assert await store.saved_templates("elsewhere") == ()
    changed = one.model_copy(update={"name": "jax", "said": {"name": "jax", "image": "jax:1"}, "labels": {}})
    assert await store.change_template(one, changed)
    assert not await store.change_template(one, changed), "it is no more as it was"
    assert await store.saved_templates("default") == (two, changed)
    elsewhere = changed.model_copy(update={"workspace": "elsewhere"})
    assert not await store.change_template(elsewhere, elsewhere)
    assert not await store.remove_template("elsewhere", one.id)
    assert [await store.remove_template("default", one.id) for _ in range(2)] == [True, False]
    assert await store.saved_templates("default") == (two,)
    assert not await store.change_template(changed, changed)


async def test_names_of_saved_templates_are_unique_and_their_number_is_bounded(store: Store, ann: Person) -> None:
    await store.add_template(a_template(ann))
    with pytest.raises(Conflict, match="'torch' already"):
        await store.add_template(a_template(ann, template_id="tpl2"))
    await store.add_template(a_template(ann, "data", "tpl2"))
    with pytest.raises(Conflict, match="'data' already"):
        await store.change_template(a_template(ann), a_template(ann, "data"))
    for number in range(2, 500):
        await store.add_template(a_template(ann, f"t{number}", f"id{number}"))
    with pytest.raises(QuotaExceeded, match="500"):
        await store.add_template(a_template(ann, "last", "last"))


def test_what_a_saved_template_says_is_in_no_repr() -> None:
    assert "s3cret" not in repr(a_template(Person(id="p", workspace="default", name="ann", role=Role.MEMBER)))


async def test_volume_names_are_unique_and_an_unknown_one_is_answered_with_those_there_are(
    store: Store, ann: Person
) -> None:
    with pytest.raises(NotFound, match="There are none yet"):
        await store.remove_volume("default", "models")
    await store.add_volume(a_volume(ann))
    with pytest.raises(Conflict, match="'models' already"):
        await store.add_volume(a_volume(ann, "models", "vol2"))
    await store.add_volume(a_volume(ann, "data", "vol3"))
    for wrong in ("modles", "\x00", "\ud800", "x" * 10_000):
        with pytest.raises(NotFound, match="There are: data, models") as refused:
            await store.remove_volume("default", wrong)
        assert len(str(refused.value)) < 300
    with pytest.raises(NotFound):
        await store.remove_volume("elsewhere", "models")


async def test_a_volume_is_not_removed_under_a_pod_that_is_just_added(store: Store, ann: Person) -> None:
    for round_ in range(5):
        volume = await store.add_volume(a_volume(ann, f"v{round_}", f"id{round_}"))
        pod = a_pod(ann, round_, spec=spec(network_volume=volume.id))
        added, removed = await asyncio.gather(
            store.add_pod(pod, DRAFT, stem=None, limit=99),
            store.remove_volume("default", volume.id),
            return_exceptions=True,
        )
        assert (isinstance(added, NotFound), isinstance(removed, Conflict)) in ((True, False), (False, True))


# registries


async def test_a_credential_is_found_however_the_host_is_written(store: Store) -> None:
    hosts = {"GHCR.io": "ghcr.io", "https://index.docker.io/v1/": "docker.io", "127.0.0.1:5000": "127.0.0.1:5000"}
    for written, host in hosts.items():
        saved = await store.save_registry(Credential(host=written, username="ann", secret="s3cr3t-ü"), NOW)
        assert (saved.host, saved.username, saved.created_at) == (host, "ann", NOW)
        assert await store.credential(written) == Credential(host=host, username="ann", secret="s3cr3t-ü")
    assert [one.host for one in await store.registries()] == sorted(hosts.values())
    await store.save_registry(Credential(host="ghcr.io", username="bob", secret="other"), LATER)
    assert await store.credential("ghcr.io") == Credential(host="ghcr.io", username="bob", secret="other")
    assert await store.remove_registry("Docker.IO")
    assert not await store.remove_registry("docker.io")
    assert await store.credential("docker.io") is None
    for wrong in ("two words", "a\x00b", "-", "x" * 10_000, "ghcr.io:port"):
        with pytest.raises(InvalidInput, match="not the host of a registry"):
            await store.save_registry(Credential(host=wrong, username="a", secret="b"), NOW)


async def test_text_that_cannot_be_stored_is_refused_in_words(store: Store) -> None:
    with pytest.raises(InvalidInput, match="cannot be stored"):
        await store.person("default", "slack", "T1:U1", "half \ud800", Role.MEMBER, NOW)


async def test_a_note_of_a_face_is_kept_replaced_and_dropped(store: Store) -> None:
    await store.write_note("slack", "live C1 1.5", "a")
    await store.write_note("slack", "live C1 1.5", "b")
    await store.write_note("slack", "standing_x", "c")
    await store.write_note("slack", "standing-x", "")
    await store.write_note("other", "live C1 1.5", "d")
    assert await store.notes("slack", "live ") == {"live C1 1.5": "b"}
    assert await store.notes("slack", "standing_") == {"standing_x": "c"}
    for _ in range(2):
        await store.write_note("slack", "live C1 1.5", None)
    assert await store.notes("slack") == {"standing_x": "c", "standing-x": ""}
    assert await store.notes("other") == {"live C1 1.5": "d"}


async def test_what_a_run_wrote_last_is_kept_until_the_next_run_writes_or_the_pod_is_gone(
    store: Store, ann: Person
) -> None:
    pod = a_pod(ann)
    await store.add_pod(pod, DRAFT, stem=None, limit=5)
    at = NOW + timedelta(microseconds=7)
    await store.keep_output(
        pod.id, 1, [Line(NOW, "it said \x00 and \ud800"), Line(at, ""), Line(at, "a\nb"), Line(at, "")]
    )
    said = (Line(NOW, "it said \ufffd and ?"), Line(at, ""), Line(at, "a b"), Line(at, ""))
    assert await store.output(pod.id, 1) == said
    assert await store.output(pod.id, 2) == ()
    more = (Line(LATER, "more"),)
    await store.keep_output(pod.id, 2, more)
    assert (await store.output(pod.id, 1), await store.output(pod.id, 2)) == ((), more)
    await store.move(pod.id, 1, {pod.status}, Status.EXITED, NOW, DRAFT)
    assert await store.output(pod.id, 2) == more
    await store.move(pod.id, 1, {Status.EXITED}, Status.TERMINATED, NOW, DRAFT)
    assert await store.output(pod.id, 2) == ()
