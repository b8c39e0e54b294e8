"""Envoy's administration socket: who it is, whether it serves, what it counted."""

import asyncio
import socket
import struct
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from core.errors import Unavailable


class Admin:
    """Asks the Envoy that listens on `admin.sock`; Unavailable when none answers in time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        transport = httpx.AsyncHTTPTransport(
            uds=str(path), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._client = httpx.AsyncClient(
            transport=transport, base_url="http://envoy", trust_env=False, timeout=httpx.Timeout(5)
        )

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.aclose()

    async def node(self) -> str:
        """The id of this start of Envoy."""
        info: dict[str, Any] = (await self._ask("GET", "/server_info")).json()
        return str(info["node"]["id"])

    async def serving(self) -> bool:
        """It has what it needs and takes visitors."""
        try:
            return (await self._client.get("/ready")).status_code == HTTPStatus.OK
        except httpx.HTTPError:
            return False

    async def counters(self) -> str:
        """The counters that have moved, in the Prometheus form: the cheapest to make and to read."""
        return (await self._ask("GET", "/stats/prometheus?usedonly")).text

    async def drain(self) -> None:
        """Take no visitors any more; what is open goes on."""
        await self._ask("POST", "/drain_listeners")

    async def owner(self) -> int | None:
        """The process that listens there, as the kernel knows it; None when nobody does."""
        return await asyncio.to_thread(_owner, self._path)

    async def _ask(self, method: str, path: str) -> httpx.Response:
        try:
            answer = await self._client.request(method, path)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The gateway's Envoy does not answer ({type(error).__name__}). It is started again when it has died; "
                "`podkeeper doctor` says more."
            ) from None
        if answer.status_code != HTTPStatus.OK:
            raise Unavailable(f"The gateway's Envoy answered {answer.status_code} to {path}.")
        return answer


def _owner(path: Path) -> int | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            size = struct.calcsize("3i")
            pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        except OSError:
            return None
        return int(pid)
