"""The gate before `/mcp`: a call that a token is not good for is refused as OAuth says, with 403 and the scope missing.

The core refuses it all the same; a program that speaks OAuth learns here what to ask its user for.
"""

import json
from collections.abc import Collection
from typing import Any, cast

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from pydantic import AnyHttpUrl
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.model import Scope as TokenScope


class ScopeGate:
    """Looks into calls of bearers who may only look. `changing`: tools that they may not call."""

    def __init__(self, app: ASGIApp, changing: Collection[str], metadata: AnyHttpUrl, most: int) -> None:
        self._app = app
        self._changing = frozenset(changing)
        self._metadata = metadata
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        user = scope.get("user")
        limited = isinstance(user, AuthenticatedUser) and TokenScope.OPERATE not in user.scopes
        if not limited or scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        messages, body = await self._read(receive)
        tool = self._refused(body)
        if tool is not None:
            await self._refusal(tool)(scope, receive, send)
            return

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self._app(scope, again, send)

    async def _read(self, receive: Receive) -> tuple[list[Message], bytes]:
        """The request as it came; of a longer one than the server takes only the beginning, which it refuses itself."""
        messages: list[Message] = []
        body = b""
        while len(body) <= self._most:
            message = await receive()
            messages.append(message)
            body += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body", False):
                break
        return messages, body

    def _refused(self, body: bytes) -> str | None:
        try:
            said: Any = json.loads(body)
        except (ValueError, RecursionError):
            return None  # the server says so in its own words
        for one in cast(list[Any], said) if isinstance(said, list) else [said]:
            call = cast(dict[str, Any], one) if isinstance(one, dict) else {}
            params = call.get("params")
            name = cast(dict[str, Any], params).get("name") if isinstance(params, dict) else None
            if call.get("method") == "tools/call" and isinstance(name, str) and name in self._changing:
                return name
        return None

    def _refusal(self, tool: str) -> JSONResponse:
        said = f"{tool} needs a token of scope {TokenScope.OPERATE}; this one may only look."
        challenge = (
            f'Bearer error="insufficient_scope", scope="{TokenScope.OPERATE}", error_description="{said}", '
            f'resource_metadata="{self._metadata}"'
        )
        body = {"error": "insufficient_scope", "error_description": said}
        return JSONResponse(body, status_code=403, headers={"WWW-Authenticate": challenge})
