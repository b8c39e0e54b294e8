"""RunPod's API: requests that are repeated where that is safe, and answers or PodErrors."""

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from pydantic import ValidationError

from core.engines.runpod.account import Account, Pace
from core.engines.runpod.problems import Undecided, refusal
from core.engines.runpod.shapes import Logged, Problem
from core.errors import NotFound, PodError, Unavailable
from core.model import Line

_TRIES = 4
_LONGEST_WAIT = 30.0
"""Seconds that one request may wait for RunPod's leave; when it says longer, the caller hears so."""
_WINDOW = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Api:
    """One account. The key is sent in one header, and is nowhere else."""

    def __init__(self, account: Account, pace: Pace, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """`transport`: another one than the network."""
        self._pace = pace
        self._waits_until = 0.0
        self._etags: dict[str, tuple[str, Any]] = {}
        self._where = account.base_url
        self._http = httpx.AsyncClient(
            base_url=f"{account.base_url.rstrip('/')}/v2",
            headers={"Authorization": f"Bearer {account.key}", "User-Agent": "podkeeper"},
            timeout=httpx.Timeout(pace.timeout, connect=5.0, pool=10.0),
            transport=transport,
            trust_env=transport is None,
        )

    async def close(self) -> None:
        """Give up the connections."""
        await self._http.aclose()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON there, asked for up to four times. A list that has not changed costs RunPod next to nothing."""
        problem: PodError = Unavailable(f"RunPod does not answer at {self._where}.")
        for attempt in range(_TRIES):
            await self._until_welcome()
            known = self._etags.get(path) if params is None else None
            try:
                answer = await self._http.get(
                    path, params=params, headers={"If-None-Match": known[0]} if known is not None else {}
                )
                self._hear(answer)
                if answer.status_code == 304 and known is not None:
                    return known[1]
                if answer.status_code == 200:
                    return self._remember(path, answer, params)
                problem = _problem(answer)
                if answer.status_code != 429 and answer.status_code < 500:
                    raise problem
            except (httpx.HTTPError, ValueError) as error:
                problem = self._unheard(error)
            await self._rest(attempt)
        raise problem

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Asked for once, unless it is certain that nothing was done; Undecided when that is not known.

        None for an answer without a body.
        """
        return await self._change("POST", path, body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """As `post`."""
        return await self._change("PATCH", path, body)

    async def delete(self, path: str) -> None:
        """Gone afterwards, as it is when there was nothing."""
        try:
            await self._change("DELETE", path, None)
        except NotFound:
            return

    @asynccontextmanager
    async def stream(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[AsyncGenerator[str]]:
        """The lines of an answer that may not end."""
        try:
            async with self._http.stream("GET", path, params=params) as answer:
                self._hear(answer)
                if answer.status_code != 200:
                    await answer.aread()
                    raise _problem(answer)
                yield _lines(answer)
        except httpx.HTTPError as error:
            raise self._unheard(error) from None

    async def _change(self, verb: str, path: str, body: Mapping[str, Any] | None) -> Any:
        problem: PodError = Unavailable(f"RunPod does not answer at {self._where}.")
        for attempt in range(_TRIES):
            try:
                answer = await self._http.request(verb, path, json=body)
                self._hear(answer)
                if answer.status_code < 300:
                    return answer.json() if answer.content else None
                problem = _problem(answer)
                if answer.status_code >= 500:
                    raise Undecided(f"{problem} It may have been done all the same.")
                if answer.status_code != 429:
                    raise problem
                await self._until_welcome()
            except _NOT_SENT as error:
                problem = self._unheard(error)
            except (httpx.HTTPError, ValueError):
                raise Undecided("RunPod's answer was lost on the way: it may have been done all the same.") from None
            await self._rest(attempt)
        raise problem

    def _remember(self, path: str, answer: httpx.Response, params: Mapping[str, str] | None) -> Any:
        found = answer.json()
        etag = answer.headers.get("ETag")
        if etag is not None and params is None:
            self._etags[path] = (etag, found)
        return found

    def _hear(self, answer: httpx.Response) -> None:
        """Retry-After, and the windows of RateLimit of which nothing is left."""
        waits = [int(t) for _, left, t in _WINDOW.findall(answer.headers.get("RateLimit", "")) if left == "0"]
        if answer.status_code >= 400:
            waits.append(_retry_after(answer))
        if any(waits):
            self._waits_until = max(self._waits_until, time.monotonic() + max(waits))

    async def _until_welcome(self) -> None:
        left = self._waits_until - time.monotonic()
        if left > _LONGEST_WAIT:
            raise Unavailable(f"RunPod takes no more requests for another {left:.0f} s. It is tried again then.")
        if left > 0:
            await asyncio.sleep(left)

    async def _rest(self, attempt: int) -> None:
        if attempt + 1 < _TRIES:
            spread = random.uniform(0.5, 1.0)  # noqa: S311 - spreads requests, no secret
            await asyncio.sleep(self._pace.retry * 2**attempt * spread)

    def _unheard(self, error: Exception) -> Unavailable:
        # Not quoted: httpx tells the whole request, and a proxy's error page may tell anything.
        kind = "in time" if isinstance(error, httpx.TimeoutException) else "properly"
        return Unavailable(f"RunPod does not answer {kind} at {self._where}. It is tried again.")


def _retry_after(answer: httpx.Response) -> int:
    """Seconds; a date is taken by RunPod's own clock, which may not go as ours does."""
    said = answer.headers.get("Retry-After", "")
    if said.isascii() and said.isdigit():
        return int(said)
    try:
        wait = parsedate_to_datetime(said) - parsedate_to_datetime(answer.headers.get("Date", ""))
    except (ValueError, TypeError):
        return 0
    return max(0, int(wait.total_seconds()))


def _problem(answer: httpx.Response) -> PodError:
    try:
        said = Problem.model_validate_json(answer.content)
    except ValidationError:
        said = Problem()
    return refusal(answer.status_code, said.title, said.detail, said.errors)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)


async def _lines(answer: httpx.Response) -> AsyncGenerator[str]:
    async for line in answer.aiter_lines():
        yield line


def parse_event(line: str) -> Line | None:
    """The line of output in a `data:` line of the log stream; None for any other."""
    if not line.startswith("data:"):
        return None
    try:
        said = Logged.model_validate_json(line.removeprefix("data:"))
        return Line(_moment(said.ts), said.line)
    except ValidationError:
        return None
