"""Who is calling over MCP: the bearer of the local token becomes a Caller."""

import hmac
from typing import Any

from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.mcpserver import Context

from core.model import Caller
from core.service import Services
from mcp_server.client import CLI

SCOPE = "pods"


class LocalToken(TokenVerifier):
    """Knows one token, the one of `core.app.local_token`."""

    def __init__(self, token: str, resource: str) -> None:
        self._token = token.encode()
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """The bearer when it is the token, compared in constant time; None otherwise."""
        if not hmac.compare_digest(token.encode(), self._token):
            return None
        return AccessToken(token=token, client_id="local", scopes=[SCOPE], subject="local", resource=self._resource)


def via(context: Context[Any, Any]) -> str:
    """`terminal` when our own command line calls, `mcp` otherwise. A label for people, no permission hangs on it."""
    client = context.session.client_params
    return "terminal" if client is not None and client.client_info.name == CLI else "mcp"


async def caller(services: Services, context: Context[Any, Any]) -> Caller:
    """The person behind this call. Over HTTP nobody comes this far without the local token."""
    return await services.people.local(via(context))
