"""Mail: what is told to somebody who did not ask, where they want it, and to the admins when that fails."""

import logging

from slack_sdk.errors import SlackApiError

from bot.blocks import Message, context
from bot.places import Places
from bot.post import NOBODY, PASSING, UNREACHABLE, Posted, Poster, refusal
from bot.words import code, escape
from core.model import Pod
from core.service import Services

log = logging.getLogger("podkeeper.slack")


class Mail:
    """To the owners of pods, and to the admins' channel when there is one."""

    def __init__(self, services: Services, poster: Poster, places: Places, admins: str | None) -> None:
        """`admins`: a channel's id."""
        self._services = services
        self._poster = poster
        self._places = places
        self._admins = admins

    async def send(
        self, user: str, pod: Pod, message: Message, below: Posted | None = None, *, reported: bool = False
    ) -> Posted | None:
        """Tell the owner: in the thread of `below`, else where they want it. None: nobody is there to be told.

        For an owner who has left Slack the admins are told, unless that was `reported` to them anyway.
        SlackApiError, or one of UNREACHABLE, when it may succeed later.
        """
        thread = below or (await self._places.begun(pod.id) if await self._places.wished(user) == "thread" else None)
        if thread is not None:
            try:
                return await self._poster.say(thread.channel, message.to(f"<@{user}>"), below=thread)
            except SlackApiError as error:
                if refusal(error) in PASSING:
                    raise
                log.warning("pod %s: no thread for its owner: Slack says %s", pod.id, refusal(error))
        try:
            return await self._poster.direct(user, message)
        except SlackApiError as error:
            if refusal(error) not in NOBODY:
                raise
            log.warning("the owner of pod %s has left Slack (%s)", pod.id, refusal(error))
        if self._admins is None or reported:
            return None
        why = f"{escape(pod.owner_name)}, the owner of {code(pod.name)}, is not in Slack any more and cannot be told."
        told = Message(f"{message.text} {why}", [*message.blocks, context(why)])
        try:
            return await self._poster.say(self._admins, told)
        except SlackApiError as error:
            if refusal(error) in PASSING:
                raise
            _complain(error)
            return None

    async def report(self, message: Message, key: str) -> bool:
        """Tell the admins, once for each key; False: they have no channel, or it takes no message.

        SlackApiError, or one of UNREACHABLE, when it may succeed later.
        """
        if self._admins is None:
            return False
        if not await self._services.pods.first_time(f"slack:{key}"):
            return True
        try:
            await self._poster.say(self._admins, message)
        except (SlackApiError, *UNREACHABLE) as error:
            await self._services.pods.may_repeat(f"slack:{key}")
            if not isinstance(error, SlackApiError) or refusal(error) in PASSING:
                raise
            _complain(error)
            return False
        return True


def _complain(error: SlackApiError) -> None:
    mend = "; invite the bot there" if refusal(error) == "not_in_channel" else ""
    log.warning("SLACK_ADMIN_CHANNEL takes no message: Slack says %s%s", refusal(error), mend)
