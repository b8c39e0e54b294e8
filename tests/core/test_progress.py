"""The board: who is woken by what."""

import asyncio

import pytest

from core.model import Progress, Stage
from core.progress import Board, Ear

PATIENCE = 0.01


async def heard(ear: Ear) -> bool:
    """Whether it was woken since it was last still."""
    begun = asyncio.get_running_loop().time()
    await ear.wait(30 * PATIENCE)
    ear.still()
    return asyncio.get_running_loop().time() - begun < 20 * PATIENCE


async def test_a_row_wakes_those_who_watch_that_pod_and_those_who_watch_all() -> None:
    board = Board()
    with board.listen("one") as one, board.listen("two") as two, board.listen() as everything:
        board.ring("one")
        assert [await heard(ear) for ear in (one, two, everything)] == [True, False, True]


async def test_progress_wakes_only_those_who_watch_that_pod() -> None:
    board = Board()
    progress = Progress(pod_id="one", run=2, stage=Stage.PULL, message="pulling")
    with board.listen("one") as one, board.listen("two") as two, board.listen() as everything:
        board.post(progress)
        assert [await heard(ear) for ear in (one, two, everything)] == [True, False, False]
        assert (board.latest("one", 2), board.latest("one", 1)) == (progress, None)
        board.clear("one")
        assert [await heard(ear) for ear in (one, two, everything)] == [True, False, False]
        assert board.latest("one", 2) is None


@pytest.mark.parametrize("pod_id", ["one", None])
async def test_what_rings_before_the_wait_is_not_missed(pod_id: str | None) -> None:
    board = Board()
    with board.listen(pod_id) as ear:
        ear.still()
        board.ring("one")
        assert await heard(ear)
