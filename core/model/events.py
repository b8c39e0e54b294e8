"""What happens to pods: events, and how far a start is."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import Field

from core.model.base import Frozen
from core.model.pod import Pod, Status


class Event(Frozen):
    """One thing that happened, written in the transaction that made it so."""

    seq: int
    at: datetime
    pod_id: str
    workspace: str
    kind: str
    """By a person: `pod.created` (`data["adopted"]`: the engine's name of the pod there that was taken in), `pod.stop`,
    `pod.resume`, `pod.restart`, `pod.terminate`, `pod.kept`, `pod.renamed` (`data["from"]`, `data["to"]`),
    `pod.changed` (it has another spec; one that runs is restarted with it),
    `pod.exposed`, `pod.unexposed` (each undone by the other when the gateway refuses), `pod.handed_over` (its owner's
    company login was linked to somebody, who owns it now); by a visitor of its address: `pod.woken`. By
    the house: `pod.starting`, `pod.running`, `pod.idle_warning` (`data["deadline"]`, ISO 8601, `action`,
    `by_lifetime`), `pod.warning_withdrawn`, `pod.idle_notice` (idle, and its rule says to tell only), `pod.idle_stop`
    (the reaper decided; `data["action"]`), `pod.exited` (stopped; `data["cause"]`), `pod.ended` (it ended by itself or
    vanished), `pod.failed` (of a start: `data["code"]`, the PodError's), `pod.terminated`, `pod.stop_failed` (will be
    tried again), `pod.forget_proposed` (stopped so long ago that it may be deleted, if its owner says so), `pod.moved`
    (the engine has put a running pod elsewhere; it keeps its web addresses), `pod.orphan` (something of ours that no
    row claims was halted; there may be no such pod). Something may wait for a person's yes: `confirm.asked` (`pod_id`
    is then what it is about, and `data["code"]` which question). `data["reason"]` is for people, `data["client"]` the
    program a person acted by."""
    status: Status | None = None
    """The status after it."""
    run: int = 1
    actor: str
    """Person id, or `reaper`, `reconciler`, `worker`."""
    via: str
    data: Mapping[str, Any] = Field(default_factory=dict)


class Draft(Frozen):
    """An event before the store numbers it."""

    kind: str
    actor: str
    via: str
    data: Mapping[str, Any] = Field(default_factory=dict)


class Line(NamedTuple):
    """A line of a pod's output."""

    at: datetime
    """When it was written; the beginning of 1970 where nobody knows."""
    text: str
    """Without its end."""


def text_of(lines: Iterable[Line]) -> str:
    """As the pod wrote them."""
    return "".join(f"{line.text}\n" for line in lines)


class Stage(StrEnum):
    """The four things a start does, in order."""

    PULL = "pull"
    CREATE = "create"
    START = "start"
    READY = "ready"


class Progress(Frozen):
    """How far a start is; shown, not stored."""

    pod_id: str
    run: int
    stage: Stage
    message: str
    fraction: float | None = None
    """0..1 within the stage, None when unknown."""


class Update(Frozen):
    """What `PodService.watch` yields: the row as it is now, and how far the work is when that is what changed."""

    pod: Pod
    progress: Progress | None = None
