"""The bench's WebSockets: a server that echoes and clients that ask and wait, as cheap as Python allows.

`python -m scripts.bench.sockets serve PORT`, or `… ask PORT HOST SECONDS`, which prints how many messages came back.
"""

import asyncio
import base64
import hashlib
import sys
from abc import ABC, abstractmethod

from typing_extensions import override

CONNECTIONS = 32
PAYLOAD = b"x" * 64
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_ASKED = bytes((0x81, 0x80 | len(PAYLOAD))) + bytes(4) + PAYLOAD  # masked with zeros, which changes nothing
_ECHOED = bytes((0x81, len(PAYLOAD))) + PAYLOAD


class _Side(asyncio.Protocol, ABC):
    """Counts whole messages after the handshake; every message is of one size."""

    size: int

    def __init__(self) -> None:
        self._head = b""
        self._open = False
        self._left = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._open = True
            self.opened(head)
        whole, self._left = divmod(self._left + len(data), self.size)
        if whole:
            self.messages(whole)

    @abstractmethod
    def opened(self, head: bytes) -> None:
        """The handshake is here."""

    @abstractmethod
    def messages(self, count: int) -> None:
        """So many more have come."""


class _Echo(_Side):
    size = len(_ASKED)

    @override
    def opened(self, head: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        key = head[head.lower().index(b"sec-websocket-key: ") + 19 :].partition(b"\r\n")[0]
        assert fields[b"upgrade"] == b"websocket"
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    @override
    def messages(self, count: int) -> None:
        self.transport.write(_ECHOED * count)


class _Asker(_Side):
    size = len(_ECHOED)

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host.encode()
        self.came = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(
            b"GET /socket HTTP/1.1\r\nHost: " + self._host + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + _KEY + b"\r\n\r\n"
        )

    @override
    def opened(self, head: bytes) -> None:
        assert b" 101 " in head.partition(b"\r\n")[0], head
        self.transport.write(_ASKED)

    @override
    def messages(self, count: int) -> None:
        self.came += count
        self.transport.write(_ASKED * count)


async def serve(port: int) -> None:
    """Echo until ended."""
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", port)
    await server.serve_forever()


async def ask(port: int, host: str, seconds: float) -> int:
    """Each connection sends its next message when the last has come back; how many came."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: _Asker(host), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.abort()
    assert all(asker.came for _, asker in made), "a connection stayed silent"
    return sum(asker.came for _, asker in made)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        print(asyncio.run(ask(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))))
