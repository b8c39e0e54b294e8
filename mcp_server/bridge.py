"""The stdio bridge, `podkeeper mcp`: an assistant's server on stdin and stdout that hands every call to the service.

Stdout is the wire: nothing is printed, and logs go to stderr.
"""

import signal
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any, cast

from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    InputResponses,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)

from mcp_server.client import BRIDGE, CLI, NotServing, OnProgress, PodClient, ToolFailed, connect
from mcp_server.relay import Relay
from mcp_server.words import INSTRUCTIONS


class _Bridge:
    """Connects anew for each call, which is cheap, so that the service may start, stop and start again meanwhile."""

    def __init__(self, url: str, token: str, *, read_only: bool) -> None:
        self._url = url
        self._token = token
        self._read_only = read_only

    def reach(self, context: ServerRequestContext[Any]) -> AbstractAsyncContextManager[PodClient]:
        """The service, for one request of this program, under its name and with what it can do."""
        return connect(self._url, self._token, name=_program(context), asks=_can_ask(context), probe=False)

    async def list_tools(
        self, context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """The service's tools; our own list of them while nobody serves, so that an assistant knows them then too."""
        try:
            async with self.reach(context) as service:
                listed = await service.tools()
        except NotServing:
            listed = ListToolsResult(tools=own_tools())
        if not self._read_only:
            return listed
        return listed.model_copy(update={"tools": [tool for tool in listed.tools if _reads(tool)]})

    async def call_tool(
        self, context: ServerRequestContext[Any], params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        """The service's answer, progress and questions on the way; how to start the service when nobody serves."""

        if self._read_only and params.name not in {tool.name for tool in own_tools() if _reads(tool)}:
            told = f"{params.name[:60]} is not served here: this is `podkeeper mcp --read-only`, which only reads."
            return CallToolResult(content=[TextContent(type="text", text=told)], is_error=True)

        async def note(progress: float, total: float | None, message: str) -> None:
            await context.session.report_progress(progress, total, message)

        try:
            async with self.reach(context) as service:
                return await self._forward(service, context, params, note)
        except (NotServing, ToolFailed) as error:
            return CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True)

    async def _forward(
        self,
        service: PodClient,
        context: ServerRequestContext[Any],
        params: CallToolRequestParams,
        note: OnProgress,
    ) -> CallToolResult | InputRequiredResult:
        """What a client of the modern era is asked is the answer; one of the era before is asked by a call of ours."""
        arguments = params.arguments or {}
        result = await service.forward(params.name, arguments, note, params.input_responses, params.request_state)
        while isinstance(result, InputRequiredResult) and context.protocol_version < _ASKED_BY_ANSWER:
            answers: InputResponses = {}
            for key, request in (result.input_requests or {}).items():
                if not isinstance(request, ElicitRequest) or not isinstance(request.params, ElicitRequestFormParams):
                    answers[key] = ElicitResult(action="cancel")
                    continue
                form = request.params
                answers[key] = await context.session.elicit_form(
                    form.message, form.requested_schema, context.request_id
                )
            result = await service.forward(params.name, arguments, note, answers, result.request_state)
        return result


_ASKED_BY_ANSWER = "2026-07-28"
"""From this version of the protocol on, a question comes as the answer of a call. Versions compare as dates."""


def _can_ask(context: ServerRequestContext[Any]) -> bool:
    client = context.session.client_params
    asked = client.capabilities.elicitation if client is not None else None
    return asked is not None and (asked.form is not None or asked.url is None)


def _program(context: ServerRequestContext[Any]) -> str:
    """The assistant's program by its own name, which events then tell; never our terminal's."""
    client = context.session.client_params
    name = client.client_info.name if client is not None else ""
    return name if name and name != CLI else BRIDGE


def _reads(tool: Tool) -> bool:
    return tool.annotations is not None and tool.annotations.read_only_hint is True


def own_tools() -> list[Tool]:
    """The tools as this version of the service would list them."""
    from core.service import Services
    from mcp_server.server import tools

    # Listing never touches the services, only calling does; and these are not called.
    nothing = cast(Services, None)
    return [
        Tool(
            name=tool.name,
            title=tool.title,
            description=tool.description,
            input_schema=tool.parameters,
            output_schema=tool.output_schema,
            annotations=tool.annotations,
        )
        for tool in tools(nothing)
    ]


async def serve_stdio(url: str, token: str, *, read_only: bool = False) -> None:
    """Serve on stdin and stdout until stdin ends; in the main thread. `url` and `token` are the running service's.

    `read_only`: only the tools that change nothing.
    """
    # The thread that waits for stdin cannot be interrupted, and there is nothing to put in order: Ctrl-C just ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    bridge = _Bridge(url, token, read_only=read_only)
    server = Server(
        "podkeeper",
        title="Podkeeper",
        version=version("podkeeper"),
        instructions=INSTRUCTIONS,
        on_list_tools=bridge.list_tools,
        on_call_tool=bridge.call_tool,
        **Relay(bridge.reach).handlers(),
    )
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
