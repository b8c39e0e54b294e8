"""Ticks on the real scheduler."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from core.ticks import Ticks

SECOND = timedelta(seconds=1)


async def yes() -> bool:
    return True


@pytest.mark.parametrize("back", [timedelta(hours=5), timedelta(days=3650)])
async def test_a_clock_that_is_set_back_stops_no_tick_and_what_was_missed_runs_once(back: timedelta) -> None:
    ticked = asyncio.Queue[str]()

    async def tick() -> None:
        ticked.put_nowait("tick")

    ticks = Ticks(yes)
    ticks.every(60 * SECOND, "minutely", tick)
    ticks.start()
    ticks.mend(datetime.now(UTC) + SECOND)
    ticks.mend(datetime.now(UTC))
    await asyncio.sleep(0)
    assert ticked.empty()
    # To the scheduler it is now `back` later than this, as when the clock is put right again after that.
    ticks.mend(datetime.now(UTC) - back)
    async with asyncio.timeout(5):
        await ticked.get()
    await ticks.close()
    assert ticked.empty()


async def test_a_tick_that_is_broken_off_or_fails_leaves_the_others_alone() -> None:
    begun, other = asyncio.Event(), asyncio.Event()

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def good() -> None:
        other.set()

    ticks = Ticks(yes)
    ticks.every(SECOND / 100, "endless", endless)
    ticks.every(SECOND / 100, "good", good)
    ticks.start()
    async with asyncio.timeout(5):
        await begun.wait()
        await other.wait()
    await ticks.close()


async def test_no_tick_runs_while_another_process_leads() -> None:
    asked, ticked = asyncio.Event(), asyncio.Event()

    async def no() -> bool:
        asked.set()
        return False

    async def tick() -> None:
        ticked.set()

    ticks = Ticks(no)
    ticks.every(SECOND / 100, "idle", tick)
    ticks.start()
    async with asyncio.timeout(5):
        await asked.wait()
    await ticks.close()
    assert not ticked.is_set()
