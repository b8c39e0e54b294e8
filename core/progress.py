"""What moves between two rows: how far a start is (shown, never stored), and a bell for those who wait."""

import asyncio

from core.model import Progress


class Board:
    """In-process only: whoever waits elsewhere looks at the rows each second."""

    def __init__(self) -> None:
        self._latest: dict[str, Progress] = {}
        self._rung = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def post(self, progress: Progress) -> None:
        """Show how far a pod's start is."""
        self._latest[progress.pod_id] = progress
        self.ring()

    def clear(self, pod_id: str) -> None:
        """Its start is over."""
        self._latest.pop(pod_id, None)
        self.ring()

    def latest(self, pod_id: str, run: int) -> Progress | None:
        """How far this run of the pod is, when it is being started here."""
        found = self._latest.get(pod_id)
        return found if found is not None and found.run == run else None

    @property
    def rung(self) -> int:
        """How often the bell has rung; give it to `wait` to miss nothing."""
        return self._rung

    def ring(self) -> None:
        """Something changed: wake everyone who waits."""
        self._rung += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def wait(self, since: int, timeout: float) -> None:
        """Return when the bell has rung after `since`, or after `timeout` seconds."""
        if self._rung != since:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(waiter)
