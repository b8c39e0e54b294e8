"""The digest: what yesterday's pods took and what was stopped and saved, once a day, for the admins."""

import asyncio
import logging
from datetime import date, datetime, time, timedelta, tzinfo

from slack_sdk.errors import SlackApiError

from bot.bills import total
from bot.blocks import Message, context, section
from bot.mail import Mail
from bot.post import UNREACHABLE
from bot.standing import FACE
from bot.tasks import report
from bot.words import code, escape
from bot.zones import MORNING, Zones
from core.errors import PodError
from core.model import Run
from core.service import Bill, Services
from core.units import format_money, rough

log = logging.getLogger("podkeeper.slack")

MOST = 20
"""Stopped pods that are named."""
_TOLD = "digest"


class Digest:
    """At nine in the morning, where one of the admins is; in UTC where there is none. Quiet after a quiet day."""

    def __init__(self, services: Services, mail: Mail, zones: Zones, admin: str | None, pace: float) -> None:
        """`pace`: seconds between two looks at the clock."""
        self._services = services
        self._mail = mail
        self._zones = zones
        self._admin = admin
        self._pace = pace

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except PodError as error:
                log.warning("the digest waits: %s", error)
            except (SlackApiError, *UNREACHABLE) as error:
                log.warning("the digest is lost: Slack does not take it (%s)", type(error).__name__)
            except Exception as error:
                report(error, "the daily digest")
            await asyncio.sleep(self._pace)

    async def look(self) -> None:
        """Tell of yesterday, when it is time to."""
        now = self._services.now()
        zone: tzinfo = await self._zones.or_utc(self._admin or "", now)
        today = now.astimezone(zone)
        told = (await self._services.notes.all(FACE, _TOLD)).get(_TOLD)
        if told is not None and (told >= str(today.date()) or today.hour < MORNING):
            return
        # Noted before it is sent: a digest that is lost harms nobody, one that comes again and again does.
        await self._services.notes.put(FACE, _TOLD, str(today.date()))
        if told is not None:
            await self._tell(today.date() - timedelta(days=1), zone)

    async def _tell(self, day: date, zone: tzinfo) -> None:
        begin, end = (datetime.combine(d, time(), zone) for d in (day, day + timedelta(days=1)))
        bill = await self._services.costs.between(self._services.people.workspace, begin, end, zone)
        if bill.total.time or bill.total.slept:
            await self._mail.report(digest(bill, day), f"digest {day}")


def digest(bill: Bill, day: date) -> Message:
    """Of one day."""
    head = f"*Pods on {day:%A}, {day.day} {day:%B}*: {total(bill.total)}."
    lines = [_stopped(run) for run in bill.stopped[:MOST]]
    if len(bill.stopped) > MOST:
        lines.append(f"and {len(bill.stopped) - MOST} more")
    many = len(bill.stopped)
    stopped = (
        f"Stopped because nobody used {'it' if many == 1 else 'them'}: {many}"
        if many
        else "Nothing was stopped for silence."
    )
    blocks = [section("\n".join([head, stopped])), *([section("\n".join(lines))] if lines else [])]
    dear = [f"{code(one.name)} {format_money(one.share.cost)}" for one in bill.pods[:5] if one.share.cost]
    foot = f"dearest: {', '.join(dear)}" if dear else ""
    return Message(
        "\n".join(filter(None, [head.replace("*", ""), stopped, *lines, foot])),
        [*blocks, *map(context, filter(None, [foot]))],
    )


def _stopped(run: Run) -> str:
    ran = rough(run.within(run.started_at, run.ended_at)) if run.ended_at is not None else ""
    per_hour = f" · {format_money(run.price_per_hour)} per hour" if run.price_per_hour else ""
    return f"{code(run.name)} of {escape(run.owner_name)} · ran {ran}{per_hour}"
