"""Speaking to Slack: messages that stay and can be edited, and answers that only the asker sees."""

import logging
from dataclasses import dataclass, field
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

_INVALID = "invalid_"
"""How Slack's words for blocks that it does not take begin: invalid_blocks, invalid_attachments, invalid_arguments."""
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

PASSING = frozenset(
    {
        *("ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "no answer"),
        # Our token is not right: whoever mends it, here or by a restart, wants no owner left untold.
        *("invalid_auth", "not_authed", "not_allowed_token_type", "account_inactive", "token_revoked", "token_expired"),
        *("missing_scope",),
    }
)
"""Slack's refusals that mean: again later. All others are final."""
NOBODY = frozenset({"user_disabled", "user_not_found", "user_not_visible", "cannot_dm_bot", "is_inactive"})
"""Refusals that mean: this person cannot be written to, whatever is tried."""


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
    thread: str = field(default="", compare=False)
    """The ts of the message below which it is; empty: it is in no thread."""

    def __str__(self) -> str:
        return f"{self.channel} {self.ts} {self.thread}".rstrip()

    @property
    def direct(self) -> bool:
        """It is a direct message."""
        return self.channel.startswith("D")

    @classmethod
    def of(cls, noted: str) -> Self:
        """From its `str`."""
        channel, ts, thread = (*noted.split(" "), "", "")[:3]
        return cls(channel=channel, ts=ts, thread=thread)


class Reply:
    """Answers to one command or click, over its response URL: seen by the asker only; five in half an hour."""

    def __init__(self, response_url: str | None, direct: "Poster", user: str) -> None:
        self._url = response_url
        self._direct = direct
        self._user = user

    async def say(self, message: Message) -> None:
        """An ephemeral message; by direct message when the URL takes no more."""
        await self._answer(message, replace=False)

    async def whisper(self, message: Message) -> bool:
        """An ephemeral message or none at all: False when the URL takes no more."""
        how = {"response_type": "ephemeral", "replace_original": False}
        return await self._send({**message.arguments(), **how}) is None

    async def replace(self, message: Message) -> None:
        """Put this in place of the message that was clicked."""
        await self._answer(message, replace=True)

    async def remove(self) -> None:
        """Take the clicked message away."""
        await self._send({"delete_original": True})

    async def _answer(self, message: Message, *, replace: bool) -> None:
        how = {"response_type": "ephemeral", "replace_original": replace}
        simpler = message.simpler()
        refused = await self._send({**message.arguments(), **how})
        if refused is not None and _INVALID in refused and simpler is not None:
            refused = await self._send({**simpler.arguments(), **how})
        if refused is not None:
            await self._direct.direct(self._user, message)

    async def _send(self, body: dict[str, Any]) -> str | None:
        """What Slack says to it; None when it took it.

        It answers 404 after half an hour or five posts, and nothing raises.
        """
        if self._url is None:
            return "there is no address"
        handlers = [AsyncConnectionErrorRetryHandler(), *_retries()]
        webhook = AsyncWebhookClient(self._url, timeout=15, logger=quiet, retry_handlers=handlers)
        response = await webhook.send_dict(body)
        if response.status_code != 200 or '"ok":false' in str(response.body).replace(" ", ""):
            log.warning("Slack did not take an answer (%d %s)", response.status_code, str(response.body)[:100])
            return str(response.body)[:100] or str(response.status_code)
        return None


class Poster:
    """Messages that stay."""

    def __init__(self, web: AsyncWebClient) -> None:
        self._web = web
        self.me = ""
        """The bot's own user id, once known."""

    async def say(self, channel: str, message: Message, below: Posted | None = None) -> Posted:
        """Post it, in the thread of `below` if that is given. SlackApiError when Slack refuses."""
        how: dict[str, Any] = {"channel": channel, "unfurl_links": False, "unfurl_media": False}
        thread = "" if below is None else below.thread or below.ts
        if thread:
            how["thread_ts"] = thread
        simpler = message.simpler()
        try:
            answer = await self._web.chat_postMessage(**how, **message.arguments())
        except SlackApiError as error:
            if _INVALID not in refusal(error) or simpler is None:
                raise
            answer = await self._web.chat_postMessage(**how, **simpler.arguments())
        return Posted(channel=str(answer["channel"]), ts=str(answer["ts"]), thread=thread)

    async def edit(self, posted: Posted, message: Message) -> None:
        """Put `message` in its place. SlackApiError when Slack refuses."""
        await self._web.chat_update(channel=posted.channel, ts=posted.ts, **message.arguments())

    async def direct(self, user: str, message: Message) -> Posted:
        """Post it to one person. SlackApiError when Slack refuses."""
        opened: Any = await self._web.conversations_open(users=user)
        return await self.say(str(opened["channel"]["id"]), message)

    async def upload(self, user: str, name: str, text: str, title: str) -> None:
        """Send a text file to one person. SlackApiError when Slack refuses; SlackRequestError when it gets lost."""
        opened: Any = await self._web.conversations_open(users=user)
        channel = str(opened["channel"]["id"])
        await self._web.files_upload_v2(channel=channel, filename=name, content=text.encode(), title=title)

    async def zone(self, user: str) -> str:
        """The name of somebody's time zone, empty for one who has none. SlackApiError when Slack refuses."""
        answer: Any = await self._web.users_info(user=user)
        return str(answer["user"].get("tz") or "")

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
