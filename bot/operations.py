"""What is done to pods on behalf of somebody in Slack; the same for a typed command and for a button."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from slack_sdk.errors import SlackApiError, SlackRequestError

from bot import bills, lists
from bot.blocks import Message
from bot.letters import secrets
from bot.live import Followed, Live
from bot.places import Places, Where
from bot.post import UNREACHABLE, Posted, Poster, Reply, refusal
from bot.standing import Standing
from bot.tasks import report
from bot.views import plain, problem
from bot.words import FENCE, code
from bot.zones import Zones
from core.errors import PodError, Unavailable
from core.model import Caller, Pod, Status, Update
from core.service import Services

log = logging.getLogger("podkeeper.slack")


@dataclass(frozen=True)
class Who:
    """Somebody who typed or clicked, where they did, and how they are answered."""

    team: str
    user: str
    name: str
    channel: str
    reply: Reply

    @property
    def mention(self) -> str:
        """Their name as Slack shows it."""
        return f"<@{self.user}>"


class Operations:
    """The verbs that change something, each with its one message."""

    def __init__(
        self, services: Services, poster: Poster, live: Live, standing: Standing, places: Places, zones: Zones
    ) -> None:
        self.zones = zones
        self.places = places
        self.services = services
        self.poster = poster
        self.live = live
        self.standing = standing

    async def caller(self, who: Who) -> Caller:
        """Anew for each command and click: Forbidden when they may not use pods here."""
        return await self.services.people.slack(who.team, who.user, who.name)

    async def show(self, who: Who, caller: Caller, pod: Pod, word: str, place: Posted | None = None) -> None:
        """Follow what was asked for in one message: `place` when there is one, else a new one in the channel."""
        if place is not None and self.live.follows(place):
            return
        by = f"{word} by {who.mention}"
        begins = pod.status in (Status.PROVISIONING, Status.STARTING)
        if begins:
            await self.live.expect(pod)
        first = self.live.render(Update(pod=pod), by)
        try:
            if place is None:
                place = await self.poster.announce(who.channel, who.user, who.reply, first)
            else:
                await self.poster.edit(place, first)
        except (SlackApiError, *UNREACHABLE) as error:
            reference = report(error, "showing what happens to a pod")
            text = f"{first.text} I could not show it here (ref {reference}); see {code(f'/pod show {pod.name}')}."
            await who.reply.say(plain(text))
            return
        if begins and not place.direct:
            with suppress(Unavailable):  # then its notices come directly
                await self.places.begin(pod.id, place)
        followed = Followed(pod_id=pod.id, place=str(place), team=who.team, user=who.user, name=who.name, by=by)
        await self.live.follow(caller, followed, pod, first)
        if pod.status is Status.PROVISIONING:
            await self._let_in(who, caller, pod)

    async def take_up(self, followed: Followed) -> None:
        """Go on with a message whose process ended while a pod was on its way; there is nobody to answer any more."""
        try:
            caller = await self.services.people.slack(followed.team, followed.user, followed.name)
            pod = await self.services.pods.get(caller, followed.pod_id)
        except PodError as error:
            log.warning("a message about pod %s is not taken up again: %s", followed.pod_id, error)
            await self.live.leave(followed)
        else:
            await self.live.follow(caller, followed, pod, plain(""))

    async def list(self, caller: Caller, page: lists.Page) -> Message:
        """Their pods, or everybody's."""
        found = await self.services.pods.list(caller, everyone=page.everyone, ended=page.ended)
        return lists.pods([self.live.look(pod) for pod in found], page, self.services.now())

    async def settings(self, who: Who, where: Where | None) -> Message:
        """Where they are told of their pods; from now on `where`, if that is given."""
        if where is not None:
            await self.places.wish(who.user, where)
        return lists.settings(where or await self.places.wished(who.user))

    async def cost(self, who: Who, caller: Caller, *, everyone: bool) -> Message:
        """What this month took, where they are."""
        zone = await self.zones.or_utc(who.user, self.services.now())
        return bills.month(await self.services.costs.month(caller, zone, everyone=everyone), everyone=everyone)

    async def logs(self, who: Who, caller: Caller, reference: str, tail: int) -> Message:
        """Its last lines: in the answer, or as a file where they are too many for that."""
        pod = await self.services.pods.get(caller, reference)
        text = await self.services.pods.logs(caller, pod.id, tail, aloud=True)
        if len(text) <= FENCE:
            return lists.logs(pod, text, tail)
        try:
            await self.poster.upload(who.user, f"{pod.name}.log", text, f"{pod.name}: the last {tail} lines at most")
        except SlackApiError as error:
            log.warning("a log could not be sent as a file: Slack says %s", refusal(error))
        except (SlackRequestError, *UNREACHABLE) as error:
            log.warning("a log could not be sent as a file (%s)", type(error).__name__)
        else:
            return lists.logs(pod, text, tail, sent=True)
        return lists.logs(pod, text, tail, sent=False)

    async def tell(self, who: Who, message: Message) -> None:
        """One message in the channel, of something that is done already."""
        await self.poster.announce(who.channel, who.user, who.reply, message)

    async def _let_in(self, who: Who, caller: Caller, pod: Pod) -> None:
        """Give the token of a pod that has been started to its owner, and to nobody else."""
        current = await self.services.pods.get(caller, pod.id)
        tokens = self.services.pods.secrets(caller, current)
        if tokens and current.status is Status.RUNNING:
            await who.reply.say(secrets(current, tokens))

    async def guarded(self, who: Who, work: Callable[[], Awaitable[None]], what: str) -> None:
        """Run it; whatever goes wrong is told to the one who asked, and only to them."""
        try:
            await work()
        except PodError as error:
            await self._tell(who, problem(str(error)))
        except Exception as error:
            reference = report(error, what)
            await self._tell(who, plain(f"Something went wrong on our side (ref {reference}). Nothing more was done."))

    async def _tell(self, who: Who, message: Message) -> None:
        try:
            await who.reply.say(message)
        except (SlackApiError, *UNREACHABLE) as error:
            report(error, "answering somebody in Slack")
