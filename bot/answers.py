"""Answers that only the asker sees: lists, logs, costs, one's settings, tokens and codes."""

import logging

from slack_sdk.errors import SlackApiError, SlackRequestError

from bot import bills, lists, tokens
from bot.blocks import Message
from bot.live import Live
from bot.operations import Who
from bot.places import Places, Where
from bot.post import UNREACHABLE, Poster, refusal
from bot.views import plain
from bot.words import FENCE, escape
from bot.zones import Zones
from core.model import Caller
from core.service import Services

log = logging.getLogger("podkeeper.slack")


class Answers:
    """The same for a typed command and for a button."""

    def __init__(
        self, services: Services, poster: Poster, live: Live, places: Places, zones: Zones, service: str
    ) -> None:
        """`service`: the address at which this Podkeeper answers."""
        self._services = services
        self._poster = poster
        self._live = live
        self._places = places
        self._zones = zones
        self._service = service

    async def list(self, caller: Caller, page: lists.Page) -> Message:
        """Their pods, or everybody's."""
        found = await self._services.pods.list(caller, everyone=page.everyone, ended=page.ended)
        return lists.pods([self._live.look(pod) for pod in found], page, self._services.now())

    async def settings(self, who: Who, where: Where | None) -> Message:
        """Where they are told of their pods; from now on `where`, if that is given."""
        if where is not None:
            await self._places.wish(who.user, where)
        return lists.settings(where or await self._places.wished(who.user))

    async def tokens(self, caller: Caller) -> Message:
        """Their tokens."""
        return tokens.listed(await self._services.tokens.list(caller))

    async def new_token(self, who: Who, caller: Caller, name: str) -> None:
        """Make one and show it to them, and nowhere where it would stay."""
        token, secret = await self._services.tokens.make(caller, name)
        if not await who.reply.whisper(tokens.made(token, secret, self._service)):
            await self._services.tokens.revoke(caller, token.id)
            await who.reply.say(plain("I could not show you the new token, so it is revoked. Ask again."))

    async def link(self, caller: Caller) -> Message:
        """A code that makes their company login act as them."""
        return tokens.link(*await self._services.logins.code(caller))

    async def cost(self, who: Who, caller: Caller, *, everyone: bool) -> Message:
        """What this month took, where they are."""
        zone = await self._zones.or_utc(who.user, self._services.now())
        return bills.month(await self._services.costs.month(caller, zone, everyone=everyone), everyone=everyone)

    async def logs(self, who: Who, caller: Caller, reference: str, tail: int) -> Message:
        """Its last lines: in the answer, or as a file where they are too many for that."""
        pod = await self._services.pods.get(caller, reference)
        text = await self._services.pods.logs(caller, pod.id, tail, aloud=True)
        if len(escape(text)) <= FENCE:
            return lists.logs(pod, text, tail)
        try:
            await self._poster.upload(who.user, f"{pod.name}.log", text, f"{pod.name}: the last {tail} lines at most")
        except SlackApiError as error:
            log.warning("a log could not be sent as a file: Slack says %s", refusal(error))
        except (SlackRequestError, *UNREACHABLE) as error:
            log.warning("a log could not be sent as a file (%s)", type(error).__name__)
        else:
            return lists.logs(pod, text, tail, sent=True)
        return lists.logs(pod, text, tail, sent=False)
