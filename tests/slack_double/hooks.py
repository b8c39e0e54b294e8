"""Response URLs: answers to one command or click. Five posts in half an hour, then 404; ephemeral unless said."""

from typing import Any

from aiohttp import web

from tests.slack_double.blockcheck import check_message
from tests.slack_double.workspace import Hook, Post, Workspace

MOST = 5
LIFETIME = 30 * 60


class Hooks:
    """`POST /hooks/{token}`."""

    def __init__(self, workspace: Workspace) -> None:
        self._w = workspace

    def make(self, base: str, channel: str, user: str, message: Post | None = None) -> str:
        """A new response URL."""
        token = f"h{self._w.next()}"
        self._w.hooks[token] = Hook(channel, user, message, self._w.now())
        return f"{base}/hooks/{token}"

    async def handle(self, request: web.Request) -> web.Response:
        """Take one answer, or 404 when the URL is used up."""
        hook = self._w.hooks.get(request.match_info["token"])
        if hook is None or hook.used >= MOST or self._w.now() - hook.born > LIFETIME:
            return web.Response(status=404, text="used_url")
        body = await request.json()
        hook.used += 1
        problem = self.show(hook, body)
        return web.Response(status=500 if problem else 200, text=problem or "ok")

    def show(self, hook: Hook, body: dict[str, Any]) -> str | None:
        """Put an answer on the screen; what Slack would say when it does not."""
        if body.get("delete_original"):
            if hook.message is not None:
                hook.message.deleted = True
                self._w.ring()
            return None
        text, blocks = str(body.get("text") or ""), body.get("blocks")
        if not text:
            self._w.complaints.append("missing_text_in_message (response_url)")
        if not text and not blocks:
            return "no_text"
        if any(block.get("type") in self._w.refused_blocks for block in blocks or []):
            return "invalid_blocks"
        if blocks and (problems := check_message(blocks)):
            self._w.complaints.append(f"invalid_blocks (response_url): {problems}")
            return "invalid_blocks"
        # From a click, an answer takes the place of the message unless it says otherwise.
        if hook.message is not None and body.get("replace_original", True):
            self._w.edit(hook.message, text, blocks if blocks is not None else [])
            return None
        only_for = None if body.get("response_type") == "in_channel" else hook.user
        self._w.store(hook.channel, self._w.bot, text, blocks or [], only_for=only_for)
        return None
