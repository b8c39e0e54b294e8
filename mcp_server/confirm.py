"""Asking the person before what loses data or costs much: in their assistant's program, or past it.

A program that can ask (`elicitation`) asks. For any other the question waits in Slack and at the terminal, and the tool
is refused until the person has said yes there. What a model can write never counts as a yes.
"""

import hashlib
from typing import Annotated, Any

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, Elicit, Resolve
from pydantic import BaseModel, Field

from core.errors import Forbidden, Unconfirmed
from core.model import Action, Caller, Pod, PodSpec, Status
from core.service import Services, StartRequest
from core.units import format_bytes
from mcp_server.auth import caller
from mcp_server.house import house

Ctx = Context[Any, Any]

TERMINATE, DELETE, START, RESUME = "terminate", "delete volume", "start", "resume"


class Confirm(BaseModel):
    """What the person fills in."""

    confirm: bool = Field(title="Yes, do it", description="The answer of the user, never of the assistant")


class _Given(Confirm):
    """They have said so elsewhere, or nobody needs to be asked."""

    elsewhere: bool


Answer = ElicitationResult[Confirm]
Question = Confirm | Elicit[Confirm]


async def settle(services: Services, who: Caller, action: str, subject: str, answer: Answer) -> None:
    """Just before it is done. A yes from elsewhere is used up; Forbidden for anything but a yes."""
    said = answer.data if isinstance(answer, AcceptedElicitation) else None
    if said is None or not said.confirm:
        raise Forbidden("The user did not confirm this, so nothing was done.")
    if isinstance(said, _Given) and said.elsewhere:
        await services.confirmations.use(who, action, subject)


async def before_terminate(pod: str, ctx: Ctx) -> Question:
    """Whether to delete this pod for good. Has no effect of its own but that the question waits."""
    services = house(ctx).services
    who = await caller(services, ctx)
    found = await services.pods.may(who, pod, Action.TERMINATE)
    return await _question(ctx, who, TERMINATE, found.id, _loss(found))


async def before_delete(volume: str, ctx: Ctx) -> Question:
    """Whether to delete this network volume."""
    services = house(ctx).services
    who = await caller(services, ctx)
    found = await services.volumes.own(who, volume)
    if found.attached_to:
        return _Given(confirm=True, elsewhere=False)  # which the service refuses: nobody is asked in vain
    size = f" ({format_bytes(found.size)})" if found.size is not None else ""
    text = f"Delete the network volume {found.name}{size}? All data on it is lost for good."
    return await _question(ctx, who, DELETE, found.id, text)


async def before_resume(pod: str, ctx: Ctx) -> Question:
    """Whether to start this pod again, where that costs much."""
    services = house(ctx).services
    who = await caller(services, ctx)
    found = await services.pods.get(who, pod)
    startable = Action.RESUME in found.actions or found.status is Status.TERMINATED
    if not startable or not services.pods.costly(found.spec):
        return _Given(confirm=True, elsewhere=False)
    return await _question(ctx, who, RESUME, found.id, f"Start {found.name} again? {_cost(found.spec)}")


async def wanted(
    template: str,
    name: str | None,
    cpu: float | None,
    memory: str | None,
    gpu: str | None,
    volume: str | None,
    network_volume: str | None,
    env: dict[str, str] | None,
    idle: str | None,
    warning: str | None,
    lifetime: str | None,
    ignore: list[str] | None,
    wake: str | None,
) -> StartRequest:
    """The arguments of `pod_start` as the service takes them."""
    return StartRequest(
        template=template,
        name=name,
        cpu=f"{cpu:.5g}" if cpu is not None else None,
        memory=memory,
        gpu=gpu,
        volume=volume,
        network_volume=network_volume,
        env=env or {},
        idle=idle,
        warning=warning,
        lifetime=lifetime,
        ignore=tuple(ignore or ()),
        wake=wake,
    )


async def before_start(request: Annotated[StartRequest, Resolve(wanted)], ctx: Ctx) -> Question:
    """Whether to start this, where it costs much."""
    services = house(ctx).services
    who = await caller(services, ctx)
    spec = await services.pods.plan(who, request)
    if not services.pods.costly(spec):
        return _Given(confirm=True, elsewhere=False)
    called = f" as {request.name}" if request.name is not None else ""
    return await _question(
        ctx, who, START, digest(request), f"Start a pod from {request.template}{called}? {_cost(spec)}"
    )


def digest(request: StartRequest) -> str:
    """What a yes to a start is bound to: all that was asked for, and no value of it readable."""
    return hashlib.sha256(request.model_dump_json().encode()).hexdigest()[:32]


async def _question(ctx: Ctx, who: Caller, action: str, subject: str, text: str) -> Question:
    confirmations = house(ctx).services.confirmations
    given = await confirmations.given(who, action, subject)
    if given:
        return _Given(confirm=True, elsewhere=True)
    if given is False:
        raise Forbidden(f"The user was asked and said no: {text!r}")
    if _can_ask(ctx):
        return Elicit(text, Confirm)
    await confirmations.ask(who, action, subject, text)
    slack = await house(ctx).services.pods.identity(who.person, "slack")
    way = "press the button in the message that Podkeeper sends them in Slack, or " if slack is not None else ""
    raise Unconfirmed(
        f"This needs the user's own yes, and your program cannot ask them. Nothing was done. They {way}run `podkeeper "
        f"confirm` in a terminal; it waits for 15 minutes. The question: {text!r}"
    )


def _can_ask(ctx: Ctx) -> bool:
    """As the SDK sees it: an empty capability, the only shape before there were modes, means forms."""
    known = ctx.client_capabilities
    asked = known.elicitation if known is not None else None
    return asked is not None and (asked.form is not None or asked.url is None)


def _loss(pod: Pod) -> str:
    lost = ["its container disk"]
    if pod.spec.volume is not None and pod.spec.network_volume is None:
        lost.append(f"its volume disk ({format_bytes(pod.spec.volume)} at {pod.spec.volume_path})")
    stays = " The network volume stays, with its data." if pod.spec.network_volume is not None else ""
    return f"Terminate {pod.name} ({pod.id}, {pod.status})? Lost for good: {', '.join(lost)} and its address.{stays}"


def _cost(spec: PodSpec) -> str:
    ends = "until it is stopped" if not spec.idle.timeout else "until it is stopped, by you or by its silence"
    return f"It costs ${spec.price_per_hour:.2f} an hour {ends}."
