"""The Docker engine's line to the daemon: the only file that calls aiodocker; bounded, and foreign errors end here."""
# pyright: reportPrivateUsage=false

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from core.errors import Unavailable
from core.units import shorten

Json = dict[str, Any]
QUICK = 30.0
"""Seconds for what answers at once when the daemon is well: list, inspect."""
PATIENT = 300.0
"""Seconds for what makes the daemon work: create, start, remove."""
_UNREACHABLE = 900  # the status that aiodocker gives to connection errors
_AT_ONCE = 32  # of the 100 connections that aiohttp opens, so that quick calls always find one


class Refused(Unavailable):
    """The daemon answered, and its answer was no; callers that know the status turn it into something better."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = shorten(reason.strip(), 500)
        super().__init__(f"The Docker Engine refused: {self.reason.rstrip('.')}. Nothing else was changed.")


class Client:
    """Requests to one daemon. Connects when first used, and again after each failure.

    aiodocker chooses the daemon (DOCKER_HOST, contexts, sockets), the API version and reads error answers. The paths
    are ours: its typed helpers give no hold on the response, so a pull that is given up could not be closed.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._docker: Docker | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @property
    def where(self) -> str:
        """The daemon's address, for people."""
        return self._docker._connection_info if self._docker is not None else (self._url or "the usual sockets")

    @property
    def local(self) -> bool:
        """The daemon is on this machine."""
        return self.where.startswith("unix://")

    async def close(self) -> None:
        """Let go of the connections; a later call opens them again."""
        docker, self._docker = self._docker, None
        if docker is not None:
            await docker.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        seconds: float = QUICK,
    ) -> Any:
        """One request; its JSON answer, None when it has no body. Refused, or Unavailable after `seconds`."""
        raw = await self.read(method, path, params=params, body=body, seconds=seconds)
        return json.loads(raw) if raw.strip() else None

    async def read(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        seconds: float = QUICK,
    ) -> bytes:
        """As `call`, the answer as it came."""
        data = json.dumps(body).encode() if body is not None else None
        async with self._slot(seconds):
            with self._mapped(seconds):
                async with asyncio.timeout(seconds), self._query(method, path, params=params, data=data) as response:
                    return await response.read()

    async def header(self, path: str, params: Mapping[str, str], name: str) -> str | None:
        """One header of the answer to a HEAD request; None when there is no such thing.

        Not through aiodocker's request: it reads a refusal's body, and a HEAD request's has none.
        """
        docker = self._docker = self._docker or Docker(url=self._url)
        with self._mapped(QUICK):
            async with asyncio.timeout(QUICK):
                await docker._check_version()
                async with docker.session.head(docker._canonicalize_url(path), params=params) as response:
                    if response.status not in (200, 404):
                        raise Refused(response.status, f"HEAD {path} was answered {response.status}")
                    return response.headers.get(name)

    async def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> AsyncGenerator[Json]:
        """A request whose answer is one JSON object a line, for as long as it takes; closing it ends the request."""
        with self._mapped(None):
            async with self._query(method, path, params=params, headers=headers, data=data) as response:
                try:
                    async for line in response.content:
                        yield cast(Json, json.loads(line))
                finally:
                    response.close()

    @asynccontextmanager
    async def _slot(self, seconds: float) -> AsyncGenerator[None]:
        if seconds <= QUICK:
            yield
        else:
            async with self._slots:
                yield

    @asynccontextmanager
    async def _query(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        docker = self._docker = self._docker or Docker(url=self._url)
        limit = aiohttp.ClientTimeout(total=None, sock_connect=QUICK)
        async with docker._query(
            path,
            method,
            params=dict(params or {}),
            headers=headers,
            data=io.BytesIO(data) if data is not None else None,  # aiohttp warns of large bodies as bytes
            timeout=limit,
        ) as response:
            yield response

    @contextmanager
    def _mapped(self, seconds: float | None) -> Generator[None]:
        """Foreign exceptions stop here."""
        try:
            yield
        except DockerError as error:
            if error.status == _UNREACHABLE:
                raise Unavailable(self._away(error.message)) from None
            raise Refused(error.status, error.message) from None
        except TimeoutError:
            raise Unavailable(
                self._stuck(seconds) if seconds is not None else self._away("no answer in time")
            ) from None
        except (AssertionError, aiohttp.ClientError, OSError, ValueError) as error:
            # aiodocker asserts that it found a socket; a broken context or DOCKER_HOST is a ValueError
            raise Unavailable(self._away(str(error) or "no socket was found")) from None

    def _stuck(self, seconds: float) -> str:
        return (
            f"The Docker Engine at {self.where} did not answer within {seconds:.0f} seconds. It may be busy or stuck: "
            "look at `docker info`, and restart Docker if that hangs too."
        )

    def _away(self, reason: str) -> str:
        return away(self.where, reason)


def away(where: str, reason: str) -> str:
    """What to tell and how to mend it when no daemon answers at `where`."""
    if "ermission denied" in reason:
        return (
            f"The Docker Engine at {where} may not be used by this user (permission denied). Add the user to the group "
            "docker (`sudo usermod -aG docker $USER`), log in again, and try again."
        )
    return (
        f"The Docker Engine does not answer at {where} ({_inner(reason)}). Is Docker running? Start it "
        "(`sudo systemctl start docker`), or name another one in DOCKER_HOST. Nothing was changed."
    )


def section(found: Mapping[str, Any], key: str) -> Json:
    """A part of the daemon's JSON that may be missing or null."""
    return found.get(key) or {}


def _inner(reason: str) -> str:
    """The system's own words out of aiodocker's and aiohttp's wrapping."""
    return shorten(reason.rpartition("[")[2].partition("]")[0].strip() or reason, 200)
