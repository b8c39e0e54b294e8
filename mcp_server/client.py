"""The client that the terminal and the stdio bridge use: the SDK's own, over streamable HTTP, with our errors.

Importing this module is cheap; the SDK is imported by `connect`.
"""

import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx2
    from mcp import Client
    from mcp_types import (
        CallToolResult,
        ElicitResult,
        InputRequiredResult,
        InputResponses,
        ListToolsResult,
        Request,
        Result,
    )
    from pydantic import TypeAdapter

log = logging.getLogger("podkeeper.mcp")

CLI = "podkeeper-cli"
"""How the terminal introduces itself; the server then writes `via: terminal`."""
BRIDGE = "podkeeper-bridge"

T = TypeVar("T")
R = TypeVar("R", bound="Result")

OnProgress = Callable[[float, float | None, str], Awaitable[None]]
"""Given how far it is, of how much, and the message."""

OnQuestion = Callable[[str], Awaitable[bool]]
"""Given what the service asks before it does something; whether the person says yes."""

_VERSION = "2026-07-28"
"""Of the protocol, which every Podkeeper speaks."""
_HEADER_TEXT = re.compile("[!-~]+")
_LONGEST_SILENCE = 330.0
"""Seconds; a call may wait 300 s, and says nothing meanwhile when nothing moves."""


class ToolFailed(Exception):
    """The service refused or could not do it; the text is meant for people."""


class NotServing(Exception):
    """Nobody answers there, or the token is refused; the text says how to mend it."""


class _Door:
    """The service's address and the last status seen there: the SDK's exceptions do not say why it failed."""

    def __init__(self, url: str) -> None:
        self.base = url.rstrip("/").removesuffix("/mcp")
        self.endpoint = f"{self.base}/mcp"
        self.status = 0

    @property
    def local(self) -> bool:
        """It is on this machine, so no proxy of the environment leads there."""
        return urlsplit(self.base).hostname in ("127.0.0.1", "localhost", "::1")

    async def look(self, response: "httpx2.Response") -> None:
        self.status = response.status_code

    def refused(self) -> NotServing:
        return NotServing(
            f"The Podkeeper at {self.base} refuses the token. Set PODKEEPER_TOKEN to that service's token "
            f"(`podkeeper token` prints it where the service runs), or use the service's PODKEEPER_DATA_DIR."
        )

    def shut(self) -> NotServing:
        if self.status in (401, 403):
            return self.refused()
        if self.status:
            return NotServing(
                f"The call to {self.base} broke off (HTTP {self.status}). Either that is no Podkeeper (see "
                f"PODKEEPER_URL), or it was stopped just now: start it with `make up` or `podkeeper up` and try again."
            )
        return NotServing(
            f"No Podkeeper answers at {self.base}. Start it with `make up` or `podkeeper up`, or set PODKEEPER_URL to "
            f"where it runs. Pods that were running go on without it."
        )


