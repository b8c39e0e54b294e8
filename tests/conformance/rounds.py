"""What the suite asks for by fixed names: tools and prompts that ask the client something before they answer.

Clients of 2025-11-25 are asked in the middle of the call; those of 2026-07-28 get the questions as the answer, and call
again. What `Resolve` asks works for both, and it is what our own tools use.
"""

from typing import Annotated, Any

from mcp.server.elicitation import ElicitationResult
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from mcp_types import (
    ContentBlock,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
)
from pydantic import BaseModel

from tests.conformance.fixtures import Ctx, Server, text

Answer = list[ContentBlock] | InputRequiredResult

CHOICES: dict[str, Any] = {
    "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
    "titledSingle": {
        "type": "string",
        "oneOf": [
            {"const": "value1", "title": "First Option"},
            {"const": "value2", "title": "Second Option"},
            {"const": "value3", "title": "Third Option"},
        ],
    },
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
    "titledMulti": {
        "type": "array",
        "items": {
            "anyOf": [
                {"const": "value1", "title": "First Choice"},
                {"const": "value2", "title": "Second Choice"},
                {"const": "value3", "title": "Third Choice"},
            ]
        },
    },
}
DEFAULTS: dict[str, Any] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}


def form(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """The schema of a form."""
    return {"type": "object", "properties": properties, "required": list(required)}


def asked(message: str, field: str, kind: str = "string") -> ElicitRequest:
    """A form of one field."""
    schema = form({field: {"type": kind}}, field)
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampled(words: str) -> CreateMessageRequest:
    """A question to the client's model."""
    said = [SamplingMessage(role="user", content=text(words))]
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=said, max_tokens=100))


def accepted(ctx: Ctx, key: str) -> dict[str, Any] | None:
    """What the person filled in, where there is such an answer."""
    found = (ctx.input_responses or {}).get(key)
    return found.content if isinstance(found, ElicitResult) and found.action == "accept" else None


def register(server: Server) -> None:
    """All of them."""
    _mid_call(server)
    _resolved(server)
    _one_round(server)
    _with_state(server)


def _mid_call(server: Server) -> None:
    @server.tool()
    async def test_sampling(prompt: str, ctx: Ctx) -> list[ContentBlock]:
        """Asks the client's model."""
        message = SamplingMessage(role="user", content=text(prompt))
        said = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
        return [text(f"LLM response: {said.content.text if said.content.type == 'text' else said.content.type}")]

    async def ask(ctx: Ctx, message: str, schema: dict[str, Any]) -> list[ContentBlock]:
        said = await ctx.session.elicit_form(message, schema, ctx.request_id)
        return [text(f"Elicitation completed: action={said.action}, content={said.content}")]

    @server.tool()
    async def test_elicitation(message: str, ctx: Ctx) -> list[ContentBlock]:
        """Asks the person."""
        return await ask(ctx, message, form({"response": {"type": "string"}}, "response"))

    @server.tool()
    async def test_elicitation_sep1034_defaults(ctx: Ctx) -> list[ContentBlock]:
        """Asks with answers filled in."""
        return await ask(ctx, "Please check", form(DEFAULTS))

    @server.tool()
    async def test_elicitation_sep1330_enums(ctx: Ctx) -> list[ContentBlock]:
        """Asks to choose, in every way there is."""
        return await ask(ctx, "Please choose", form(CHOICES))


class Confirm(BaseModel):
    """As our own tools ask."""

    confirm: bool


def confirmed() -> Elicit[Confirm]:
    """Asks."""
    return Elicit("Really?", Confirm)


def thought() -> Sample:
    """Asks the client's model."""
    return Sample([SamplingMessage(role="user", content=text("Think"))], max_tokens=10)


