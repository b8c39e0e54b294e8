"""Mail: what is told to somebody who did not ask, where they want it, and to the admins when that fails."""

import logging

from slack_sdk.errors import SlackApiError

from bot.blocks import Message, context
from bot.places import Places
from bot.post import NOBODY, OUTSIDE, UNREACHABLE, Posted, Poster, refusal
from bot.words import code, escape
from core.model import Pod

log = logging.getLogger("podkeeper.slack")

_NO_THREAD = OUTSIDE | {"cannot_reply_to_message", "thread_not_found", "message_not_found", "thread_locked"}
"""Refusals that mean: not below that message, whatever is tried."""


class Mail:
    """To the owners of pods, and to the admins' channel when there is one."""

    def __init__(self, poster: Poster, places: Places, admins: str | None) -> None:
        """`admins`: a channel's id."""
        self._poster = poster
        self._places = places
        self._admins = admins

    async def send(self, user: str, pod: Pod, message: Message, below: Posted | None = None) -> Posted | None:
        """Tell the owner: in the thread of `below`, else where they want it. None: nobody is there to be told.

        SlackApiError when Slack refuses for another reason.
        """
        thread = below or (await self._places.begun(pod.id) if await self._places.wished(user) == "thread" else None)
        if thread is not None:
            try:
                return await self._poster.say(thread.channel, message.to(f"<@{user}>"), below=thread)
            except SlackApiError as error:
                if refusal(error) not in _NO_THREAD:
                    raise
        try:
            return await self._poster.direct(user, message)
        except SlackApiError as error:
            if refusal(error) not in NOBODY:
                raise
            log.warning("the owner of pod %s has left Slack (%s)", pod.id, refusal(error))
        why = f"{escape(pod.owner_name)}, the owner of {code(pod.name)}, is not in Slack any more and cannot be told."
        return await self.report(Message(f"{message.text} {why}", [*message.blocks, context(why)]))

    async def report(self, message: Message) -> Posted | None:
        """Tell the admins; None when they have no channel, or it does not take it."""
        if self._admins is None:
            return None
        try:
            return await self._poster.say(self._admins, message)
        except SlackApiError as error:
            mend = "; invite the bot there" if refusal(error) == "not_in_channel" else ""
            log.warning("SLACK_ADMIN_CHANNEL takes no message: Slack says %s%s", refusal(error), mend)
        except UNREACHABLE as error:
            log.warning("the admins could not be told: Slack does not answer (%s)", type(error).__name__)
        return None