class PodClient:
    """A connection to the running service."""

    def __init__(self, client: "Client", door: _Door, on_question: OnQuestion | None) -> None:
        self._client = client
        self._door = door
        self._on_question = on_question

    async def call(
        self, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """The structured result of a tool; ToolFailed when the tool fails, NotServing when the service goes away.

        What the service asks on the way is asked by `on_question`; without one it refuses what it would ask about.
        """
        from mcp_types import InputRequiredResult

        result = await self.forward(tool, dict(arguments), on_progress)
        while isinstance(result, InputRequiredResult):
            answers = await self._answers(result)
            result = await self.forward(tool, dict(arguments), on_progress, answers, result.request_state)
        if result.is_error or result.structured_content is None:
            raise ToolFailed("\n".join(block.text for block in result.content if block.type == "text"))
        return result.structured_content

    async def _answers(self, asked: "InputRequiredResult") -> "InputResponses":
        from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult

        found: InputResponses = {}
        for key, request in (asked.input_requests or {}).items():
            if not isinstance(request, ElicitRequest) or not isinstance(request.params, ElicitRequestFormParams):
                raise ToolFailed("The service asks something that this version does not know. Update it.")
            yes = self._on_question is not None and await self._on_question(request.params.message)
            found[key] = ElicitResult(action="accept" if yes else "decline", content={"confirm": True} if yes else None)
        return found

    async def forward(
        self,
        tool: str,
        arguments: dict[str, Any],
        on_progress: OnProgress | None = None,
        answers: "InputResponses | None" = None,
        state: str | None = None,
    ) -> "CallToolResult | InputRequiredResult":
        """The result as it came, errors and questions included; `answers`, `state`: to what was asked before."""
        from mcp_types import CallToolRequest, CallToolRequestParams

        async def note(progress: float, total: float | None, message: str | None) -> None:
            if on_progress is not None:
                await on_progress(progress, total, message or "")

        # Client.call_tool would fetch the whole list of tools to check the result against: the service has done so.
        request = CallToolRequest(
            params=CallToolRequestParams(name=tool, arguments=arguments, input_responses=answers, request_state=state)
        )
        progress = note if on_progress is not None else None
        return await self._answer(self._client.session.send_request(request, _outcomes(), progress_callback=progress))

    async def hand_on(self, request: "Request[Any, Any]", kind: type[R]) -> R:
        """Any other request of the protocol, as it is."""
        # As another program has sent it: what that says of itself in `_meta` is not true of this connection.
        if request.params is not None:
            request = request.model_copy(update={"params": request.params.model_copy(update={"meta": None})})
        sent: Any = request
        return await self._answer(self._client.session.send_request(sent, kind))

    async def tools(self) -> "ListToolsResult":
        """The service's list of tools."""
        return await self._answer(self._client.list_tools())

    async def _answer(self, request: Awaitable[T]) -> T:
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED, INVALID_PARAMS

        try:
            return await request
        except MCPError as error:
            # A service of ours says 400 as well, where what was asked for is not there.
            if error.code == CONNECTION_CLOSED or (self._door.status >= 400 and error.code != INVALID_PARAMS):
                raise self._door.shut() from error
            raise ToolFailed(str(error)) from error


@asynccontextmanager
async def connect(
    url: str,
    token: str,
    *,
    name: str = CLI,
    on_question: OnQuestion | None = None,
    asks: bool = False,
    probe: bool = True,
) -> AsyncIterator[PodClient]:
    """Connect to the service at `url` (`settings.service_url`). NotServing, also on leaving, when it is not there.

    `asks`: questions come back from `forward`, to be answered by whoever calls it. Without `probe` nothing is sent to
    the service here, and it is the first call that fails with NotServing.
    """
    import httpx2
    from mcp import Client, MCPError
    from mcp.client.streamable_http import streamable_http_client
    from mcp_types import Implementation

    door = _Door(url)
    if _HEADER_TEXT.fullmatch(token) is None:
        raise door.refused()
    failure: Exception | None = None
    try:
        async with AsyncExitStack() as stack:
            http = httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {token}"},
                timeout=httpx2.Timeout(10, read=_LONGEST_SILENCE),
                event_hooks={"response": [door.look]},
                trust_env=not door.local,
                verify=_certificates(door.endpoint),
            )
            await stack.enter_async_context(http)
            transport = streamable_http_client(door.endpoint, http_client=http)
            info = Implementation(name=name, version=_release())
            # That there is a callback tells the service that questions may come; they come as results, not through it.
            asked = _unasked if asks or on_question is not None else None
            mode = "auto" if probe else _VERSION
            client = await stack.enter_async_context(
                Client(transport, client_info=info, elicitation_callback=asked, mode=mode)
            )
            try:
                yield PodClient(client, door, on_question)
            except Exception as error:
                failure = error
    except (ExceptionGroup, MCPError, httpx2.HTTPError, ValueError) as error:
        log.debug("connection to %s", door.base, exc_info=error)
        if failure is None:
            raise door.shut() from error
    if failure is not None:
        raise failure


@cache
def _outcomes() -> "TypeAdapter[CallToolResult | InputRequiredResult]":
    """What a call may be answered with; made once, since the bridge makes many calls."""
    from mcp_types import CallToolResult, InputRequiredResult
    from pydantic import TypeAdapter

    return TypeAdapter(CallToolResult | InputRequiredResult)


@cache
def _release() -> str:
    return version("podkeeper")


def _certificates(url: str) -> ssl.SSLContext:
    """What an https address is checked against; nothing for plain http, where reading them takes longer than a call.

    Without certificates every https connection fails, so that no redirect leads to one unchecked.
    """
    return _known_certificates() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _known_certificates() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()


async def _unasked(context: Any, params: Any) -> "ElicitResult":
    from mcp_types import ElicitResult

    return ElicitResult(action="cancel")
