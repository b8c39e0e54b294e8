"""Notices: what happens to a pod without its owner having asked, or is about to, is told to them, with a way on."""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime

from slack_sdk.errors import SlackApiError

from bot import consent, letters
from bot.blocks import Message
from bot.homes import Homes
from bot.live import Live
from bot.mail import Mail
from bot.places import Places
from bot.post import GONE, PASSING, UNREACHABLE, Posted, Poster, refusal
from bot.standing import FACE, Standing
from bot.tasks import report
from bot.views import card, plain, problem
from bot.words import code, escape
from bot.zones import Zones, morning
from core.errors import BalanceUsedUp, PodError
from core.model import Cause, Event, Pod, Status
from core.service import Services

log = logging.getLogger("podkeeper.slack")

GRACE = 3.0
"""Seconds that the end of the service waits for a notice that is being sent."""
_ASKING = {"pod.idle_warning": Status.RUNNING, "pod.idle_notice": Status.RUNNING, "pod.forget_proposed": Status.EXITED}
"""What stands until it is settled, and the status in which it is worth telling."""
_ENDED = {
    "pod.exited": "was stopped",
    "pod.terminated": "was terminated",
    "pod.ended": "has ended",
    "pod.failed": "has failed",
}
_BY_ITSELF = frozenset({"pod.ended", "pod.failed"})
_SETTLING = frozenset({"pod.warning_withdrawn", "pod.kept", "pod.running", *_ENDED})
"""What is written into the message that stands, when there is one."""
_BALANCE = "balance"
"""Noted while the admins know that the engine's account has no credit left."""


