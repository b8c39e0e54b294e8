"""The double as one thing: a server on loopback, a workspace, and people who use it."""

import asyncio
from typing import Any, Self

from aiohttp import web

from tests.slack_double.delivery import Ack, Retry, SignedHttp, Sockets, Transport
from tests.slack_double.hooks import Hooks
from tests.slack_double.people import (
    ack_shown,
    click_payload,
    command_payload,
    event_payload,
    press_payload,
    shortcut_payload,
    submission_payload,
    typed,
)
from tests.slack_double.webapi import WebApi
from tests.slack_double.workspace import Hook, Post, Refused, View, Workspace


class SlackDouble(Workspace):
    """`async with SlackDouble() as slack:`; Socket Mode unless `deliver_to` names an address."""

    def __init__(
        self,
        *,
        ack_seconds: float = 3.0,
        retry_delays: tuple[float, ...] = (0.0, 60.0, 300.0),
        burst: int = 4,
        port: int = 0,
    ) -> None:
        super().__init__()
        self._port = port
        self.ack_seconds, self.retry_delays = ack_seconds, retry_delays
        self.sockets = Sockets(self)
        self.http: SignedHttp | None = None
        self._hooks = Hooks(self)
        self._web = WebApi(self, self.sockets.ticket, lambda: self.base, burst)
        self._runner: web.AppRunner | None = None
        self.base = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=8 * 1024**2)
        app.router.add_route("*", "/api/{method}", self._web.handle)
        app.router.add_post("/hooks/{token}", self._hooks.handle)
        app.router.add_post("/upload/{id}", self._web.take_file)
        app.router.add_get("/link", self.sockets.handle)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base = self.sockets.base = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        """What to give the app as the base of the Web API."""
        return f"{self.base}/api/"

    def deliver_to(self, url: str) -> SignedHttp:
        """From now on by signed HTTP."""
        self.http = SignedHttp(self, url)
        return self.http

    def fail_next(self, method: str, error: str, *, status: int = 200, retry_after: int | None = None) -> None:
        """The next call of this method is refused."""
        self.failures.append((method, Refused(error, status=status, retry_after=retry_after)))

    async def command(self, user: str, channel: str, command: str, text: str = "") -> Ack:
        """Somebody types a slash command."""
        url = self._hooks.make(self.base, channel, user)
        payload = command_payload(self, user, channel, command, typed(self, text), url)
        return await self._deliver(Ack("slash_commands", payload), Hook(channel, user, None, self.now()))

    async def click(self, user: str, post: Post, action_id: str, *, confirm: bool = False) -> Ack:
        """Somebody presses a button that is on their screen."""
        url = self._hooks.make(self.base, post.channel, user, post)
        payload = click_payload(self, user, post, action_id, url, confirm=confirm)
        return await self._deliver(Ack("interactive", payload), None)

    async def press(self, user: str, view: View, action_id: str, *, confirm: bool = False) -> Ack:
        """Somebody presses a button on a modal or on their home tab."""
        payload = press_payload(self, user, view, action_id, confirm=confirm)
        return await self._deliver(Ack("interactive", payload), None)

    async def shortcut(self, user: str, callback_id: str) -> Ack:
        """Somebody chooses a global shortcut."""
        return await self._deliver(Ack("interactive", shortcut_payload(self, user, callback_id)), None)

    async def submit(self, user: str, view: View, **given: str) -> Ack:
        """Somebody sends a modal off, with these values by block id; it closes unless the answer names errors."""
        payload = submission_payload(self, user, view, given)
        ack = await self._deliver(Ack("interactive", payload), None)
        answer = ack.body if isinstance(ack.body, dict) else {}
        if ack.ok and answer.get("response_action") == "errors":
            view.errors = answer["errors"]
            fields = {block["block_id"] for block in view.blocks if block["type"] == "input"}
            self.complaints += [f"an error at no field: {name}" for name in view.errors.keys() - fields]
        elif ack.ok:
            view.open = False
        return ack

    async def visit_home(self, user: str, tab: str = "home") -> Ack:
        """Somebody opens the app's page."""
        return await self.event(
            {"type": "app_home_opened", "user": user, "channel": self.direct(user), "tab": tab, "event_ts": "1.2"}
        )

    async def again(self, ack: Ack) -> Ack:
        """The same delivery once more, in another envelope."""
        return await self._deliver(Ack(ack.kind, ack.payload), None)

    async def event(self, event: dict[str, Any]) -> Ack:
        """Something happens; delivered again, with the same event_id, while it is not acknowledged."""
        ack = Ack("events_api", event_payload(self, event))
        await self._deliver(ack, None)
        for number, delay in enumerate(self.retry_delays, start=1):
            if ack.ok:
                break
            await asyncio.sleep(delay)
            reason = "http_timeout" if ack.error == "operation_timeout" else "http_error"
            ack.error, ack.retries = None, number
            await self._deliver(ack, None, Retry(number, reason))
        return ack

    def messages(self, channel: str) -> list[Post]:
        """What everybody in a channel sees, threads aside."""
        seen = [p for p in self.posts if p.channel == channel and p.only_for is None and not p.deleted]
        return [p for p in seen if p.thread is None]

    def replies(self, post: Post) -> list[Post]:
        """The thread of a message."""
        return [p for p in self.posts if p.thread == post.ts and p.channel == post.channel and not p.deleted]

    def directs(self, user: str) -> list[Post]:
        """What the bot wrote to somebody directly."""
        return self.messages(self.direct(user))

    def ephemerals(self, user: str) -> list[Post]:
        """What only this person sees."""
        return [p for p in self.posts if p.only_for == user and not p.deleted]

    async def _deliver(self, ack: Ack, hook: Hook | None, retry: Retry | None = None) -> Ack:
        way: Transport = self.http if self.http is not None else self.sockets
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await way.send(ack, retry, self.ack_seconds)
        ack.seconds = loop.time() - begun
        shown = ack_shown(ack)
        if shown is not None and hook is not None:
            self._hooks.show(hook, shown)
        return ack
