"""Speaking to Slack: messages that stay and can be edited, and answers that only the asker sees."""

import logging
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.blocks import Block, Message
from bot.views import plain

log = logging.getLogger("podkeeper.slack")

quiet = logging.getLogger("podkeeper.slack.sdk")
"""For the libraries: below WARNING they print whole payloads, and a command may hold a password after --env."""
quiet.setLevel(logging.WARNING)

UNREACHABLE = (aiohttp.ClientError, TimeoutError, OSError)
"""Slack could not be reached at all."""
OUTSIDE = frozenset(
    {
        "not_in_channel",
        "channel_not_found",
        "is_archived",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "restricted_action_non_threadable_channel",
    }
)
"""Refusals that mean: not in this channel, whatever is tried."""
GONE = OUTSIDE | {"message_not_found", "cant_update_message", "edit_window_closed"}
"""Refusals that mean: this message cannot be edited, whatever is tried."""


def client(token: str, base_url: str) -> AsyncWebClient:
    """A Web API client that waits when Slack says 429 and tries again when Slack stumbles."""
    made = AsyncWebClient(token=token, base_url=f"{base_url.rstrip('/')}/", timeout=15, logger=quiet)
    made.retry_handlers += _retries()
    return made


def _retries() -> list[Any]:
    return [AsyncRateLimitErrorRetryHandler(max_retry_count=2), AsyncServerErrorRetryHandler(max_retry_count=2)]


def refusal(error: SlackApiError) -> str:
    """Slack's own word for why it refused."""
    answer = error.response if isinstance(error.response, AsyncSlackResponse) else {}
    return str(answer.get("error") or "no answer")


@dataclass(frozen=True)
class Posted:
    """A message of ours, by the channel id that Slack returned (a D… for a direct message, never a user id)."""

    channel: str
    ts: str

    def __str__(self) -> str:
        return f"{self.channel} {self.ts}"

    @property
    def direct(self) -> bool:
        """It is a direct message."""
        return self.channel.startswith("D")

    @classmethod
    def of(cls, noted: str) -> Self:
        """From its `str`."""
        channel, _, ts = noted.partition(" ")
        return cls(channel=channel, ts=ts)


class Reply:
    """Answers to one command or click, over its response URL: seen by the asker only; five in half an hour."""

    def __init__(self, response_url: str | None, direct: "Poster", user: str) -> None:
        self._url = response_url
        self._direct = direct
        self._user = user

    async def say(self, message: Message) -> None:
        """An ephemeral message; by direct message when the URL takes no more."""
        if not await self._send({**message.arguments(), "response_type": "ephemeral", "replace_original": False}):
            await self._direct.direct(self._user, message)

    async def replace(self, message: Message) -> None:
        """Put this in place of the message that was clicked."""
        if not await self._send({**message.arguments(), "response_type": "ephemeral", "replace_original": True}):
            await self._direct.direct(self._user, message)

    async def remove(self) -> None:
        """Take the clicked message away."""
        await self._send({"delete_original": True})

    async def _send(self, body: dict[str, Any]) -> bool:
        """False when Slack did not take it: it answers 404 after half an hour or five posts, and nothing raises."""
        if self._url is None:
            return False
        handlers = [AsyncConnectionErrorRetryHandler(), *_retries()]
        webhook = AsyncWebhookClient(self._url, timeout=15, logger=quiet, retry_handlers=handlers)
        response = await webhook.send_dict(body)
        if response.status_code != 200:
            log.warning("Slack did not take an answer (%d %s)", response.status_code, str(response.body)[:100])
        return response.status_code == 200


class Poster:
    """Messages that stay."""

    def __init__(self, web: AsyncWebClient) -> None:
        self._web = web
        self.me = ""
        """The bot's own user id, once known."""

    async def say(self, channel: str, message: Message) -> Posted:
        """Post it. SlackApiError when Slack refuses."""
        answer = await self._web.chat_postMessage(
            channel=channel, unfurl_links=False, unfurl_media=False, **message.arguments()
        )
        return Posted(channel=str(answer["channel"]), ts=str(answer["ts"]))

    async def edit(self, posted: Posted, message: Message) -> None:
        """Put `message` in its place. SlackApiError when Slack refuses."""
        await self._web.chat_update(channel=posted.channel, ts=posted.ts, **message.arguments())

    async def direct(self, user: str, message: Message) -> Posted:
        """Post it to one person. SlackApiError when Slack refuses."""
        opened: Any = await self._web.conversations_open(users=user)
        return await self.say(str(opened["channel"]["id"]), message)

    async def open_view(self, trigger: str, view: Block) -> None:
        """Show a modal to whoever has just typed or clicked. SlackApiError when Slack refuses."""
        await self._web.views_open(trigger_id=trigger, view=view)

    async def publish(self, user: str, view: Block) -> None:
        """Put this on somebody's home tab. SlackApiError when Slack refuses."""
        await self._web.views_publish(user_id=user, view=view)

    async def announce(self, channel: str, user: str, reply: Reply, message: Message) -> Posted:
        """In the channel; where the bot may not speak, to the person directly, with a word about how to change that."""
        try:
            return await self.say(channel, message)
        except SlackApiError as error:
            if refusal(error) not in OUTSIDE:
                raise
        posted = await self.direct(user, message)
        invite = f"`/invite` <@{self.me}>" if self.me else "`/invite @Podkeeper`"
        await reply.say(
            plain(f"I am not in this channel, so I wrote to you directly. To have it here, type {invite} first.")
        )
        return posted
