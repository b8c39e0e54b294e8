"""What is done to pods on behalf of somebody in Slack; the same for a typed command and for a button."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from slack_sdk.errors import SlackApiError

from bot.blocks import Message
from bot.letters import secrets
from bot.live import Followed, Live
from bot.places import Places
from bot.post import UNREACHABLE, Posted, Poster, Reply
from bot.standing import Standing
from bot.tasks import report
from bot.views import plain, problem
from bot.words import code
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
        self,
        services: Services,
        poster: Poster,
        live: Live,
        standing: Standing,
        places: Places,
    ) -> None:
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
        if begins and caller.person == pod.owner:
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
