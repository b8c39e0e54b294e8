"""The control plane: what Envoy should have, what it is known to have, and how the one becomes the other."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from core.gateway.resources import CDS, KINDS, LDS, Document
from core.gateway.wire import Message, Server, answer, pack, refusal, touched

log = logging.getLogger(__name__)


class Refused(Exception):
    """Envoy said no; the text is its own."""


class StreamLost(Exception):
    """Envoy went away before it answered."""


class _Stream:
    """One connection of Envoy's: answers go out, and each is acknowledged or refused by its nonce."""

    _nonces = itertools.count(1)

    def __init__(self, context: Any) -> None:
        self._context = context
        self._writing = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[Refused | StreamLost | None]] = {}
        loop = asyncio.get_running_loop()
        self.first: dict[str, asyncio.Future[dict[str, str]]] = {kind: loop.create_future() for kind in KINDS}
        """What Envoy holds of a kind, from its first request on this stream."""

    async def send(self, kind: str, resources: Iterable[Message], removed: Iterable[str]) -> None:
        """Returns when Envoy has acknowledged it."""
        nonce = str(next(self._nonces))
        answered = self._waiting[nonce] = asyncio.get_running_loop().create_future()
        try:
            async with self._writing:
                await self._context.write(answer(kind, nonce, resources, removed))
        except Exception as error:
            # gRPC has many names for a stream that is gone; whichever it is, the reader ends as well.
            self._waiting.pop(nonce, None)
            raise StreamLost from error
        if (error := await answered) is not None:
            raise error

    def receive(self, request: Message) -> None:
        """Sort one request of Envoy's: a first one, an acknowledgement, or a refusal."""
        first = self.first.get(request.type_url)
        if not request.response_nonce:
            if first is not None and not first.done():
                first.set_result(dict(request.initial_resource_versions))
            return
        waiting = self._waiting.pop(request.response_nonce, None)
        if waiting is None or waiting.done():
            return
        words = refusal(request)
        waiting.set_result(None if words is None else Refused(words))

    def lose(self) -> None:
        """Nobody will answer any more."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(StreamLost())
        self._waiting.clear()
        for first in self.first.values():
            first.cancel()


class ControlPlane:
    """Delta ADS for one Envoy.

    `change` is for one pod port at a time and waits for Envoy's yes, over lost streams too: what it set is part of
    what the next stream is brought up to before `synced` is set.
    """

    def __init__(self, path: Path) -> None:
        self._server = Server(path, self._serve)
        self._node = ""
        self._stream: _Stream | None = None
        self._desired: dict[str, dict[str, Message]] = {kind: {} for kind in KINDS}
        self._held: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
        self._refused: dict[tuple[str, str], str] = {}
        self._revs = itertools.count(1)
        self.synced = asyncio.Event()
        """Envoy is connected and has acknowledged everything it should have."""

    def preload(self, kind: str, documents: Mapping[str, Document]) -> None:
        """What Envoy should have, before it connects."""
        self._desired[kind].update({name: pack(kind, name, document) for name, document in documents.items()})

    def expect(self, node: str) -> None:
        """Listen to this Envoy only; what another one had says nothing about it."""
        self._node = node
        self._held = {kind: {} for kind in KINDS}
        self._lose(self._stream)

    async def start(self) -> None:
        """Listen for Envoy."""
        await self._server.start()

    async def stop(self) -> None:
        """Let go of Envoy, which keeps what it has."""
        self._lose(self._stream)
        await self._server.stop()

    def holds(self, kind: str, name: str) -> bool:
        """Envoy has acknowledged this very resource."""
        wanted = self._desired[kind].get(name)
        return wanted is not None and self._held[kind].get(name) == wanted.version

    def wants(self, kind: str, name: str) -> bool:
        """Envoy should have such a resource."""
        return name in self._desired[kind]

    async def change(self, kind: str, put: Mapping[str, Document], drop: Iterable[str] = ()) -> None:
        """Set and drop resources of one pod port; returns on Envoy's yes, however long that takes.

        Refused when it says no: what should be is then what it was before, though Envoy may have taken a part.
        """
        wanted = {name: pack(kind, name, document) for name, document in put.items()}
        names = [*wanted, *drop]
        await self.synced.wait()
        former = {name: self._desired[kind].get(name) for name in names}
        self._want(kind, {name: wanted.get(name) for name in names})
        for name in names:
            self._refused.pop((kind, name), None)
        stream = self._stream
        assert stream is not None
        if len(wanted) == len(names) and all(self.holds(kind, name) for name in wanted):
            return
        try:
            await self._send(stream, kind, wanted.values(), [name for name in names if name not in wanted])
        except StreamLost:
            await self.synced.wait()
            words = [self._refused.pop((kind, name)) for name in names if (kind, name) in self._refused]
            if not words:
                return
            self._want(kind, former)
            raise Refused(words[0]) from None
        except Refused:
            self._want(kind, former)
            raise

    def _want(self, kind: str, resources: Mapping[str, Message | None]) -> None:
        for name, resource in resources.items():
            if resource is None:
                self._desired[kind].pop(name, None)
            else:
                self._desired[kind][name] = resource

    async def _send(self, stream: _Stream, kind: str, put: Iterable[Message], drop: Iterable[str]) -> None:
        resources, removed = list(put), list(drop)
        try:
            await stream.send(kind, resources, removed)
        except Refused:
            # It may have taken a part, so nothing is known of these any more.
            for name in [*removed, *(resource.name for resource in resources)]:
                self._held[kind].pop(name, None)
            raise
        if stream is self._stream:
            self._held[kind].update({resource.name: resource.version for resource in resources})
            for name in removed:
                self._held[kind].pop(name, None)

    async def _serve(self, requests: AsyncIterator[Message], context: Any) -> None:
        """One stream, from Envoy's first request to its end."""
        stream = _Stream(context)
        syncing: asyncio.Task[None] | None = None
        try:
            async for request in requests:
                if syncing is None:
                    if request.node.id != self._node:
                        return
                    self._lose(self._stream)
                    self._stream = stream
                    syncing = asyncio.create_task(self._sync(stream), name="ads-sync")
                    syncing.add_done_callback(_report)
                stream.receive(request)
        finally:
            if syncing is not None:
                syncing.cancel()
            stream.lose()
            self._lose(stream)

    def _lose(self, stream: _Stream | None) -> None:
        if stream is None or stream is not self._stream:
            return
        self._stream = None
        self.synced.clear()
        stream.lose()

    async def _sync(self, stream: _Stream) -> None:
        """Bring a new stream up to date: Envoy keeps whatever it is not told to drop.

        Clusters go last, since Envoy asks for them first and what points at a cluster must not lose it.
        """
        try:
            gone: dict[str, list[str]] = {}
            for kind in KINDS:
                self._held[kind] = await stream.first[kind]
                changed = [found for name, found in self._desired[kind].items() if not self.holds(kind, name)]
                gone[kind] = [name for name in self._held[kind] if name not in self._desired[kind]]
                await self._send_all(stream, kind, changed, [] if kind == CDS else gone[kind])
            if gone[CDS]:
                await self._send(stream, CDS, [], gone[CDS])
        except StreamLost:
            return
        if stream is self._stream:
            self.synced.set()

    async def _send_all(self, stream: _Stream, kind: str, resources: list[Message], removed: list[str]) -> None:
        """Many at once; when Envoy refuses, halves, until what is bad stands alone and all the rest is in."""
        try:
            await self._send(stream, kind, resources, removed)
        except Refused as refused:
            if len(resources) < 2:
                for resource in resources:
                    log.error("Envoy refuses %s: %s", resource.name, refused)
                    self._refused[kind, resource.name] = str(refused)
                    self._desired[kind].pop(resource.name, None)
                return
            again = resources
            if kind != LDS:  # a listener that is already in must not be made anew
                # What was refused together with something bad is not served unless it comes back changed.
                again = [touched(kind, resource, next(self._revs)) for resource in resources]
            self._desired[kind].update({resource.name: resource for resource in again})
            middle = len(again) // 2
            await self._send_all(stream, kind, again[:middle], removed)
            await self._send_all(stream, kind, again[middle:], [])


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("The gateway's routes could not be brought up to date", exc_info=error)
