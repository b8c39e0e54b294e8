"""The double's memory: one workspace with its people, channels, messages and what was complained about."""

import asyncio
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any


class Refused(Exception):
    """The Web API says no: HTTP 200 with `{"ok": false, "error": …}`, or 429."""

    def __init__(self, error: str, *, status: int = 200, retry_after: int | None = None, **extra: Any) -> None:
        super().__init__(error)
        self.error, self.status, self.retry_after, self.extra = error, status, retry_after, extra


class Screen:
    """Blocks that somebody sees."""

    blocks: list[dict[str, Any]]

    @property
    def screen(self) -> str:
        """All words that a person sees."""
        return "\n".join(_words(self.blocks))

    @property
    def elements(self) -> list[dict[str, Any]]:
        """What can be pressed, with the id of its block."""
        found: list[dict[str, Any]] = []
        for block in self.blocks:
            inside = [*block.get("elements", []), block.get("accessory")]
            found += [{**e, "block_id": block["block_id"]} for e in inside if e and "action_id" in e]
        return found

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons."""
        return [e["text"]["text"] for e in self.elements if e["type"] == "button"]


@dataclass
class File:
    """Something that was uploaded."""

    id: str
    name: str
    length: int
    content: bytes = b""
    title: str = ""


@dataclass
class View(Screen):
    """A modal, or somebody's home tab."""

    id: str
    user: str
    hash: str
    view: dict[str, Any]
    blocks: list[dict[str, Any]]
    open: bool = True
    errors: dict[str, str] = field(default_factory=dict)
    """By block id, as the last submission was answered."""


@dataclass
class Post(Screen):
    """A message: in a channel, or seen by one person only."""

    channel: str
    ts: str
    author: str
    text: str
    blocks: list[dict[str, Any]]
    only_for: str | None = None
    at: float = 0.0
    edits: list[tuple[float, str]] = field(default_factory=list)
    """When it was edited, and the text before."""
    deleted: bool = False
    thread: str | None = None
    """The ts of the message below which it was written."""
    files: list["File"] = field(default_factory=list)

    @property
    def screen(self) -> str:
        """The blocks' words when there are some, the text otherwise."""
        return super().screen if self.blocks else self.text


def _words(node: Any) -> list[str]:
    if isinstance(node, list):
        return [word for part in node for word in _words(part)]
    if not isinstance(node, dict):
        return []
    own = [node["text"]] if isinstance(node.get("text"), str) else []
    return own + [word for key, part in node.items() if key != "text" or not own for word in _words(part)]


@dataclass
class Channel:
    """A channel or a direct message (`D…`) between one person and the bot."""

    id: str
    name: str
    members: set[str]
    archived: bool = False
    with_user: str | None = None


@dataclass
class Hook:
    """A response URL: five posts within half an hour."""

    channel: str
    user: str
    message: Post | None
    born: float
    used: int = 0


class Workspace:
    """State, a clock that tests may push forward, and a bell that rings at every change."""

    def __init__(self) -> None:
        self.team, self.domain, self.app, self.bot, self.bot_id = "T1", "double", "A1", "UBOT", "B1"
        self.bot_token, self.app_token, self.signing_secret = "xoxb-double", "xapp-double", "shhh-double"
        self.scopes = {"commands", "chat:write", "im:write", "users:read", "files:write"}
        self.users: dict[str, str] = {self.bot: "podkeeper"}
        self.zones: dict[str, str] = {}
        """User -> time zone; UTC for whom it says nothing."""
        self.deactivated: set[str] = set()
        self.files: dict[str, File] = {}
        self.channels: dict[str, Channel] = {}
        self.posts: list[Post] = []
        self.hooks: dict[str, Hook] = {}
        self.views: list[View] = []
        """Modals, in the order in which they were opened."""
        self.homes: dict[str, View] = {}
        self.published = 0
        """How often a home tab was published."""
        self.triggers: dict[str, tuple[str, float]] = {}
        """Trigger id -> whose it is, and since when."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.complaints: list[str] = []
        """What real Slack would only warn of, and what no test should leave behind."""
        self.failures: list[tuple[str, Refused]] = []
        self.refused_blocks: set[str] = set()
        """Types of blocks that this workspace does not take yet."""
        self.offset = 0.0
        self._counter = count(1)
        self._waiting: set[asyncio.Event] = set()

    def now(self) -> float:
        """Seconds, as this workspace sees them."""
        return time.time() + self.offset

    def next(self) -> int:
        """A number that was never given before."""
        return next(self._counter)

    def trigger(self, user: str) -> str:
        """What lets the app open a modal for this person, once and soon."""
        made = f"{self.next()}.{int(self.now())}"
        self.triggers[made] = (user, self.now())
        return made

    def user(self, user: str, name: str) -> str:
        """Somebody joins."""
        self.users[user] = name
        return user

    def channel(self, channel: str, name: str, *, bot: bool = True) -> str:
        """A channel with everybody in it; `bot` says whether the bot is, too."""
        members = {u for u in self.users if bot or u != self.bot}
        self.channels[channel] = Channel(channel, name, members)
        return channel

    def direct(self, user: str) -> str:
        """The direct message between a person and the bot."""
        for channel in self.channels.values():
            if channel.with_user == user:
                return channel.id
        made = Channel(f"D{self.next():03}", "directmessage", {user, self.bot}, with_user=user)
        self.channels[made.id] = made
        return made.id

    def store(
        self,
        channel: str,
        author: str,
        text: str,
        blocks: list[Any],
        only_for: str | None = None,
        thread: str | None = None,
    ) -> Post:
        """Keep a new message."""
        at = self.now()
        ts = f"{int(at)}.{self.next():06}"
        post = Post(channel, ts, author, text, self.named(blocks), only_for, at, thread=thread)
        self.posts.append(post)
        self.ring()
        return post

    def edit(self, post: Post, text: str | None, blocks: list[Any] | None) -> None:
        """Blocks that are left out stay; `[]` takes them away."""
        post.edits.append((self.now(), post.text))
        post.text = text if text is not None else post.text
        post.blocks = self.named(blocks) if blocks is not None else post.blocks
        self.ring()

    def named(self, blocks: list[Any]) -> list[dict[str, Any]]:
        """Slack gives each block an id when the app did not."""
        made = copy.deepcopy(blocks)
        for block in made:
            block.setdefault("block_id", f"b{self.next()}")
        return made

    def ring(self) -> None:
        """Wake whoever waits for a condition."""
        for waiter in self._waiting:
            waiter.set()

    async def until(self, condition: Callable[[], Any], timeout: float = 10, what: str = "") -> Any:
        """The condition's value once it is true; looks at each change here, and now and then for changes elsewhere."""
        deadline = time.monotonic() + timeout
        bell = asyncio.Event()
        self._waiting.add(bell)
        try:
            while not (found := condition()):
                if time.monotonic() > deadline:
                    seen = "\n".join(f"  {p.channel} {p.only_for or ''} {p.text[:300]!r}" for p in self.posts[-8:])
                    raise AssertionError(f"waited {timeout} s in vain {what}; last messages:\n{seen}")
                bell.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await bell.wait()
                except TimeoutError:
                    pass
            return found
        finally:
            self._waiting.discard(bell)
