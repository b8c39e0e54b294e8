"""Who is calling: the bearer of the local token, of a personal one, or of a company login."""

import hmac

from starlette.requests import Request

from core.model import Caller
from core.service import Services

VIA = "api"
_LONGEST_NAME = 60


class Bearers:
    """`token`: the local one."""

    def __init__(self, services: Services, token: str) -> None:
        self._services = services
        self._token = token.encode()

    async def caller(self, request: Request) -> Caller | None:
        """By their rights of now; None: no token, or one that opens nothing."""
        kind, _, secret = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secret:
            return None
        who = await self._known(secret.strip())
        return who.model_copy(update={"client": _program(request)}) if who is not None else None

    async def _known(self, secret: str) -> Caller | None:
        if hmac.compare_digest(secret.encode(errors="surrogatepass"), self._token):
            return await self._services.people.local(VIA)
        found = await self._services.tokens.caller(secret, VIA)
        return found[1] if found is not None else await self._services.logins.caller(secret, VIA)


def _program(request: Request) -> str | None:
    """`runpod-mcp-server/4.0.0 (caller=…)` is `runpod-mcp-server/4.0.0`."""
    name = request.headers.get("User-Agent", "").partition(" ")[0]
    return "".join(c for c in name if c.isprintable())[:_LONGEST_NAME] or None
