"""What people see in local-slack and do there, by the socket of its own page and by its control API."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from tests.second_opinion.emulator import APP

T = TypeVar("T")


@dataclass
class Seen:
    """Something on screen, as local-slack holds it: a message, a home tab or a form."""

    body: dict[str, Any]

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Of Block Kit."""
        return self.body.get("blocks") or []

    @property
    def screen(self) -> str:
        """All words that a person sees: the blocks' where there are some, the text otherwise."""
        return "\n".join(_words(self.blocks)) if self.blocks else str(self.body.get("text", ""))

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """By their labels; each is what the page sends when it is pressed."""
        found = {}
        for n, block in enumerate(self.blocks):
            for element in block.get("elements", []):
                if element["type"] == "button":
                    sent = {key: element.get(key) for key in ("type", "action_id", "value", "text")}
                    found[element["text"]["text"]] = {"block_id": block.get("block_id", f"b{n}"), **sent}
        return found


class Window:
    """Follows everything that is shown to anybody."""

    def __init__(self, base: str, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._control = f"{base}/_control"
        self._session = session
        self._socket = socket
        self._bell = asyncio.Event()
        self._posts: dict[tuple[str, str], Seen] = {}
        self._directs: dict[str, str] = {}
        self.homes: dict[str, Seen] = {}
        self.forms: list[Seen] = []
        """Those that lie open, the topmost last."""
        self.log: list[dict[str, Any]] = []
        """local-slack's own record of what went to the app and came from it."""

    def messages(self, channel: str) -> list[Seen]:
        """What everybody sees in a channel."""
        return [seen for (where, _), seen in self._posts.items() if where == channel and not seen.body.get("subtype")]

    def directs(self, user: str) -> list[Seen]:
        """The direct messages to somebody."""
        return self.messages(self._directs.get(user, ""))

    def answers(self, user: str) -> list[Seen]:
        """What nobody but this person sees."""
        return [seen for seen in self._posts.values() if seen.body.get("ephemeral_to") == user]

    async def type(self, user: str, channel: str, text: str) -> None:
        """Somebody types a command."""
        command, _, rest = text.partition(" ")
        await self._do("command", user=user, channel=channel, command=command, text=rest)

    async def ask(self, user: str, channel: str, text: str) -> Seen:
        """Somebody types a command; the answer to it."""
        before = len(self.answers(user))
        await self.type(user, channel, text)
        return (await self.until(lambda: self.answers(user)[before:], f"an answer to {text!r}"))[0]

    async def press(self, user: str, seen: Seen, label: str) -> None:
        """Somebody presses a button of a message."""
        assert label in seen.buttons, f"there is no button {label!r}, only {list(seen.buttons)}"
        where, ts = seen.body["channel"], seen.body["ts"]
        await self._do("interact", user=user, channel=where, messageTs=ts, action=seen.buttons[label])

    async def visit(self, user: str) -> Seen:
        """Somebody opens the home tab; what is published for them then."""
        self.homes.pop(user, None)
        await self._do("open-home", user=user, appId=APP)
        await self.until(lambda: user in self.homes, "a home tab")
        return self.homes[user]

    async def submit(self, user: str, values: dict[str, Any]) -> None:
        """Somebody sends the form that lies open, with these values in its fields, and it closes."""
        entered = {block: {"value": value} for block, value in values.items()}
        await self._socket.send_json({"t": "view_submit", "user": user, "values": entered})
        await self.until(lambda: not self.forms, "the form to close")

    async def close(self, user: str) -> None:
        """Somebody closes the form."""
        await self._socket.send_json({"t": "view_close", "user": user})
        await self.until(lambda: not self.forms, "the form to close")

    async def shows(self, seen: Seen, words: str) -> None:
        """Wait until it says so."""
        await self.until(lambda: words in seen.screen, repr(words))

    async def until(self, condition: Callable[[], T], what: str, timeout: float = 10) -> T:
        """The condition's value once it is true; asked again whenever something changes."""
        try:
            async with asyncio.timeout(timeout):
                while not (found := condition()):
                    self._bell.clear()
                    await self._bell.wait()
                return found
        except TimeoutError:
            shown = "\n".join(seen.screen for seen in list(self._posts.values())[-3:])
            raise AssertionError(f"waited {timeout:g} s in vain for {what}; the last messages:\n{shown}") from None

    async def follow(self) -> None:
        """Take in what is told, until it is told no more."""
        async for message in self._socket:
            self._take(message.json())
            self._bell.set()

    def _take(self, told: dict[str, Any]) -> None:
        match told["t"]:
            case "init":
                for channel in told["state"]["channels"]:
                    self._know(channel)
            case "channel":
                self._know(told["channel"])
            case "message" | "message_update":
                body = told["message"]
                self._posts.setdefault((body["channel"], body["ts"]), Seen(body)).body = body
            case "message_delete":
                self._posts.pop((told["channel"], told["ts"]), None)
            case "home":
                self.homes[told["user"]] = Seen(told["view"])
            case "view":
                self.forms = [Seen(view) for view in told["stack"]]
            case "log":
                self.log.append(told["entry"])
            case _:
                pass

    def _know(self, channel: dict[str, Any]) -> None:
        if channel["is_im"]:
            self._directs[channel["members"][0]] = channel["id"]

    async def _do(self, what: str, **body: Any) -> None:
        async with self._session.post(f"{self._control}/{what}", json=body) as answer:
            assert answer.status == 200, await answer.text()


@asynccontextmanager
async def opened(base: str) -> AsyncIterator[Window]:
    """A window on a local-slack that runs."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{base.replace('http', 'ws', 1)}/ui") as socket:
        window = Window(base, session, socket)
        following = asyncio.create_task(window.follow())
        try:
            yield window
        finally:
            following.cancel()
            await asyncio.wait([following])


def _words(node: Any) -> list[str]:
    if isinstance(node, list):
        return [word for part in node for word in _words(part)]
    if not isinstance(node, dict):
        return []
    own = [node["text"]] if isinstance(node.get("text"), str) else []
    return own + [word for part in node.values() if isinstance(part, dict | list) for word in _words(part)]
