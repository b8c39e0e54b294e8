"""Where people are: their time zones, as Slack knows them."""

import logging
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slack_sdk.errors import SlackApiError

from bot.post import UNREACHABLE, Poster, refusal

log = logging.getLogger("podkeeper.slack")

_REMEMBERED = 2000
_FRESH = timedelta(days=1)
_AGAIN = timedelta(minutes=5)
"""After so long it is asked again for what was not told."""
_NIGHT = 5
"""O'clock until which tomorrow morning is the one that comes."""
MORNING = 9
"""O'clock."""


class Zones:
    """Asks Slack once a day for each person; where it does not say (the scope users:read is missing), nobody knows."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster
        self._known: dict[str, tuple[datetime, tzinfo | None]] = {}

    async def of(self, user: str, now: datetime) -> tzinfo | None:
        """Somebody's zone; None when it is not known."""
        known = self._known.get(user)
        if known is not None and now - known[0] < (_FRESH if known[1] is not None else _AGAIN):
            return known[1]
        zone = await self._ask(user)
        self._known.pop(user, None)
        self._known[user] = (now, zone)
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return zone

    async def or_utc(self, user: str, now: datetime) -> tzinfo:
        """Somebody's zone, UTC when it is not known."""
        return await self.of(user, now) or UTC

    async def _ask(self, user: str) -> tzinfo | None:
        try:
            return ZoneInfo(await self._poster.zone(user))
        except SlackApiError as error:
            log.warning("the time zone of somebody in Slack is not known: Slack says %s", refusal(error))
        except UNREACHABLE as error:
            log.warning("the time zone of somebody in Slack is not known (%s)", type(error).__name__)
        except (ZoneInfoNotFoundError, ValueError):
            log.warning("the time zone that Slack tells of somebody is none that is known here")
        return None


def morning(zone: tzinfo, now: datetime) -> tuple[str, datetime]:
    """How people there call the next morning, and when it is."""
    local = now.astimezone(zone)
    soon = local.hour < _NIGHT
    day = local.date() if soon else local.date() + timedelta(days=1)
    at = datetime(day.year, day.month, day.day, MORNING, tzinfo=zone)
    return f"{'' if soon else 'tomorrow '}{MORNING}:00", at.astimezone(UTC)