class Notices:
    """Reads the events from a saved cursor: after a crash the last one may be told twice, and none is left out."""

    def __init__(
        self,
        services: Services,
        poster: Poster,
        live: Live,
        standing: Standing,
        places: Places,
        mail: Mail,
        zones: Zones,
        homes: Homes,
    ) -> None:
        self._services = services
        self._poster = poster
        self._live = live
        self._standing = standing
        self._places = places
        self._mail = mail
        self._zones = zones
        self._homes = homes
        self._between = asyncio.Event()
        """Nothing is being sent just now."""
        self._between.set()

    async def pause(self) -> None:
        """Return when what is being sent has been sent, so that the end of `run` leaves nothing half-told."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self._between.wait()

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
            self._between.clear()
            try:
                return await self._tell(event)
            except SlackApiError as error:
                if refusal(error) not in PASSING:
                    log.warning("the owner of pod %s could not be told: Slack says %s", event.pod_id, refusal(error))
                    return None
            except UNREACHABLE as error:
                log.warning("a notice about pod %s waits for Slack (%s)", event.pod_id, type(error).__name__)
            except PodError as error:
                log.warning("a notice about pod %s waits: %s", event.pod_id, error)
            except Exception as error:
                report(error, f"the notice about pod {event.pod_id}")
                return None
            finally:
                self._between.set()
            await asyncio.sleep(delay)
            delay = min(60.0, delay * 2)

    async def _consent(self, event: Event) -> None:
        """Ask a person for a yes that their assistant needs, unless they have answered elsewhere by now."""
        known = await self._services.pods.identity(event.actor, "slack")
        waiting = await self._services.confirmations.waiting_for(event.actor)
        question = next((one for one in waiting if one.code == event.data["code"]), None)
        if known is not None and question is not None:
            await self._poster.direct(known.partition(":")[2], consent.asked(question))

    async def _tell(self, event: Event) -> None:
        if event.kind == "confirm.asked":
            return await self._consent(event)
        await self._report(event)
        pod = await self._services.pods.of_event(event)
        owner = await self._services.pods.owner(pod, "slack") if pod is not None else None
        if pod is None or owner is None:
            return None
        _, _, user = owner.partition(":")
        self._homes.touch(user)
        if event.kind in _ASKING:
            await self._ask(user, pod, event)
        elif event.kind in _SETTLING:
            await self._settle(user, pod, event)
        elif event.kind == "pod.woken":
            await self._mail.send(user, pod, letters.woken(pod))
        elif event.kind == "pod.moved" and _runs_on(pod, event):
            await self._mail.send(user, pod, letters.moved(self._live.look(pod), _reason(event)))
        elif event.kind == "pod.stop_failed":
            await self._mail.send(user, pod, problem(_reason(event)), reported=True)
        if event.kind == "pod.running":
            await self._places.runs(pod.id)
        elif event.kind == "pod.terminated":
            await self._places.forget(pod.id)
        return None

    async def _report(self, event: Event) -> None:
        """To the admins, whoever's pod it is, and though nobody's it may be."""
        notes, key = self._services.notes, f"report {event.seq}"
        match event.kind:
            case "pod.stop_failed":
                await self._mail.report(problem(_reason(event)), key)
            case "pod.orphan":
                await self._mail.report(letters.orphan(event.pod_id, _reason(event)), key)
            case "pod.failed" if event.data.get("code") == BalanceUsedUp.code:
                known = await notes.all(FACE, _BALANCE)
                if not known and await self._mail.report(letters.balance(_reason(event)), key):
                    await notes.put(FACE, _BALANCE, event.at.isoformat())
            case "pod.running":
                await notes.drop(FACE, _BALANCE)
            case _:
                pass

    async def _ask(self, user: str, pod: Pod, event: Event) -> None:
        """A new message, for an edit would ring no bell; not when it has been overtaken already."""
        if pod.run != event.run or pod.status is not _ASKING[event.kind]:
            return await self._standing.miss(pod.id)
        if event.kind != "pod.forget_proposed" and pod.warned_at is None:
            return await self._standing.miss(pod.id)
        if await self._standing.tells(pod.id, event.seq):
            return None
        former = await self._standing.get(pod.id)
        if former is not None:
            await self._edit(former, plain(f"{code(pod.name)}: see the newer message."))
        below = await self._places.ended(pod.id) if event.kind == "pod.forget_proposed" else None
        posted = await self._mail.send(user, pod, await self._question(user, pod, event), below)
        if posted is not None:
            await self._standing.put(pod.id, posted, event.seq)
        return None

    async def _question(self, user: str, pod: Pod, event: Event) -> Message:
        match event.kind:
            case "pod.idle_warning":
                deadline = datetime.fromisoformat(str(event.data["deadline"]))
                action, final = str(event.data["action"]), bool(event.data["by_lifetime"])
                overnight = await self._morning(user)
                return letters.warning(self._live.look(pod), _reason(event), deadline, action, overnight, final=final)
            case "pod.idle_notice":
                return letters.idle_notice(self._live.look(pod), _reason(event), await self._morning(user))
            case _:
                return letters.forget(pod, datetime.fromisoformat(str(event.data["since"])), event.data["volume"])

    async def _morning(self, user: str) -> letters.Morning | None:
        now = self._services.now()
        zone = await self._zones.of(user, now)
        return morning(zone, now) if zone is not None else None

    async def _settle(self, user: str, pod: Pod, event: Event) -> None:
        """Into the message that stands; where none does, a new one, if it is worth it."""
        message = await self._outcome(pod, event)
        if message is None:
            return
        standing = await self._standing.get(pod.id)
        told = standing if standing is not None and await self._edit(standing, message) else None
        if told is None and await self._worth_telling(pod, event):
            told = await self._mail.send(user, pod, message)
        if told is not None and event.kind == "pod.exited":
            await self._places.end(pod.id, told)
        await self._standing.settle(pod.id)

    async def _mention(self, event: Event) -> str:
        """Who did it, as their own click says it, so that whichever edit comes last says the same."""
        known = await self._services.pods.identity(event.actor, "slack")
        return f"<@{known.partition(':')[2]}>" if known else escape(str(event.data["by"]))

    async def _outcome(self, pod: Pod, event: Event) -> Message | None:
        """What became of it; None: what stands is still so."""
        match event.kind:
            case "pod.warning_withdrawn":
                used = pod.last_active_at is not None and pod.last_active_at >= event.at
                return letters.withdrawn(pod, used=used)
            case "pod.kept":
                return letters.kept(pod, await self._mention(event)) if event.data["until"] else None
            case kind if kind in _ENDED and (kind in _BY_ITSELF or event.data.get("cause") == Cause.IDLE):
                return letters.notice(self._live.look(pod), _reason(event), _ENDED[kind])
            case _:
                return card(self._live.look(pod))

    async def _worth_telling(self, pod: Pod, event: Event) -> bool:
        """Nobody asked for it, or sees it already in a live message."""
        match event.kind:
            case "pod.exited" | "pod.terminated":
                return event.data.get("cause") == Cause.IDLE
            case "pod.warning_withdrawn":
                return _runs_on(pod, event) and not await self._standing.missed(pod.id)
            case "pod.failed":
                return not self._live.tells(event.pod_id, event.run)
            case kind:
                return kind == "pod.ended"

    async def _edit(self, posted: Posted, message: Message) -> bool:
        """False when that message is no more."""
        try:
            await self._poster.edit(posted, message)
        except SlackApiError as error:
            if refusal(error) not in GONE:
                raise
            return False
        return True


def _runs_on(pod: Pod, event: Event) -> bool:
    """It is in the run that the event is about."""
    return pod.run == event.run and pod.status is Status.RUNNING


def _reason(event: Event) -> str:
    return str(event.data.get("reason") or "no reason is known")
