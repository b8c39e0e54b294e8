"""What pods use, for whoever shows it: never waited for, and no older than some seconds."""

import asyncio
import time

from core.engines.base import Engine, Usage
from core.errors import PodError
from core.model import Pod, Status
from core.witness import Witness

FRESH = 10.0
"""Seconds after which it is asked for anew."""
_AT_ONCE = 16


class Shares:
    """The last known ones. Asking the engine is left to a task: a list of a thousand pods must not wait for it."""

    def __init__(self, engine: Engine, witness: Witness) -> None:
        self._engine = engine
        self._witness = witness
        self._known: dict[str, tuple[int, float, Usage]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def latest(self, pod: Pod) -> Usage:
        """Of a running pod; nothing but None while it is not known, as just after its start."""
        if pod.status is not Status.RUNNING:
            self._known.pop(pod.id, None)
            return Usage()
        if pod.spec.idle.busy_above:
            # The reaper asks for averages from tick to tick; to ask in between would shorten them.
            return self._witness.share(pod.id)
        run, at, usage = self._known.get(pod.id, (0, 0.0, Usage()))
        if (run != pod.run or time.monotonic() - at > FRESH) and pod.id not in self._asking:
            task = asyncio.create_task(self._ask(pod), name=f"shares of {pod.id}")
            self._asking[pod.id] = task
            task.add_done_callback(lambda _: self._asking.pop(pod.id, None))
        return usage if run == pod.run else Usage()

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, pod: Pod) -> None:
        async with self._slots:
            try:
                usage = await self._engine.usage(pod)
            except PodError:
                usage = Usage()
        self._known[pod.id] = pod.run, time.monotonic(), usage
