"""Home tabs kept true: published when somebody looks, and again when something has happened to a pod of theirs."""

import asyncio
import logging

from slack_sdk.errors import SlackApiError

from bot.home import Others, home, unwelcome
from bot.live import Live
from bot.post import UNREACHABLE, Poster, refusal
from bot.tasks import report
from bot.zones import Zones
from core.errors import Forbidden, PodError
from core.model import Caller, Role
from core.service import Services

log = logging.getLogger("podkeeper.slack")

_REMEMBERED = 500


class Homes:
    """Who has looked since the service started; others see their page anew when they open it.

    What happens to one person's pods within `pace` seconds is published once.
    """

    def __init__(self, services: Services, poster: Poster, live: Live, zones: Zones, pace: float) -> None:
        self._services = services
        self._poster = poster
        self._live = live
        self._zones = zones
        self._pace = pace
        self._charts = True
        """Slack has not refused a chart yet."""
        self._unfolded: set[str] = set()
        """Admins who see everybody's pods."""
        self._looked: dict[str, str] = {}
        self._stale: dict[str, None] = {}
        self._bell = asyncio.Event()

    def visit(self, team: str, user: str) -> None:
        """Somebody has opened their page."""
        self._looked.pop(user, None)
        self._looked[user] = team
        while len(self._looked) > _REMEMBERED:
            del self._looked[next(iter(self._looked))]
        self.touch(user)

    def unfold(self, team: str, user: str, *, unfolded: bool) -> None:
        """Show or hide everybody's pods on their page."""
        (self._unfolded.add if unfolded else self._unfolded.discard)(user)
        self.visit(team, user)

    def touch(self, user: str) -> None:
        """Something has happened to a pod of theirs."""
        if user in self._looked:
            self._stale[user] = None
            self._bell.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            stale, self._stale = list(self._stale), {}
            for user in stale:
                await self._publish(self._looked.get(user, ""), user)
            await asyncio.sleep(self._pace)

    async def _publish(self, team: str, user: str) -> None:
        """A page that Slack does not take is left as it is: the next event, or the next look, makes it anew."""
        try:
            try:
                caller = await self._services.people.slack(team, user, None)
            except Forbidden as error:
                return await self._poster.publish(user, unwelcome(str(error)))
            await self._show(caller, user)
        except SlackApiError as error:
            log.warning("a home tab was not published: Slack says %s", refusal(error))
        except UNREACHABLE as error:
            log.warning("a home tab was not published: Slack does not answer (%s)", type(error).__name__)
        except PodError as error:
            log.warning("a home tab was not published: %s", error)
        except Exception as error:
            report(error, "a home tab")
        return None

    async def _show(self, caller: Caller, user: str) -> None:
        services, now = self._services, self._services.now()
        mine = await services.pods.list(caller)
        shown, ends = [self._live.look(pod) for pod in mine], [services.pods.stops_at(pod) for pod in mine]
        bill = await services.costs.month(caller, await self._zones.or_utc(user, now))
        others = None
        if caller.role is Role.ADMIN:
            theirs = [pod for pod in await services.pods.list(caller, everyone=True) if pod.owner != caller.person]
            others = Others([self._live.look(pod) for pod in theirs], unfolded=user in self._unfolded)
        if self._charts:
            try:
                return await self._poster.publish(user, home(shown, ends, now, bill, others))
            except SlackApiError as error:
                if refusal(error) not in ("invalid_arguments", "invalid_blocks"):
                    raise
                log.warning("Slack takes no chart on a home tab; it is left out from now on")
                self._charts = False
        await self._poster.publish(user, home(shown, ends, now, bill, others, chart=False))
        return None
