"""From what a person calls a pod to the pod."""

import difflib
from collections.abc import Sequence

from core.errors import Ambiguous, InvalidInput, NotFound
from core.model import Caller, Pod, Role, Status
from core.units import shorten


def find(pods: Sequence[Pod], caller: Caller, reference: str) -> Pod:
    """By id, by the name of a pod that is not terminated, or by a prefix that fits one pod the caller may touch.

    Ambiguous lists the candidates; NotFound offers the nearest names. A terminated pod answers to its whole id only.
    """
    wanted = reference.strip().lower()
    if not wanted:
        raise InvalidInput("Which pod? Give its name, its id, or the beginning of one of them.")
    for pod in pods:
        if pod.id == wanted:
            return pod
    live = [pod for pod in pods if pod.status is not Status.TERMINATED]
    for pod in live:
        if pod.name == wanted:
            return pod
    own = [pod for pod in live if caller.role is Role.ADMIN or pod.owner == caller.person]
    fitting = [pod for pod in own if pod.name.startswith(wanted) or pod.id.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = ", ".join(f"{pod.name} ({pod.id})" for pod in fitting[:8])
        raise Ambiguous(f"{shorten(reference)!r} fits {len(fitting)} pods: {listed}. Write more of the name or the id.")
    near = difflib.get_close_matches(wanted[:80], [pod.name for pod in own], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else _known(own)
    raise NotFound(f"No pod {shorten(reference)!r}. {hint}")


def _known(own: Sequence[Pod]) -> str:
    if not own:
        return "You have no pods."
    return f"You have: {', '.join(pod.name for pod in own[:8])}{' and more' if len(own) > 8 else ''}."
