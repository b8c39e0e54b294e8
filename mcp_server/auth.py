"""Who is calling over MCP: the bearer of the local token, or of somebody's personal one, becomes a Caller."""

import hmac
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.mcpserver import Context

from core.errors import Forbidden, PodError
from core.model import Caller
from core.service import Services
from mcp_server.client import CLI

SCOPE = "pods"
_LOCAL = "local"


class HouseTokens(TokenVerifier):
    """Knows the token of `core.app.local_token`, and everybody's personal ones."""

    def __init__(self, services: Services, token: str, resource: str) -> None:
        self._services = services
        self._token = token.encode()
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """The bearer; None when it is no token of ours, or one that is no longer good."""
        if hmac.compare_digest(token.encode(), self._token):
            return self._access(token, _LOCAL, _LOCAL)
        try:
            found = await self._services.tokens.caller(token, "mcp")
        except PodError:
            return None  # without its database nobody can be known; the call would fail all the same
        return None if found is None else self._access(token, found[0].id, found[1].person)

    def _access(self, token: str, client: str, subject: str) -> AccessToken:
        return AccessToken(token=token, client_id=client, scopes=[SCOPE], subject=subject, resource=self._resource)


def via(context: Context[Any, Any]) -> str:
    """`terminal` when our own command line calls, `mcp` otherwise. A label for people, no permission hangs on it."""
    client = context.session.client_params
    return "terminal" if client is not None and client.client_info.name == CLI else "mcp"


async def caller(services: Services, context: Context[Any, Any]) -> Caller:
    """The person behind this call, by their rights of now. Over HTTP nobody comes this far without a token of ours."""
    access = get_access_token()
    if access is None or access.subject == _LOCAL:
        return await services.people.local(via(context))
    found = await services.tokens.caller(access.token, via(context))
    if found is None:
        raise Forbidden("This token opens nothing any more. Make a new one with /pod token in Slack.")
    return found[1]
