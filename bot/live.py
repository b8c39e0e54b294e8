"""The live message: one message per operation, edited in place until nothing is under way."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from slack_sdk.errors import SlackApiError

from bot.blocks import Message
from bot.post import GONE, UNREACHABLE, Posted, Poster, refusal
from bot.standing import FACE
from bot.views import Shown, card, changed, starting
from core.errors import Unavailable
from core.model import Caller, Frozen, Pod, Status, Update
from core.service import Services
from core.settings import Settings

log = logging.getLogger("podkeeper.slack")

PACE = 1.5
"""Seconds between two edits of one message: chat.update allows about 50 a minute to the whole workspace."""
REFRESH = 15.0
"""Seconds after which the elapsed time is shown anew although nothing else changed."""
_REMEMBERED = 500
_LIVE = "live "
LONG = timedelta(minutes=30)
"""A start that took so long is told directly as well."""


class Editor:
    """Edits one message at most every `pace` seconds. What comes faster is left out; the last state never is."""

    def __init__(self, send: Callable[[Message, bool], Awaitable[None]], shown: Message, pace: float) -> None:
        self._send = send
        self._shown = shown
        self._pace = pace
        self._render: Callable[[], Message] = lambda: shown
        self._bell = asyncio.Event()
        self._over = False

    def show(self, render: Callable[[], Message]) -> None:
        """What the message should be from now on; called again when the time in it should move on."""
        self._render = render
        self._bell.set()

    def close(self) -> None:
        """No more will come: `run` ends once the last state is sent."""
        self._over = True
        self._bell.set()

    async def run(self) -> None:
        """Send until closed."""
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        while True:
            try:
                async with asyncio.timeout(REFRESH):
                    await self._bell.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(max(0.0, sent_at + self._pace - loop.time()))
            self._bell.clear()
            over, message = self._over, self._render()
            if message != self._shown:
                await self._send(message, over)
                self._shown, sent_at = message, loop.time()
            if over:
                return


class Followed(Frozen):
    """A message that is being kept up to date; noted, so that a restart does not leave it half-way."""

    pod_id: str
    place: str
    """A `Posted`, as text."""
    team: str
    user: str
    name: str
    """Who is told, and whose rights are asked again."""
    by: str


class Live:
    """Follows pods in messages, and knows which."""

    def __init__(self, services: Services, settings: Settings, poster: Poster, pace: float) -> None:
        self._services = services
        self._poster = poster
        self._pace = pace
        self._local = settings.proxy_domain.endswith(".localhost")
        self._expected: dict[str, timedelta | None] = {}
        """By template: how long a start of it takes as a rule."""
        self._following: set[Posted] = set()
        self._told: dict[tuple[str, int], None] = {}

    def look(self, pod: Pod) -> Shown:
        """A pod with its addresses."""
        pods = self._services.pods
        return Shown(pod, pods.urls(pod), self._local, self._services.now(), pods.remark(pod))

    async def expect(self, pod: Pod) -> None:
        """Learn how long its start takes as a rule, for what is rendered from now on."""
        with suppress(Unavailable):
            template = pod.spec.template
            self._expected[template] = await self._services.costs.expected(pod.workspace, template)

    def render(self, update: Update, by: str) -> Message:
        """The one message of an operation, at any moment of it."""
        match update.pod.status:
            case Status.PROVISIONING | Status.STARTING:
                rule = self._expected.get(update.pod.spec.template)
                return starting(self.look(update.pod), update.progress, self._services.now(), by, rule)
            case Status.STOPPING | Status.TERMINATING:
                return changed(self.look(update.pod), by)
            case _:
                return card(self.look(update.pod), by)

    def follows(self, posted: Posted) -> bool:
        """This message is being kept up to date already."""
        return posted in self._following

    def tells(self, pod_id: str, run: int) -> bool:
        """A live message has told, or is about to tell, how the start of this run ended."""
        return (pod_id, run) in self._told

    async def left(self) -> list[Followed]:
        """What a former process was following when it ended."""
        noted = await self._services.notes.all(FACE, _LIVE)
        return [Followed.model_validate_json(text) for text in noted.values()]

    async def leave(self, followed: Followed) -> None:
        """It is told to its end, or cannot be."""
        with suppress(Unavailable):  # then it is told to its end once more
            await self._services.notes.drop(FACE, _LIVE + followed.place)

    async def follow(self, caller: Caller, followed: Followed, pod: Pod, shown: Message) -> None:
        """Edit the message until nothing is under way; a message that is being followed already is left to that."""
        posted, by = Posted.of(followed.place), followed.by
        if self.follows(posted):
            return
        self._following.add(posted)
        key = (pod.id, pod.run)
        self._remember(key)

        async def send(message: Message, last: bool) -> None:
            await self._edit(followed.user, posted, message, last)

        editor = Editor(send, shown, self._pace)
        editing = asyncio.create_task(editor.run(), name=f"slack: edits for {pod.id}")
        try:
            with suppress(Unavailable):
                await self._services.notes.put(FACE, _LIVE + followed.place, followed.model_dump_json())
            last = await self._watch(caller, pod, editor, by)
            if last is not None and last.status is not Status.ERROR:
                self._told.pop(key, None)
            editor.close()
            await editing
            if last is not None and not posted.direct and self._took_long(last):
                await self._direct(followed.user, self.render(Update(pod=last), by))
            await self.leave(followed)
        finally:
            editing.cancel()
            await asyncio.wait([editing])
            self._following.discard(posted)

    async def _watch(self, caller: Caller, pod: Pod, editor: Editor, by: str) -> Pod | None:
        """The pod as it was when nothing was under way any more; a database that is away is waited for."""
        last: Pod | None = None
        while True:
            try:
                async for update in self._services.pods.watch(caller, pod.id):
                    last = update.pod
                    editor.show(lambda update=update: self.render(update, by))
                return last
            except Unavailable as error:
                log.warning("pod %s: its message waits: %s", pod.id, error)
                await asyncio.sleep(self._pace)

    def _took_long(self, pod: Pod) -> bool:
        """Whoever asked has turned to something else by now, and an edit rings no bell."""
        begun, over = pod.started_at or pod.created_at, pod.ready_at or self._services.now()
        return pod.status in (Status.RUNNING, Status.ERROR) and over - begun >= LONG

    async def _direct(self, user: str, message: Message) -> None:
        try:
            await self._poster.direct(user, message)
        except SlackApiError as error:
            log.warning("Slack refused a direct message: %s", refusal(error))
        except UNREACHABLE as error:
            log.warning("Slack could not be reached for a direct message: %s", type(error).__name__)

    async def _edit(self, user: str, posted: Posted, message: Message, last: bool) -> None:
        """Send one state. A lost edit on the way does not matter; the last one comes through, if need be directly."""
        attempts = 4 if last else 1
        for attempt in range(attempts):
            try:
                return await self._poster.edit(posted, message)
            except SlackApiError as error:
                log.warning("Slack refused an edit: %s", refusal(error))
                if last and refusal(error) in GONE:
                    await self._poster.direct(user, message)
                    return None
            except UNREACHABLE as error:
                log.warning("Slack could not be reached for an edit: %s", type(error).__name__)
            if attempt + 1 < attempts:
                await asyncio.sleep(self._pace * 2**attempt)
        return None

    def _remember(self, key: tuple[str, int]) -> None:
        self._told[key] = None
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
