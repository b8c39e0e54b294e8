"""What the suite asks for by fixed names, beside our own tools: tools, resources and prompts that answer at once."""

import io
import json
import struct
import wave
import zlib
from base64 import b64encode
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.subscriptions import PromptsListChanged, ServerEvent, ToolsListChanged
from mcp_types import AudioContent, ContentBlock, EmbeddedResource, ImageContent, TextContent, TextResourceContents
from pydantic import Field

from mcp_server.house import HouseServer as Server

Ctx = Context[Any, Any]

SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""Every keyword that must come through a listing unharmed."""


def pixel() -> bytes:
    """A PNG of one red pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


def silence() -> bytes:
    """A WAV of one silent sample."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(b"\0\0")
    return file.getvalue()


def text(words: str) -> TextContent:
    """These words as content."""
    return TextContent(type="text", text=words)


def image() -> ImageContent:
    """The pixel as content."""
    return ImageContent(type="image", data=b64encode(pixel()).decode(), mime_type="image/png")


def embedded(uri: str, words: str, kind: str = "text/plain") -> EmbeddedResource:
    """A resource as content."""
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=kind, text=words))


def register(server: Server) -> None:
    """All of them."""
    _contents(server)
    _notes(server)
    _changes(server)
    _schemas(server)
    _resources(server)
    _prompts(server)


def _contents(server: Server) -> None:
    @server.tool()
    def test_simple_text() -> list[ContentBlock]:
        """Text."""
        return [text("This is a simple text response for testing.")]

    @server.tool()
    def test_image_content() -> list[ContentBlock]:
        """A picture."""
        return [image()]

    @server.tool()
    def test_audio_content() -> list[ContentBlock]:
        """A sound."""
        return [AudioContent(type="audio", data=b64encode(silence()).decode(), mime_type="audio/wav")]

    @server.tool()
    def test_embedded_resource() -> list[ContentBlock]:
        """A resource."""
        return [embedded("test://embedded-resource", "This is an embedded resource content.")]

    @server.tool()
    def test_multiple_content_types() -> list[ContentBlock]:
        """Text, a picture and a resource."""
        mixed = json.dumps({"test": "data", "value": 123})
        resource = embedded("test://mixed-content-resource", mixed, "application/json")
        return [text("Multiple content types test:"), image(), resource]

    @server.tool()
    def test_error_handling() -> list[ContentBlock]:
        """Fails, and says why."""
        raise ToolError("This tool intentionally returns an error for testing")


def _notes(server: Server) -> None:
    @server.tool()
    async def test_tool_with_logging(ctx: Ctx) -> list[ContentBlock]:
        """Three log messages on the way."""
        for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
        return [text("logged")]

    server.add_tool(test_tool_with_logging, name="test_logging_tool")

    @server.tool()
    async def test_tool_with_progress(ctx: Ctx) -> list[ContentBlock]:
        """Three progress notes on the way."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
        return [text("done")]

    @server.tool()
    async def test_reconnection(ctx: Ctx) -> list[ContentBlock]:
        """Cuts the connection of the call before it answers: the answer waits for whoever comes back for it."""
        await ctx.close_sse_stream()
        return [text("Reconnection test completed")]


def _changes(server: Server) -> None:
    def tell(event: ServerEvent) -> None:
        # Our own lists of tools and prompts never change, and the house's bus tells of pods only.
        for ear in [*server.bus._ears.values()]:
            ear.hear(event)

    @server.tool()
    async def test_trigger_tool_change() -> list[ContentBlock]:
        """Tells those who listen that the tools changed."""
        tell(ToolsListChanged())
        return [text("told")]

    @server.tool()
    async def test_trigger_prompt_change() -> list[ContentBlock]:
        """Tells those who listen that the prompts changed."""
        tell(PromptsListChanged())
        return [text("told")]


def _schemas(server: Server) -> None:
    @server.tool()
    def json_schema_2020_12_tool() -> list[ContentBlock]:
        """Only to be listed."""
        return [text("listed")]

    found = server._tool_manager.get_tool("json_schema_2020_12_tool")
    assert found is not None
    found.parameters = SCHEMA_2020_12

    @server.tool()
    def test_custom_header(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    ) -> list[ContentBlock]:
        """An argument that a header repeats."""
        return [text(region)]


def _resources(server: Server) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """Text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """Bytes."""
        return pixel()

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:  # noqa: A002
        """One of many."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        """Something to subscribe to."""
        return "Watched resource content"


def _prompts(server: Server) -> None:
    @server.prompt()
    def test_simple_prompt() -> list[UserMessage]:
        """Text."""
        return [UserMessage("This is a simple prompt for testing.")]

    @server.prompt()
    def test_prompt_with_arguments(
        arg1: Annotated[str, Field(description="First test argument")],
        arg2: Annotated[str, Field(description="Second test argument")],
    ) -> list[UserMessage]:
        """Text with arguments."""
        return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]

    def test_prompt_with_embedded_resource(
        resourceUri: Annotated[str, Field(description="What to embed")],  # noqa: N803
    ) -> list[UserMessage]:
        """A resource."""
        resource = embedded(resourceUri, "Embedded resource content for testing.")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    server.prompt()(test_prompt_with_embedded_resource)

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """A picture."""
        return [UserMessage(image()), UserMessage("Please analyze the image above.")]
