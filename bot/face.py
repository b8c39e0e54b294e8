"""The Slack face: Bolt's app, what reaches it, and what runs beside it."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.answers import Answers
from bot.clicks import Click, Clicks
from bot.commands import Commands
from bot.digest import Digest
from bot.forms import Forms
from bot.home import FORM
from bot.homes import Homes
from bot.live import PACE, Live
from bot.mail import Mail
from bot.notices import Notices
from bot.operations import Operations, Who
from bot.places import Places
from bot.post import UNREACHABLE, Posted, Poster, Reply, client, quiet, refusal
from bot.socket_mode import SocketMode
from bot.standing import Standing
from bot.tasks import Tasks
from bot.zones import Zones
from core.errors import PodError
from core.service import Services
from core.settings import Settings

log = logging.getLogger("podkeeper.slack")

MAX_BODY = 1_000_000
"""Bytes of one request from Slack; theirs stay far below."""

_HEARD = frozenset({"app_home_opened", "app_uninstalled", "tokens_revoked", "user_change"})
"""Events that something is done at."""
_FOREIGN = "This Podkeeper belongs to another Slack workspace. Nothing was done."


class SlackFace:
    """Everything of Slack: give `routes` to the web server and enter `running()` around serving."""

    def __init__(self, services: Services, settings: Settings, token: str, pace: float = PACE) -> None:
        """`pace`: seconds between two edits of one message."""
        self._settings = settings
        self._services = services
        self._web = client(token, settings.slack_api_url)
        self._poster = Poster(self._web)
        self._tasks = Tasks()
        live = Live(services, settings, self._poster, pace)
        standing = Standing(services.notes)
        places, zones = Places(services.notes), Zones(self._poster)
        mail = Mail(services, self._poster, places, settings.slack_admin_channel)
        operations = self._operations = Operations(services, self._poster, live, standing, places)
        answers = Answers(services, self._poster, live, places, zones, settings.service_url)
        self._forms = Forms(operations)
        self._commands = Commands(operations, answers, self._forms)
        self._homes = Homes(services, self._poster, live, zones, 2 * pace)
        self._clicks = Clicks(operations, answers, self._forms, self._homes)
        self._notices = Notices(services, self._poster, live, standing, places, mail, zones, self._homes)
        self._digest = Digest(services, mail, zones, min(settings.admins, default=None), 20 * pace)
        self._app = self._bolt()
        app_token = settings.slack_app_token
        self._socket = (
            SocketMode(self._app, app_token.get_secret_value(), settings.slack_api_url) if app_token else None
        )
        self._trouble: str | None = "it has not answered yet"
        self._team = ""
        """The workspace that the bot token is for, once known."""

    @property
    def routes(self) -> list[Route]:
        """`/slack/events`, when a signing secret says whom to believe."""
        if self._settings.slack_signing_secret is None:
            return []
        return [Route("/slack/events", self._receive, methods=["POST"])]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected (or trying to, in the background) and telling owners; Slack being away fails nothing."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._tasks.close)
            self._tasks.spawn(self._introduce(), "greeting Slack")
            if self._socket is not None:
                await stack.enter_async_context(self._socket.running())
            self._tasks.spawn(self._take_up(), "the messages from before a restart")
            self._tasks.spawn(self._notices.run(), "the notices to Slack")
            self._tasks.spawn(self._homes.run(), "the home tabs")
            if self._settings.slack_admin_channel is not None:
                self._tasks.spawn(self._digest.run(), "the daily digest")
            stack.push_async_callback(self._notices.pause)
            yield

    def describe(self) -> str:
        """One sentence: how Slack reaches us, or what is wrong."""
        ways = ["Socket Mode"] if self._socket is not None else []
        ways += ["signed HTTP at /slack/events"] if self.routes else []
        if not ways:
            return "Slack: set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP), or /pod cannot reach us."
        trouble = (self._socket.trouble if self._socket is not None else None) or self._trouble
        said = f"Slack: /pod by {' and '.join(ways)}"
        return f"{said}, but {trouble}." if trouble else f"{said}."

    def _bolt(self) -> AsyncApp:
        secret = self._settings.slack_signing_secret
        app = AsyncApp(
            name="podkeeper",
            client=self._web,
            signing_secret=secret.get_secret_value() if secret else "unset: no route leads here",
            logger=quiet,
        )
        app.command(re.compile(r".+"))(self._on_command)
        app.action(re.compile(r".+"))(self._on_action)
        app.shortcut(re.compile(r".+"))(self._on_shortcut)
        app.view(re.compile(r".+"))(self._on_submission)
        app.event(re.compile(r".+"))(self._on_event)
        return app

    async def _introduce(self) -> None:
        """Learn who we are in Slack, and say early when the bot token is not right."""
        try:
            answer = await self._web.auth_test()
        except SlackApiError as error:
            self._trouble = f"Slack refuses SLACK_BOT_TOKEN ({refusal(error)})"
            log.warning("%s", self._trouble)
        except UNREACHABLE as error:
            self._trouble = f"Slack does not answer ({type(error).__name__})"
            log.warning("%s", self._trouble)
        else:
            self._poster.me, self._team = str(answer["user_id"]), str(answer["team_id"])
            self._trouble = None

    async def _take_up(self) -> None:
        """Messages that were being kept up to date when the former process ended."""
        for followed in await self._operations.live.left():
            self._tasks.spawn(self._operations.take_up(followed), "a message from before a restart")

    # What follows lets no exception out: within 10 ms of ack() one would take the acknowledgement back (Bolt 1.30).

    async def _on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        if self._foreign(body):
            await ack(_FOREIGN)
            return
        await ack()
        who = self._who(body, body.get("user_id"), body.get("user_name"), body.get("channel_id"))
        text, trigger = str(body.get("text") or ""), str(body.get("trigger_id"))
        self._tasks.spawn(self._commands.run(who, text, trigger), "a /pod command")

    async def _on_action(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        if self._foreign(body):
            return
        user, container = body.get("user") or {}, body.get("container") or {}
        # A home tab is in no channel: what is shown because of it goes to the person.
        channel = container.get("channel_id") or (body.get("channel") or {}).get("id") or user.get("id")
        who = self._who(body, user.get("id"), user.get("username") or user.get("name"), channel)
        place = None
        if container.get("type") == "message" and not container.get("is_ephemeral") and channel:
            thread = str(container.get("thread_ts") or "")
            place = Posted(channel=str(channel), ts=str(container.get("message_ts")), thread=thread)
        for action in body.get("actions") or []:
            trigger = str(body.get("trigger_id"))
            click = Click(str(action.get("action_id")), str(action.get("value") or ""), place, trigger)
            key = f"action:{body.get('trigger_id')}:{click.action_id}"
            self._tasks.spawn(self._clicks.run(who, click, key), "a button")

    async def _on_shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        if self._foreign(body):
            return
        user = body.get("user") or {}
        who = self._who(body, user.get("id"), user.get("username") or user.get("name"), user.get("id"))
        trigger = str(body.get("trigger_id"))
        self._tasks.spawn(self._clicks.run(who, Click(FORM, "-", None, trigger), f"shortcut:{trigger}"), "a shortcut")

    async def _on_submission(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """The answer says what is wrong, so here the work comes before it."""
        if self._foreign(body):
            await ack(response_action="errors", errors={"template": _FOREIGN})
            return
        user, view = body.get("user") or {}, body.get("view") or {}
        place = str(view.get("private_metadata") or "") or user.get("id")
        who = self._who(body, user.get("id"), user.get("username") or user.get("name"), place)
        wrong, starting = await self._forms.submit(who, view)
        if wrong:
            await ack(response_action="errors", errors=wrong)
            return
        await ack()
        if starting is not None:
            self._tasks.spawn(self._forms.follow(who, starting), "a form")

    async def _on_event(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        """All events are taken, which keeps Slack from sending them again and again."""
        self._tasks.spawn(self._happened(event, body), "an event of Slack's")

    async def _happened(self, event: dict[str, Any], body: dict[str, Any]) -> None:
        if self._foreign(body) or event.get("type") not in _HEARD:
            return
        with suppress(PodError):  # what cannot be noted is done twice rather than not at all
            if not await self._services.pods.first_time(f"slack:event:{body.get('event_id')}"):
                return
        match event.get("type"):
            case "app_home_opened" if event.get("tab") == "home":
                self._homes.visit(str(body.get("team_id") or ""), str(event.get("user")))
            case "user_change" if (event.get("user") or {}).get("deleted"):
                user = str(event["user"].get("id"))
                await self._services.tokens.revoke_all("slack", f"{_team(body)}:{user}")
            case "app_uninstalled" | "tokens_revoked":
                self._trouble = (
                    "Slack says that the app was uninstalled: install it again, and set SLACK_BOT_TOKEN anew"
                )
                log.warning("%s; until then nobody is told anything. Pods go on as before", self._trouble)
            case _:
                pass

    def _foreign(self, body: dict[str, Any]) -> bool:
        """It comes from another workspace than ours, or from somebody of another one who is a guest in ours."""
        user = body.get("user")
        teams = {_team(body), user.get("team_id") if isinstance(user, dict) else None}
        return bool(self._team) and not teams <= {self._team, "", None}

    def _who(self, body: dict[str, Any], user: object, name: object, channel: object) -> Who:
        reply = Reply(body.get("response_url"), self._poster, str(user))
        return Who(_team(body), str(user), str(name or user), str(channel or ""), reply)

    async def _receive(self, request: Request) -> Response:
        """Signed HTTP. The signature is checked before anything is parsed: Bolt does it the other way round."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return PlainTextResponse("too large", status_code=413)
        if not self._believed(request, body):
            return PlainTextResponse("the signature is wrong or too old", status_code=401)
        return to_starlette_response(await self._app.async_dispatch(to_async_bolt_request(request, body)))

    def _believed(self, request: Request, body: bytes) -> bool:
        stamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        secret = self._settings.slack_signing_secret
        try:
            return secret is not None and SignatureVerifier(secret.get_secret_value()).is_valid(body, stamp, signature)
        except (ValueError, TypeError):  # a time stamp that is no number, a body or signature that is no text
            return False


def _team(body: dict[str, Any]) -> str:
    return str(body.get("team_id") or (body.get("team") or {}).get("id") or body.get("enterprise_id") or "")


def face(services: Services, settings: Settings) -> SlackFace | None:
    """The Slack face; None when no bot token says which workspace."""
    if settings.slack_bot_token is None:
        return None
    return SlackFace(services, settings, settings.slack_bot_token.get_secret_value())
