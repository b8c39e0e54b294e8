"""What tests of every room need: waiting for a condition, and a port nobody listens on."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], T | Awaitable[T]], timeout: float = 10.0) -> T:
    """The first true answer of `condition`, asked again and again; after `timeout` seconds it fails with the last."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        answer = condition()
        answer = await answer if isinstance(answer, Awaitable) else answer
        if answer:
            return answer
        assert loop.time() < deadline, f"not so after {timeout} s; the last answer was {answer!r}"
        await asyncio.sleep(0.01)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
