"""A pod: where it is in its life, and its row."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from core.model.base import Frozen
from core.model.spec import PodSpec
from core.units import price


class Status(StrEnum):
    """Where a pod is in its life; RunPod's v2 words plus STOPPING and TERMINATING, which say work is under way."""

    PROVISIONING = "PROVISIONING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    ERROR = "ERROR"

    @property
    def under_way(self) -> bool:
        """A worker must carry it on."""
        return self in UNDER_WAY

    @property
    def holds_compute(self) -> bool:
        """Something may be running (and costing) on the engine."""
        return self in HOLDS_COMPUTE


UNDER_WAY = frozenset({Status.PROVISIONING, Status.STARTING, Status.STOPPING, Status.TERMINATING})


HOLDS_COMPUTE = UNDER_WAY | {Status.RUNNING}


class Action(StrEnum):
    """What a person may ask of an existing pod."""

    STOP = "stop"
    RESUME = "resume"
    RESTART = "restart"
    TERMINATE = "terminate"
    KEEP = "keep"
    EXPOSE = "expose"
    """Change which of its ports have an address."""


_ACTIONS: Mapping[Status, tuple[Action, ...]] = {
    Status.PROVISIONING: (Action.STOP, Action.TERMINATE),
    Status.STARTING: (Action.STOP, Action.TERMINATE),
    Status.RUNNING: (Action.STOP, Action.RESTART, Action.TERMINATE, Action.KEEP, Action.EXPOSE),
    Status.STOPPING: (Action.TERMINATE,),
    Status.EXITED: (Action.RESUME, Action.TERMINATE),
    Status.ERROR: (Action.RESUME, Action.TERMINATE),
    Status.TERMINATING: (),
    Status.TERMINATED: (),
}


class Cause(StrEnum):
    """What sets a change of a pod off."""

    PERSON = "person"
    IDLE = "idle"
    ITSELF = "itself"
    """Its container ended, vanished, or never came up."""


class Upstream(Frozen):
    """Where a port of a running pod is found."""

    host: str
    """An address; or, where `name` is given, a host name that is looked up again and again."""
    port: int
    name: str | None = None
    """The host name by which the other side wants to be called."""
    tls: bool = False
    """Spoken to by TLS; its certificate must be good for `name`."""
    direct: bool = False
    """For people, who reach it there themselves; the gateway neither carries nor counts it."""

    @property
    def authority(self) -> str:
        """What stands in the Host header: the name, with the port where that is not its scheme's own."""
        name = self.name or self.host
        return name if self.port == (443 if self.tls else 80) else f"{name}:{self.port}"


class Pod(Frozen):
    """A row: what the store knows about one pod."""

    id: str
    """14 lowercase letters and digits."""
    workspace: str
    name: str
    owner: str
    """Person id."""
    owner_name: str
    via: str
    """The face it was started by: slack, mcp, terminal."""
    spec: PodSpec
    stoppable: bool = True
    """False for a pod with a network volume: it can only be terminated."""
    status: Status
    run: int = 1
    """Raised by each start, resume and restart; every move compares it."""
    reason: str | None = None
    """Why it is in this status, in words for people: what failed, who stopped it."""
    cause: Cause | None = None
    """What set off the change it is in, or was in last."""
    ref: str | None = None
    """The engine's own name for the present run, or, while that has none, for the one before."""
    upstreams: Mapping[int, Upstream] = Field(default_factory=dict[int, Upstream])
    """By port number, while something runs."""
    listens: Mapping[int, int] = Field(default_factory=dict[int, int])
    """TCP ports of the pod -> ports of the gateway where they are reached; its own until it is terminated."""
    gpus: tuple[str, ...] = ()
    worker: str | None = None
    lease_until: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    """When the present run was asked for."""
    ready_at: datetime | None = None
    """When the present run answered for the first time."""
    last_active_at: datetime | None = None
    """When use was last seen in the present run; never before `ready_at`."""
    heartbeat_at: datetime | None = None
    """When the pod itself last said, by its keep-alive address, that it is in use."""
    keep_until: datetime | None = None
    """Somebody wants it kept until then, whatever its traffic."""
    kept_by: str | None = None
    """The name of that somebody."""
    warned_at: datetime | None = None
    """When its owner was told of the end that is near; None when no end is near."""
    proposed_at: datetime | None = None
    """When its owner was asked whether a pod stopped for so long may be deleted."""
    ended_at: datetime | None = None
    """When the last run was over."""
    changed_at: datetime
    """When the status was written."""

    @property
    def watched(self) -> tuple[int, ...]:
        """Ports whose traffic the gateway counts."""
        return tuple(p.number for p in self.spec.ports if p.protocol == "http" or p.number in self.listens)

    def cost(self, now: datetime) -> float | None:
        """US dollars of its present run until now, or of its last one; None: its template names no price."""
        begun = self.started_at or self.created_at
        return price((self.ended_at or now) - begun, self.spec.price_per_hour)

    @property
    def actions(self) -> tuple[Action, ...]:
        """What may be asked of it now."""
        allowed = _ACTIONS[self.status]
        return allowed if self.stoppable else tuple(a for a in allowed if a is not Action.STOP)
