"""From what went wrong to what an assistant is told: the sentence, and which tool to call next."""

import difflib
import logging
import secrets
from collections.abc import Collection, Mapping

from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from pydantic import ValidationError

from core.errors import (
    BalanceUsedUp,
    Conflict,
    Forbidden,
    InvalidInput,
    NoCapacity,
    NotFound,
    PodError,
    PodFailed,
    QuotaExceeded,
    Unavailable,
    Unconfirmed,
)
from core.units import shorten

log = logging.getLogger("podkeeper.mcp")

_NEXT: Mapping[type[PodError], str] = {
    InvalidInput: "Correct the argument and call {tool} again.",
    NotFound: "Call pod_list for the pods there are.",
    Forbidden: "Do not try again; tell the user.",
    Unconfirmed: "When the user says that they have, call {tool} again with the same arguments.",
    Conflict: "Call pod_get to see its status and what is allowed now.",
    QuotaExceeded: "Call pod_list, let the user choose a pod to pod_stop or pod_terminate, then call {tool} again.",
    BalanceUsedUp: "Do not try again; tell the user.",
    NoCapacity: "Call {tool} again with what there is, or tell the user.",
    PodFailed: "Call pod_logs to see what it wrote, pod_resume to try again, or pod_terminate to remove it.",
    Unavailable: "Call {tool} again in a minute; if it stays like this, tell the user.",
    PodError: "Call pod_list to see how things are.",
}
_NEXT_OF: Mapping[tuple[str, type[PodError]], str] = {
    ("pod_start", NotFound): "Call template_list for the templates, volume_list for the network volumes there are.",
    ("pod_start", Conflict): "Call pod_start again with another name or without one, or pod_list to see the other pod.",
    ("volume_create", Conflict): "Call volume_list to see it, or volume_create again with another name.",
    ("volume_delete", NotFound): "Call volume_list for the volumes there are.",
    ("volume_delete", Conflict): "Call volume_list for the pods that have it; pod_terminate those first if the user "
    "agrees.",
}


def told(tool: str, error: ToolError, *, to_person: bool) -> ToolError:
    """What goes out for what a tool raised. A person at the terminal is not told which tool to call."""
    cause = error.__cause__
    if isinstance(cause, PodError):
        said = str(cause).rstrip()
        # A reason may be the pod's own last lines, which end as they please.
        ended = said if said.endswith((".", "!", "?", "'", '"')) else f"{said}."
        return ToolError(str(cause) if to_person else f"{ended} {_advice(tool, cause)}")
    if isinstance(error, UnexpectedToolError):
        return ToolError(_unexpected(tool, cause or error, to_person=to_person))
    if isinstance(cause, ValidationError):
        return wrong_argument(tool, _fields(cause), to_person=to_person)
    return error


def wrong_argument(tool: str, what: str, *, to_person: bool) -> ToolError:
    """An argument that the tool's schema refuses."""
    return ToolError(what if to_person else f"{what} {_NEXT[InvalidInput].format(tool=tool)}")


def unknown_arguments(arguments: Collection[str], known: Collection[str]) -> str | None:
    """A sentence about arguments that a tool does not have; None when it has them all."""
    told: list[str] = []
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(name[:40], known, n=1)
            told.append(
                f"{shorten(name, 40)}: there is no such argument" + (f", did you mean {near[0]}?" if near else ".")
            )
    return f"{' '.join(told[:5])} Allowed: {', '.join(known) or 'none'}." if told else None


def _advice(tool: str, error: PodError) -> str:
    for kind in type(error).__mro__:
        found = _NEXT_OF.get((tool, kind)) or _NEXT.get(kind)
        if found is not None:
            return found.format(tool=tool)
    return ""


def _fields(error: ValidationError) -> str:
    """Which arguments, and what is wrong with each; never the value, which may be a secret or very long."""
    told = [
        f"{shorten('.'.join(str(part) for part in found['loc']), 80)}: {found['msg'].removeprefix('Value error, ')}."
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return " ".join(told[:5])


def _unexpected(tool: str, cause: BaseException, *, to_person: bool) -> str:
    reference = secrets.token_hex(4)
    log.error("%s failed, reference %s", tool, reference, exc_info=cause)
    text = f"Something went wrong inside Podkeeper; its log has the details under the reference {reference}."
    return text if to_person else f"{text} Call pod_list to see how things are, and tell the user the reference."
