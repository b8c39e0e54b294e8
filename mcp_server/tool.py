"""One tool: the SDK's, with our errors, our text copy and a slim schema."""

from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, TextContent, ToolAnnotations

from mcp_server import errors, schema
from mcp_server.auth import via
from mcp_server.views import ABRIDGED, View


class HouseTool(Tool):
    """Every failure of the tool below leaves as a ToolError in our words, whatever raised it."""

    @classmethod
    def of(
        cls,
        fn: Callable[..., Any],
        title: str,
        *,
        read_only: bool = False,
        destructive: bool = False,
        idempotent: bool = False,
        open_world: bool = False,
        in_full: bool = False,
    ) -> "HouseTool":
        """A tool from a method: name and description are the method's own, and all four hints are said.

        Only a tool that is `in_full` publishes every field of what it shows: many copies would fill an assistant's
        window.
        """
        hints = ToolAnnotations(
            read_only_hint=read_only,
            destructive_hint=destructive,
            idempotent_hint=idempotent,
            open_world_hint=open_world,
        )
        description = " ".join((fn.__doc__ or "").split())
        made = cls.from_function(fn, title=title, description=description, annotations=hints)
        assert isinstance(made, HouseTool)
        made.parameters = schema.for_arguments(made.parameters)
        published = made.fn_metadata.output_schema
        assert published is not None, f"{made.name} returns a View"
        made.fn_metadata.output_schema = schema.for_result(published, {} if in_full else ABRIDGED)
        return made

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """Call it; see the base class."""
        to_person = via(context) == "terminal"
        unknown = errors.unknown_arguments(arguments, list(self.parameters.get("properties", {})))
        if unknown is not None:
            raise errors.wrong_argument(self.name, unknown, to_person=to_person)
        try:
            result = await super().run(arguments, context)
        except ToolError as error:
            raise errors.told(self.name, error, to_person=to_person) from None
        if not (convert_result and isinstance(result, View)):
            return result
        return CallToolResult(
            content=[TextContent(type="text", text=result.brief())], structured_content=result.model_dump(mode="json")
        )
