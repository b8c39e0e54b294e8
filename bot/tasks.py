"""Work that outlives its acknowledgement: each piece in a task of its own, none forgotten, none silent."""

import asyncio
import logging
import secrets
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("podkeeper.slack")

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class Tasks:
    """Owns the tasks of the face; `close` cancels and awaits them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run it; an exception that it lets out is logged with a reference."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        while self._running:
            tasks = list(self._running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._running.difference_update(tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            report(error, task.get_name())


def report(error: BaseException, what: str) -> str:
    """Log our own bug under a short reference, and return the reference."""
    reference = "".join(secrets.choice(_LETTERS) for _ in range(4))
    log.error("%s broke (ref %s)", what, reference, exc_info=error)
    return reference
