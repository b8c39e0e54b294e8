"""The form for a start: a modal made of templates and of what is known already, and the way back to a request."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.blocks import Block, context
from bot.words import clip
from core.errors import InvalidInput
from core.model import GpuRequest, Pod, Template, Volume
from core.service import StartRequest
from core.units import format_bytes, format_duration, format_money

START_FORM = "start_form"
"""The form's callback id."""
MOST_OPTIONS = 100
"""Of a select, by Slack's limit."""
LONGEST_ERROR = 300
"""Characters of what is said beside a field."""
_VALUE = "value"

_TYPED = {
    "name": ("Name", "as the template is called, with a number"),
    "cpu": ("vCPUs", "as the template says, or for example 2"),
    "memory": ("Memory", "as the template says, or for example 8g"),
    "gpu": ("GPU", "as the template says, or any, A100:2, A100,L40S (the first to be had), none"),
    "volume": ("Volume disk, kept until it is terminated", "as the template says, or for example 20g; 0 for none"),
    "idle": ("Stop after so much silence", "as the template says, or for example 30m; 0 for never"),
    "lifetime": ("Stop after so long, whatever its traffic", "as the template says, or for example 12h; 0 for never"),
}
"""Fields of one line: label, and what is shown while nothing is typed."""
_LONGEST = {"env": 3000, "gpu": GpuRequest.LONGEST}
"""Characters of a field, where they are not `_LONG`."""
_LONG = 100


def start_form(
    templates: Sequence[Template], volumes: Sequence[Volume], given: StartRequest | None, place: str
) -> Block:
    """The modal. `given`: what is filled in already. `place`: the channel that the answer goes to."""
    given = given or StartRequest(template="")
    blocks = [_select("template", "Template", [_template(one) for one in templates], given.template)]
    if len(templates) > MOST_OPTIONS:
        blocks.append(context(f"The first {MOST_OPTIONS} of {len(templates)}; `/pod start NAME` starts any of them."))
    blocks += [_line(name, label, hint, getattr(given, name)) for name, (label, hint) in _TYPED.items()]
    if volumes:
        offered = [_option(one.name, one.name, mounted(one)) for one in volumes]
        field = _select("network_volume", "Network volume, in place of the volume disk", offered, given.network_volume)
        blocks.append({**field, "optional": True})
    env = _line("env", "Environment, a NAME=value on each line", "MODEL=tiny", _lines(given.env))
    env["element"]["multiline"] = True
    env["hint"] = _plain("Slack sees what is typed here: no passwords.")
    return {
        "type": "modal",
        "callback_id": START_FORM,
        "private_metadata": place,
        "title": _plain("Start a pod"),
        "submit": _plain("Start"),
        "close": _plain("Cancel"),
        "blocks": [*blocks, env],
    }


def like(pod: Pod, template: Template | None, volumes: Sequence[Volume], *, own: bool) -> StartRequest:
    """What would start another pod like this one, under a name of its own.

    Of its variables only what its owner once typed in Slack: what came from a template or through another face may be
    a secret, and Slack has not seen it.
    """
    spec = pod.spec
    env: dict[str, str] = {}
    if own and pod.via == "slack" and template is not None:
        known = template.spec.env
        env = {n: value for n, value in spec.env.items() if n not in spec.generated and known.get(n) != value}
    mounted_here = [one.name for one in volumes if one.id == spec.network_volume]
    return StartRequest(
        template=spec.template,
        cpu=f"{spec.cpu:g}",
        memory=format_bytes(spec.memory),
        gpu=str(spec.gpu) if spec.gpu else None,
        volume=format_bytes(spec.volume) if spec.volume else None,
        network_volume=mounted_here[0] if mounted_here else None,
        idle=format_duration(spec.idle.timeout),
        lifetime=format_duration(spec.max_lifetime) if spec.max_lifetime else None,
        env=env,
    )


def read(view: Mapping[str, Any]) -> StartRequest:
    """What was entered. InvalidInput begins with the name of the field at fault."""
    state: Mapping[str, Any] = (view.get("state") or {}).get("values") or {}
    entered = {name: _entered(state.get(name)) for name in ("template", *_TYPED, "network_volume", "env")}
    env = entered.pop("env")
    if not entered["template"]:
        raise InvalidInput("template: Choose what to start.")
    given = {name: text for name, text in entered.items() if text}
    return StartRequest.model_validate({**given, "env": _environment(env or "")})


def field_at_fault(words: str) -> str:
    """The block that an error belongs to; the first one where it belongs to none."""
    named = words.partition(":")[0].strip().lower().replace("-", "_")
    for beginning, field in (("The name ", "name"), ("There is no network volume ", "network_volume")):
        if words.startswith(beginning):
            named = field
    return named if named in (*_TYPED, "network_volume", "env") else "template"


def _entered(block: Mapping[str, Any] | None) -> str | None:
    element: Mapping[str, Any] = (block or {}).get(_VALUE) or {}
    if "selected_option" in element:
        return (element["selected_option"] or {}).get("value")
    return (element.get("value") or "").strip() or None


def _environment(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise InvalidInput("env: Write NAME=value, each on a line of its own.")
        found[name.strip()] = value
    return found


def _lines(env: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in env.items())


def _template(one: Template) -> Block:
    size = f"{one.spec.cpu:g} vCPU, {format_bytes(one.spec.memory)}"
    size += f", GPU {one.spec.gpu}" if one.spec.gpu else ""
    price = f" · {format_money(one.spec.price_per_hour)} per hour" if one.spec.price_per_hour else ""
    idle = f", stops after {format_duration(one.spec.idle.timeout)} of silence" if one.spec.idle.timeout else ""
    return _option(one.name, f"{one.name} · {size}{price}", f"{one.description}{idle}")


def mounted(one: Volume) -> str:
    """How many pods have it."""
    many = len(one.attached_to)
    return f"mounted by {many} pod{'' if many == 1 else 's'}" if many else "mounted by no pod"


def _option(value: str, text: str, description: str) -> Block:
    made: Block = {"text": _plain(clip(text, 75)), "value": value}
    if description:
        made["description"] = _plain(clip(description, 75))
    return made


def _select(name: str, label: str, options: Sequence[Block], chosen: str | None) -> Block:
    offered = [option for option in options if len(option["value"]) <= 150][:MOST_OPTIONS]
    element: Block = {"type": "static_select", "action_id": _VALUE, "options": offered}
    initial = [option for option in offered if option["value"] == chosen]
    if initial:
        element["initial_option"] = initial[0]
    return {"type": "input", "block_id": name, "label": _plain(label), "element": element}


def _line(name: str, label: str, hint: str, given: str | None) -> Block:
    element: Block = {"type": "plain_text_input", "action_id": _VALUE, "placeholder": _plain(clip(hint, 150))}
    element["max_length"] = longest = _LONGEST.get(name, _LONG)
    if given:
        element["initial_value"] = given[:longest]
    return {"type": "input", "block_id": name, "optional": True, "label": _plain(label), "element": element}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": True}
