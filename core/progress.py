"""What moves between two rows: how far a start is (shown, never stored), and bells for those who wait."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from core.model import Progress


class Ear:
    """Hears what rings after the last `still`; obtained from `Board.listen`."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def wake(self) -> None:
        """Something rang."""
        self._heard.set()

    def still(self) -> None:
        """Forget what rang until now; call it before looking, and nothing is missed."""
        self._heard.clear()

    async def wait(self, timeout: float) -> None:
        """Return once something has rung, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._heard.wait()
        except TimeoutError:
            pass


class Board:
    """In-process only: whoever waits elsewhere looks at the rows each second.

    A bell for each pod, so that of many starts at once each wakes only those who watch it.
    """

    def __init__(self) -> None:
        self._latest: dict[str, Progress] = {}
        self._ears: dict[str | None, set[Ear]] = {}

    def post(self, progress: Progress) -> None:
        """Show how far a pod's start is."""
        self._latest[progress.pod_id] = progress
        self._wake(progress.pod_id)

    def clear(self, pod_id: str) -> None:
        """Its start is over."""
        self._latest.pop(pod_id, None)
        self._wake(pod_id)

    def latest(self, pod_id: str, run: int) -> Progress | None:
        """How far this run of the pod is, when it is being started here."""
        found = self._latest.get(pod_id)
        return found if found is not None and found.run == run else None

    def ring(self, pod_id: str) -> None:
        """A row changed: wake everyone who waits for this pod, or for all."""
        self._wake(pod_id)
        self._wake(None)

    @contextmanager
    def listen(self, pod_id: str | None = None) -> Generator[Ear]:
        """An ear for one pod's rows and progress; without `pod_id`, for the rows of all."""
        ear = Ear()
        self._ears.setdefault(pod_id, set()).add(ear)
        try:
            yield ear
        finally:
            ears = self._ears[pod_id]
            ears.discard(ear)
            if not ears:
                del self._ears[pod_id]

    def _wake(self, pod_id: str | None) -> None:
        for ear in self._ears.get(pod_id, ()):
            ear.wake()
