"""The ticks: what is done again and again, by APScheduler, also after somebody has set the clock."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # pyright: ignore[reportMissingTypeStubs]
from apscheduler.triggers.base import BaseTrigger  # pyright: ignore[reportMissingTypeStubs]

from core.errors import PodError

log = logging.getLogger("podkeeper.ticks")

_LOOK = 5.0
"""Seconds between two looks at whether the clock was set back."""
_SLACK = timedelta(seconds=1)


class _Every(BaseTrigger):
    """So long after now: APScheduler's own counts through everything that was missed, which may be years."""

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> Any:
        return now + self.interval


class Ticks:
    """A late tick runs once, however late, and never twice at a time; none runs while `leads` says no."""

    def __init__(self, leads: Callable[[], Awaitable[bool]]) -> None:
        self._leads = leads
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._intervals: dict[str, timedelta] = {}
        self._looking: asyncio.Task[None] | None = None

    def every(self, interval: timedelta, name: str, tick: Callable[[], Awaitable[object]]) -> None:
        """Add one, before `start`."""

        async def run() -> None:  # a coroutine function: anything else would be run in a thread
            try:
                if await self._leads():
                    await tick()
                else:
                    log.error("another process leads on this database now, so this one has stopped its ticks")
            except PodError as error:
                log.warning("the tick of %s is left out: %s", name, error)
            except asyncio.CancelledError:
                # The house closes. The scheduler would write a traceback of what it has itself cancelled.
                log.debug("the tick of %s is broken off", name)

        self._intervals[name] = interval
        self._scheduler.add_job(  # pyright: ignore[reportUnknownMemberType]
            run, _Every(interval), id=name, max_instances=1, coalesce=True, misfire_grace_time=None
        )

    def start(self) -> None:
        """The first of each comes one interval from now."""
        self._scheduler.start()
        self._looking = asyncio.create_task(self._look(), name="clock")

    async def close(self) -> None:
        """Break off what runs; no tick begins any more."""
        self._scheduler.shutdown(wait=False)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            self.mend(datetime.now(UTC))

    def mend(self, now: datetime) -> None:
        """Run at once what is due later than an interval from now: the clock was set back since it was planned.

        APScheduler waits for a time of day; after five hours back there would be no tick for five hours.
        """
        for name, interval in self._intervals.items():
            job = cast(Any, self._scheduler.get_job(name))  # pyright: ignore[reportUnknownMemberType]
            if job is not None and job.next_run_time - now > interval + _SLACK:
                job.modify(next_run_time=now)
