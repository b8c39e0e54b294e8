"""As much of an HTTP/2 client as the tests need: frames out by hand, frames in as they are."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
CONNECT_PROTOCOL = b"\0\x08\0\0\0\x01"
"""The setting by which a server says that it takes WebSockets (RFC 8441)."""


class Http2:
    """One connection with one request; `data` is the body of the answer so far."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.settings = b""
        self.data = b""
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self._send(SETTINGS, 0, 0, b"")

    def _send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self._writer.write(len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload)

    def ask(self, *, end: bool = True, **fields: str) -> None:
        """Send a request; `method`, `scheme`, `authority`, `path` and `protocol` are the fields with a colon."""
        block = b""
        for name, value in fields.items():
            colon = ":" if name in ("method", "scheme", "authority", "path", "protocol") else ""
            key = (colon + name.replace("_", "-")).encode()
            block += b"\0" + bytes([len(key)]) + key + bytes([len(value)]) + value.encode()
        self._send(HEADERS, END_HEADERS | (END_STREAM if end else 0), 1, block)

    def send(self, payload: bytes) -> None:
        self._send(DATA, 0, 1, payload)

    async def until(self, wanted: bytes) -> bytes:
        """Read on until this is in the data of the answer."""
        async with asyncio.timeout(10):
            while wanted not in self.data:
                head = await self._reader.readexactly(9)
                payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                if head[3] == SETTINGS:
                    self.settings += payload
                if head[3] == DATA:
                    self.data += payload
        return self.data


@asynccontextmanager
async def http2(port: int, context: ssl.SSLContext | None = None, name: str | None = None) -> AsyncIterator[Http2]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        yield Http2(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()
