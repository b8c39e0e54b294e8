"""Notices: an end that nobody asked for, or that the engine refuses, is told to the owner, with a way on."""

import asyncio
import logging

from slack_sdk.errors import SlackApiError

from bot.live import Live
from bot.post import UNREACHABLE, Poster, refusal
from bot.tasks import report
from bot.views import notice, problem
from core.errors import PodError
from core.model import Cause, Event
from core.service import Services

log = logging.getLogger("podkeeper.slack")

_PASSING = frozenset(
    {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "no answer"}
)
"""Slack's refusals that mean: again later. All others are final."""


class Notices:
    """Reads the events from a saved cursor: after a crash the last one may be told twice, and none is left out."""

    def __init__(self, services: Services, poster: Poster, live: Live) -> None:
        self._services = services
        self._poster = poster
        self._live = live

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                async for event in self._services.pods.tail("slack"):
                    await self._insist(event)
            except PodError as error:
                log.warning("notices wait: %s", error)
            except Exception as error:
                report(error, "the notices to Slack")
            await asyncio.sleep(2)

    async def _insist(self, event: Event) -> None:
        """Tell it; while Slack cannot be reached, again and again. A refusal of Slack's is final, and so is our bug."""
        delay = 1.0
        while True:
            try:
                return await self._tell(event)
            except SlackApiError as error:
                if refusal(error) not in _PASSING:
                    log.warning("the owner of pod %s could not be told: Slack says %s", event.pod_id, refusal(error))
                    return None
            except UNREACHABLE as error:
                log.warning("a notice about pod %s waits for Slack (%s)", event.pod_id, type(error).__name__)
            except PodError as error:
                log.warning("a notice about pod %s waits: %s", event.pod_id, error)
            except Exception as error:
                report(error, f"the notice about pod {event.pod_id}")
                return None
            await asyncio.sleep(delay)
            delay = min(60.0, delay * 2)

    async def _tell(self, event: Event) -> None:
        what = self._worth_telling(event)
        if what is None and event.kind != "pod.stop_failed":
            return
        pod = await self._services.pods.of_event(event)
        owner = await self._services.pods.owner(pod, "slack") if pod is not None else None
        if pod is None or owner is None:
            return
        _, _, user = owner.partition(":")
        reason = str(event.data.get("reason") or "no reason is known")
        told = notice(self._live.look(pod), reason, what) if what is not None else problem(reason)
        await self._poster.direct(user, told)

    def _worth_telling(self, event: Event) -> str | None:
        """What to say of it; None for what somebody asked for, or sees already in a live message."""
        match event.kind:
            case "pod.exited" | "pod.terminated" if event.data.get("cause") == Cause.IDLE:
                return "was stopped" if event.kind == "pod.exited" else "was terminated"
            case "pod.ended":
                return "has ended"
            case "pod.failed" if not self._live.tells(event.pod_id, event.run):
                return "has failed"
            case _:
                return None
