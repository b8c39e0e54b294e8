"""What the stdio bridge hands on beside tools: resources, prompts and completions, as they are."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp_types import (
    INTERNAL_ERROR,
    CompleteRequest,
    CompleteRequestParams,
    CompleteResult,
    GetPromptRequest,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsRequest,
    ListPromptsResult,
    ListResourcesRequest,
    ListResourcesResult,
    ListResourceTemplatesRequest,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequest,
    ReadResourceRequestParams,
    ReadResourceResult,
    Request,
    Result,
)

from mcp_server.client import NotServing, PodClient, ToolFailed

R = TypeVar("R", bound=Result)

Ctx = ServerRequestContext[Any]


class Relay:
    """`reach` connects to the service for one request of this program."""

    def __init__(self, reach: Callable[[Ctx], AbstractAsyncContextManager[PodClient]]) -> None:
        self._reach = reach

    def handlers(self) -> dict[str, Any]:
        """As the SDK's `Server` takes them."""
        return {
            "on_list_resources": self.resources,
            "on_list_resource_templates": self.resource_templates,
            "on_read_resource": self.read,
            "on_list_prompts": self.prompts,
            "on_get_prompt": self.prompt,
            "on_completion": self.complete,
        }

    async def resources(self, ctx: Ctx, _: PaginatedRequestParams | None) -> ListResourcesResult:
        """None while nobody serves."""
        return await self._or(ctx, ListResourcesRequest(), ListResourcesResult(resources=[]))

    async def resource_templates(self, ctx: Ctx, _: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        """None while nobody serves."""
        none = ListResourceTemplatesResult(resource_templates=[])
        return await self._or(ctx, ListResourceTemplatesRequest(), none)

    async def prompts(self, ctx: Ctx, _: PaginatedRequestParams | None) -> ListPromptsResult:
        """None while nobody serves."""
        return await self._or(ctx, ListPromptsRequest(), ListPromptsResult(prompts=[]))

    async def read(self, ctx: Ctx, params: ReadResourceRequestParams) -> ReadResourceResult:
        """One resource."""
        return await self._hand_on(ctx, ReadResourceRequest(params=params), ReadResourceResult)

    async def prompt(self, ctx: Ctx, params: GetPromptRequestParams) -> GetPromptResult:
        """One prompt."""
        return await self._hand_on(ctx, GetPromptRequest(params=params), GetPromptResult)

    async def complete(self, ctx: Ctx, params: CompleteRequestParams) -> CompleteResult:
        """What may follow."""
        return await self._hand_on(ctx, CompleteRequest(params=params), CompleteResult)

    async def _or(self, ctx: Ctx, request: Request[Any, Any], none: R) -> R:
        try:
            async with self._reach(ctx) as service:
                return await service.hand_on(request, type(none))
        except NotServing:
            return none

    async def _hand_on(self, ctx: Ctx, request: Request[Any, Any], kind: type[R]) -> R:
        try:
            async with self._reach(ctx) as service:
                return await service.hand_on(request, kind)
        except (NotServing, ToolFailed) as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from None
