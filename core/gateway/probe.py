"""Visits of our own: through the gateway as a visitor, and straight to a pod."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import httpx

from core.gateway.pages import GATEWAY_HEADER
from core.model import Upstream

VISIT_SECONDS = 5.0
REACH_SECONDS = 2.0
_LOCKED = (401, 403)


class Prober:
    """Asks over fresh connections; whatever goes wrong on the way means not reached."""

    def __init__(self, *, tls: bool, ca: Path) -> None:
        self._scheme = "https" if tls else "http"
        self._ca = ca
        # The door is our own, at an address: there is nobody else who could be there, and no name to check.
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self._client = _client(trusting)
        self._strict: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Give up the connections."""
        await self._client.aclose()
        if self._strict is not None:
            await self._strict.aclose()

    async def visit(self, listen: tuple[str, int], host: str, path: str) -> int | None:
        """The status that the pod behind this host name gives; None when the answer is the gateway's own."""
        address, port = listen
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        answer = await self._ask(Upstream(host=address, port=port), path, VISIT_SECONDS, host)
        return None if answer is None or GATEWAY_HEADER in answer.headers else answer.status_code

    async def reach(self, upstream: Upstream, path: str | None) -> bool:
        """As `Gateway.reach`. A proxy of somebody else takes connections for any pod, so its answer is asked for."""
        if upstream.name is not None:
            answer = await self._ask(upstream, path or "/", VISIT_SECONDS)
            if answer is None or GATEWAY_HEADER in answer.headers:
                return False
            return _answers(answer) or (path is None and answer.status_code < 500)
        if path is not None:
            answer = await self._ask(upstream, path, REACH_SECONDS)
            return answer is not None and _answers(answer)
        with suppress(OSError):
            async with asyncio.timeout(REACH_SECONDS):
                _, writer = await asyncio.open_connection(upstream.host, upstream.port)
                writer.close()
                return True
        return False

    async def _ask(self, to: Upstream, path: str, seconds: float, visited: str | None = None) -> httpx.Response | None:
        """`visited`: the host name, when it is the gateway's door that is asked."""
        host = f"[{to.host}]" if ":" in to.host else to.host
        scheme, headers, extensions, client = "https" if to.tls else "http", {}, {}, self._client
        if visited is not None:
            scheme, headers, extensions = self._scheme, {"host": visited}, {"sni_hostname": visited}
        elif to.name is not None:
            headers, extensions, client = {"host": to.authority}, {"sni_hostname": to.name}, self._remote()
        url = f"{scheme}://{host}:{to.port}{path}"
        try:
            # The head is enough: a page that never ends is an answer too.
            async with (
                asyncio.timeout(seconds),
                client.stream("GET", url, headers=headers, extensions=extensions) as answer,
            ):
                return answer
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return None

    def _remote(self) -> httpx.AsyncClient:
        """One that believes certificates only; made when there is a first pod to ask by it."""
        if self._strict is None:
            self._strict = _client(ssl.create_default_context(cafile=str(self._ca)))
        return self._strict


def _client(context: ssl.SSLContext) -> httpx.AsyncClient:
    fresh = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=fresh),
        trust_env=False,
        timeout=httpx.Timeout(VISIT_SECONDS),
        headers={"user-agent": "podkeeper-probe"},
    )


def _answers(answer: httpx.Response) -> bool:
    return answer.status_code < 400 or answer.status_code in _LOCKED
