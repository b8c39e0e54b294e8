"""What is asked of one pod at RunPod, and what became of it: act, end, wait for the end."""

import asyncio
import logging
import time

from core.engines.runpod.account import Pace
from core.engines.runpod.book import Book, ordered
from core.engines.runpod.client import Api
from core.engines.runpod.marks import Ref
from core.engines.runpod.problems import Undecided
from core.engines.runpod.shapes import GONE, RESTING, PodShape
from core.errors import Conflict, NotFound, PodFailed, Unavailable
from core.model import Pod

log = logging.getLogger(__name__)
_TRIES = 4


class Acts:
    """Every one of them may be repeated, and is as good when it was done already."""

    def __init__(self, api: Api, book: Book, pace: Pace) -> None:
        self._api = api
        self._book = book
        self._pace = pace

    async def act(self, found: PodShape, action: str) -> PodShape:
        """Ask for a change of status; what has changed meanwhile is read again, and is as good.

        Where the answer is lost it is asked for again: twice is as good as once.
        """
        for attempt in range(_TRIES):
            try:
                return await self._ask(found, action)
            except Undecided:
                now = await self._book.really(found.id)
                if now is not None and action != "restart" and now.running == (action == "start"):
                    return now
                if attempt + 1 == _TRIES:
                    raise
            await asyncio.sleep(self._pace.retry * 2**attempt)
        raise AssertionError("the last try returns or raises")

    async def _ask(self, found: PodShape, action: str) -> PodShape:
        try:
            return self._book.note(await self._api.post(f"pods/{found.id}/action", {"action": action}))
        except Conflict as error:
            now = await self._book.really(found.id)
            if now is None or now.locked or action == "restart" or (action == "start") != now.running:
                raise Conflict(f"{error}{' It is locked there; unlock it.' if now and now.locked else ''}") from None
            return now
        except NotFound:
            raise PodFailed(
                "It is gone at RunPod: somebody deleted it there. Terminate it and start a new one."
            ) from None

    async def stop(self, found: PodShape) -> None:
        """Until it uses no compute. Conflict when RunPod does not let it be stopped."""
        if found.actions and "stop" not in found.actions:
            raise Conflict(
                f"RunPod does not let {found.id} be stopped now, only: {', '.join(found.actions)}. It costs "
                f"${found.cost or 0:.2f} an hour until then."
            )
        await self.act(found, "stop")
        await self._until(found.id, RESTING)

    async def delete(self, found: PodShape) -> None:
        """Until it is gone."""
        await self._api.delete(f"pods/{found.id}")
        await self._until(found.id, frozenset())
        self._book.forget(found.id)

    async def all(self, pod: Pod) -> tuple[PodShape, ...]:
        """Everything that RunPod has of it: what is not in the list is asked for by its id, or looked for again."""
        ref = Ref.parse(pod.ref)
        if ref is None and pod.run == 1:
            return ()
        found = await self._book.of(pod, 0)
        if ref is not None and ref.pod is not None and all(one.id != ref.pod for one in found):
            really = await self._book.really(ref.pod)
            if really is not None and really.status != GONE:
                found = ordered([*found, really], ref.pod)
        elif not found and ref is not None and ref.pod is None:
            late = await self.search(pod)
            found = (late,) if late is not None else ()
        return found

    async def search(self, pod: Pod) -> PodShape | None:
        """By its mark, several times: a list may be late, or only a part."""
        for _ in range(self._pace.searches):
            try:
                if found := await self._book.of(pod, 0):
                    return found[0]
            except Unavailable as error:
                log.warning("pod %s: RunPod is asked again whether it has it: %s", pod.id, error)
        return None

    async def _until(self, ref: str, statuses: frozenset[str]) -> None:
        """Until it has one of these statuses, or is gone."""
        begun = time.monotonic()
        while True:
            now = (await self._book.look(0)).pods.get(ref) or await self._book.really(ref)
            if now is None or now.status == GONE or now.status in statuses:
                return
            if time.monotonic() - begun > self._pace.stop:
                raise Unavailable(f"RunPod still says {now.status} of {ref}, {self._pace.stop:.0f} s later.")
