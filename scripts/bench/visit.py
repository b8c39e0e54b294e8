"""The bench's visitor: asks over fresh connections, as cheaply as possible, until the right answer comes."""

import asyncio

EVERY = 0.003
"""Seconds between two tries: short against what is measured, and light on a machine with two cores."""


async def until_answered(address: tuple[str, int], host: str, wanted: bytes, seconds: float = 30) -> float:
    """The loop's time at which `wanted` came in an answer with status 200; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await visit(address, host, b" 200 ", wanted):  # noqa: ASYNC110 - a server elsewhere rings no bell
            await asyncio.sleep(EVERY)
    return asyncio.get_running_loop().time()


async def visit(address: tuple[str, int], host: str, status: bytes = b"", wanted: bytes = b"\r\n\r\n") -> bool:
    """Ask once, as a browser would, over a fresh connection; whether status and `wanted` came."""
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n".encode()
    try:
        reader, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    try:
        writer.write(request)
        if status not in await reader.readline():
            return False
        # Not to the end of the stream: Envoy closes a connection a second after its last byte.
        await reader.readuntil(wanted)
    except (OSError, asyncio.IncompleteReadError):
        return False
    else:
        return True
    finally:
        writer.transport.abort()
