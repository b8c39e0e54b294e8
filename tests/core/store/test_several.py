"""Several stores on one database, as several processes have it: the rules hold in the database, not in the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from core.errors import QuotaExceeded
from core.model import Role, Status
from core.store import Store
from core.store.store import Person
from tests.stores import DRAFT, NOW, a_pod


@pytest.fixture
async def stores(database_url: str, tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Four of them, opened at the same time on an empty database."""
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(*(Store.open(database_url, tmp_path / "key") for _ in range(4)))
        for store in opened:
            stack.push_async_callback(store.close)
        yield opened


@pytest.fixture
async def ann(stores: list[Store]) -> Person:
    """Somebody known to all of them."""
    return await stores[0].person("default", "slack", "T1:UANN", "Ann", Role.MEMBER, NOW)


async def test_stores_that_open_an_empty_database_together_agree_on_its_id(stores: list[Store]) -> None:
    assert len({store.installation for store in stores}) == 1
    assert len(stores[0].installation) == 12
    assert all(c in "0123456789abcdef" for c in stores[0].installation)


async def test_a_tailer_sees_every_number_in_order_while_all_of_them_write(stores: list[Store]) -> None:
    seen: list[int] = []
    each, writers = 4, 48

    async def write(store: Store) -> None:
        for _ in range(each):
            await store.record("x", "default", 1, DRAFT, NOW)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        for number in range(writers):
            tasks.create_task(write(stores[number % len(stores)]))
        while len(seen) < each * writers:
            seen.extend(event.seq for event in await stores[0].events(seen[-1] if seen else 0))
    assert seen == list(range(1, each * writers + 1))


async def test_names_and_the_limit_hold_across_them(stores: list[Store], ann: Person) -> None:
    made = await asyncio.gather(
        *(stores[n % len(stores)].add_pod(a_pod(ann, n, name=""), DRAFT, stem="hello", limit=30) for n in range(60)),
        return_exceptions=True,
    )
    added = [one[0].name for one in made if isinstance(one, tuple)]
    assert sorted(added) == sorted(f"hello-{n}" for n in range(1, 31))
    assert sum(isinstance(one, QuotaExceeded) for one in made) == 30


async def test_one_move_wins_across_them(stores: list[Store], ann: Person) -> None:
    pod, _ = await stores[0].add_pod(a_pod(ann, status=Status.RUNNING), DRAFT, stem=None, limit=5)
    tried = await asyncio.gather(
        *(stores[n % 4].move(pod.id, 1, {Status.RUNNING}, Status.STOPPING, NOW, DRAFT) for n in range(20))
    )
    assert len([one for one in tried if one is not None]) == 1
    assert await stores[3].last_event() == 2


async def test_a_thing_is_never_claimed_twice_across_them(stores: list[Store], ann: Person) -> None:
    for number in range(12):
        await stores[0].add_pod(a_pod(ann, number), DRAFT, stem=None, limit=99)
    devices = [f"GPU-{n}" for n in range(10)]
    pods = await stores[1].pods()
    got = await asyncio.gather(*(stores[n % 4].claim(pod.id, "gpu", devices, 2) for n, pod in enumerate(pods)))
    assert sorted(device for one in got if one is not None for device in one) == sorted(devices)


async def test_a_key_is_new_once_across_them(stores: list[Store]) -> None:
    answers = await asyncio.gather(*(stores[n % 4].first_time("k", NOW) for n in range(16)))
    assert answers.count(True) == 1


async def test_a_task_that_is_cancelled_anywhere_leaves_all_or_nothing_and_blocks_nobody(
    stores: list[Store], ann: Person
) -> None:
    """SQLite kept its write lock after such a cancellation, until the garbage collector came by."""
    turns = outcomes = 0
    finished = False
    async with asyncio.timeout(20):
        while not finished:
            pod = a_pod(ann, turns)
            task = asyncio.create_task(stores[0].add_pod(pod, DRAFT, stem=None, limit=999))
            for _ in range(turns):
                await asyncio.sleep(0)
            finished = task.done()
            task.cancel()
            await asyncio.wait([task])
            await stores[1].save_cursor("other", turns)
            there = await stores[1].pod(pod.id)
            events = await stores[1].events(0, pod_id=pod.id)
            assert (there is not None) == (len(events) == 1)
            outcomes += there is not None
            turns += 1 + turns // 8
    assert turns > outcomes > 0
    last = await stores[2].last_event()
    assert [event.seq for event in await stores[2].events(0)] == list(range(1, last + 1))


async def test_a_cancelled_caller_hears_of_it_and_a_timeout_stays_one(stores: list[Store]) -> None:
    async def many() -> None:
        while True:
            await stores[0].last_event()

    task = asyncio.create_task(many())
    await stores[1].last_event()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await many()