def _resolved(server: Server) -> None:
    @server.tool()
    async def test_streaming_elicitation(
        answer: Annotated[ElicitationResult[Confirm], Resolve(confirmed)],
    ) -> list[ContentBlock]:
        """Asks the person, as our own tools do."""
        return [text(answer.action)]

    @server.tool()
    async def test_missing_capability(
        answer: Annotated[CreateMessageResult, Resolve(thought)],
    ) -> list[ContentBlock]:
        """Cannot do without a client that has a model."""
        return [text(answer.model)]


def _one_round(server: Server) -> None:
    @server.tool()
    async def test_input_required_result_elicitation(ctx: Ctx) -> Answer:
        """Asks for a name until there is one."""
        said = accepted(ctx, "user_name")
        if said is None:
            return InputRequiredResult(input_requests={"user_name": asked("What is your name?", "name")})
        return [text(f"Hello, {said['name']}!")]

    @server.tool()
    async def test_input_required_result_sampling(ctx: Ctx) -> Answer:
        """Asks the client's model."""
        said = (ctx.input_responses or {}).get("capital_question")
        if not isinstance(said, CreateMessageResult) or said.content.type != "text":
            question = sampled("What is the capital of France?")
            return InputRequiredResult(input_requests={"capital_question": question})
        return [text(said.content.text)]

    @server.tool()
    async def test_input_required_result_list_roots(ctx: Ctx) -> Answer:
        """Asks for the client's folders."""
        said = (ctx.input_responses or {}).get("client_roots")
        if not isinstance(said, ListRootsResult):
            return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
        return [text(" ".join(str(root.uri) for root in said.roots))]

    @server.tool()
    async def test_input_required_result_capabilities(ctx: Ctx) -> Answer:
        """Asks whatever the client can answer."""
        can = ctx.client_capabilities
        questions: dict[str, InputRequest] = {}
        if can is not None and can.sampling is not None:
            questions["thought"] = sampled("Think")
        if can is not None and can.elicitation is not None:
            questions["name"] = asked("What is your name?", "name")
        return InputRequiredResult(input_requests=questions)

    @server.prompt()
    async def test_input_required_result_prompt(ctx: Ctx) -> list[UserMessage] | InputRequiredResult:
        """Asks what it shall be about."""
        said = accepted(ctx, "user_context")
        if said is None:
            question = asked("What context should the prompt use?", "context")
            return InputRequiredResult(input_requests={"user_context": question})
        return [UserMessage(f"About {said['context']}")]


def _with_state(server: Server) -> None:
    async def confirm(ctx: Ctx) -> Answer:
        """Remembers, by the client's hand, that it asked."""
        if accepted(ctx, "confirm") is None or ctx.request_state != "asked":
            question = asked("Please confirm", "ok", "boolean")
            return InputRequiredResult(input_requests={"confirm": question}, request_state="asked")
        return [text("state-ok")]

    for name in ("test_input_required_result_request_state", "test_input_required_result_tampered_state"):
        server.add_tool(confirm, name=name)

    @server.tool()
    async def test_input_required_result_multiple_inputs(ctx: Ctx) -> Answer:
        """Asks three things at once."""
        questions: dict[str, InputRequest] = {
            "user_name": asked("What is your name?", "name"),
            "greeting": sampled("Generate a greeting"),
            "client_roots": ListRootsRequest(),
        }
        if ctx.request_state != "asked" or not questions.keys() <= (ctx.input_responses or {}).keys():
            return InputRequiredResult(input_requests=questions, request_state="asked")
        return [text("All three")]

    @server.tool()
    async def test_input_required_result_multi_round(ctx: Ctx) -> Answer:
        """Asks twice, one after the other."""
        if ctx.request_state == "step 2" and (said := accepted(ctx, "step2")) is not None:
            return [text(f"{said['color']} it is")]
        if ctx.request_state == "step 1" and accepted(ctx, "step1") is not None:
            question = asked("Step 2: What is your favorite color?", "color")
            return InputRequiredResult(input_requests={"step2": question}, request_state="step 2")
        question = asked("Step 1: What is your name?", "name")
        return InputRequiredResult(input_requests={"step1": question}, request_state="step 1")
