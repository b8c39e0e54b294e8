"""Following the work on a pod for a bounded time, with progress notes. The work itself is not ours: it goes on."""

import asyncio
from typing import Any

from mcp.server.mcpserver import Context

from core.model import Caller, Pod, Progress, Stage, Status, Update
from core.service import PodService

_SHARE = {
    Stage.PULL: (0.0, 0.6),
    Stage.CREATE: (0.6, 0.1),
    Stage.START: (0.7, 0.1),
    Stage.READY: (0.8, 0.2),
}
"""Where each stage begins on the way from 0 to 1, and how much of it is its own."""
_STEP = 0.001
"""Notes must rise; one without a figure of its own rises by this."""


class _Notes:
    """Progress notes of one call, rising from 0 to 1; nothing is sent to a client that did not ask."""

    def __init__(self, context: Context[Any, Any]) -> None:
        self._context = context
        self._last = 0.0
        self._said = ""

    async def tell(self, update: Update) -> None:
        pod, progress = update.pod, update.progress
        if not pod.status.under_way:
            if pod.status is not Status.ERROR:
                await self._send(1.0, f"{pod.name} is {pod.status}")
            return
        message = progress.message if progress is not None else f"{pod.name} is {pod.status}"
        value = _position(progress) if progress is not None else 0.0
        if value > self._last or message != self._said:
            await self._send(min(max(value, self._last + _STEP), 1 - _STEP), message)

    async def _send(self, value: float, message: str) -> None:
        if value > self._last:
            self._last, self._said = value, message
            await self._context.report_progress(round(value, 4), 1.0, message)


def _position(progress: Progress) -> float:
    begin, share = _SHARE[progress.stage]
    return begin + share * (progress.fraction or 0.0)


def hurry(pod: Pod) -> str:
    """Why what was waited for is not so."""
    if pod.status.under_way:
        return f"it is still {pod.status}; call pod_get again to go on waiting"
    return f"it is {pod.status}, and no work is under way that would change that"


async def follow(pods: PodService, caller: Caller, context: Context[Any, Any], pod: Pod, wait_seconds: float) -> Pod:
    """The pod once no work is under way, or as it is after `wait_seconds`. Giving up waiting gives up nothing else."""
    notes = _Notes(context)
    updates = aiter(pods.watch(caller, pod.id))
    deadline = asyncio.get_running_loop().time() + wait_seconds
    while True:
        try:
            # Only the wait is cut off, never a note that is being sent.
            async with asyncio.timeout_at(deadline):
                update = await anext(updates, None)
        except TimeoutError:
            return pod
        if update is None:
            return pod
        pod = update.pod
        await notes.tell(update)
