"""The nouns: frozen models that every room reads and none can change in place."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from core.errors import InvalidInput

POD_LABEL = "podkeeper.pod"
"""The label that everything we create on an engine carries; its value is the pod id."""


class Frozen(BaseModel):
    """Immutable, and strict about what it does not know."""

    # No inputs in errors: they would carry people's environment variables into the log.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


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


_ACTIONS: Mapping[Status, tuple[Action, ...]] = {
    Status.PROVISIONING: (Action.STOP, Action.TERMINATE),
    Status.STARTING: (Action.STOP, Action.TERMINATE),
    Status.RUNNING: (Action.STOP, Action.RESTART, Action.TERMINATE),
    Status.STOPPING: (Action.TERMINATE,),
    Status.EXITED: (Action.RESUME, Action.TERMINATE),
    Status.ERROR: (Action.RESUME, Action.TERMINATE),
    Status.TERMINATING: (),
    Status.TERMINATED: (),
}


def _port(value: object) -> object:
    if not isinstance(value, str):
        return value
    number, slash, protocol = value.partition("/")
    if not slash or protocol not in ("http", "tcp") or not (number.isascii() and number.isdigit() and len(number) < 6):
        raise ValueError(f"{value[:40]!r} is not a port; write it as 8080/http or 22/tcp")
    return {"number": int(number), "protocol": protocol}


class Cause(StrEnum):
    """What sets a change of a pod off."""

    PERSON = "person"
    IDLE = "idle"
    ITSELF = "itself"
    """Its container ended, vanished, or never came up."""


class PortModel(Frozen):
    """A declared port of a pod; written `8080/http` or `22/tcp`."""

    number: int = Field(ge=1, le=65535)
    protocol: Literal["http", "tcp"] = "http"

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


Port = Annotated[PortModel, BeforeValidator(_port), PlainSerializer(str, return_type=str)]


class GpuRequest(Frozen):
    """GPUs asked for: `A100`, `A100:2`, or `any`. Whole devices only."""

    type: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")
    count: int = Field(default=1, ge=1, le=64)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `TYPE[:COUNT]`; InvalidInput says what is allowed."""
        kind, colon, count = text.strip().rpartition(":")
        if not colon:
            kind, count = text.strip(), "1"
        if not (count.isascii() and count.isdigit() and 1 <= len(count) <= 2 and kind):
            raise InvalidInput(
                f"gpu: {text[:60]!r} is not a GPU request. Write TYPE or TYPE:COUNT, e.g. A100:2 or any."
            )
        try:
            return cls(type=kind, count=int(count))
        except ValueError:
            raise InvalidInput(
                f"gpu: {text[:60]!r} is not a GPU request. Write TYPE or TYPE:COUNT, e.g. A100:2 or any."
            ) from None

    def __str__(self) -> str:
        return f"{self.type}:{self.count}"


class Gpu(Frozen):
    """One GPU device of an engine."""

    uuid: str
    type: str
    memory: int
    """Bytes."""


class Ready(Frozen):
    """When a pod counts as up: an HTTP path that answers below 400 (or 401/403), or a TCP port that accepts."""

    port: int = Field(ge=1, le=65535)
    path: str | None = Field(default=None, pattern=r"^/[!-~]*$")
    """None: a TCP connection is enough."""
    timeout: timedelta = timedelta(minutes=10)
    """How long the pod may take from container start to ready."""


class IdleRule(Frozen):
    """When silence stops a pod."""

    timeout: timedelta
    """Zero: never."""


class PodSpec(Frozen):
    """Everything needed to make the pod again. Sizes in bytes."""

    template: str
    image: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict, repr=False)
    ports: tuple[Port, ...] = ()
    cpu: float = Field(gt=0)
    """vCPUs, enforced."""
    memory: int = Field(gt=0)
    """Enforced; passing it ends the pod as out of memory."""
    gpu: GpuRequest | None = None
    container_disk: int | None = None
    """Wished for; only engines whose Features say so enforce it."""
    volume: int | None = None
    """Size of the pod's own volume disk; None: no volume disk."""
    volume_path: str = "/workspace"
    network_volume: str | None = None
    """Id of a network volume, mounted at `volume_path` in place of the volume disk."""
    ready: Ready | None = None
    idle: IdleRule
    price_per_hour: float | None = None
    """In the currency the installation thinks in; shown, never charged."""

    @property
    def http_ports(self) -> tuple[int, ...]:
        """Ports that the gateway gives a web address."""
        return tuple(p.number for p in self.ports if p.protocol == "http")


class Upstream(Frozen):
    """Where the gateway finds a port of a running pod."""

    host: str
    port: int


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
    ended_at: datetime | None = None
    """When the last run was over."""
    changed_at: datetime
    """When the status was written."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """What may be asked of it now."""
        allowed = _ACTIONS[self.status]
        return allowed if self.stoppable else tuple(a for a in allowed if a is not Action.STOP)


class Event(Frozen):
    """One thing that happened, written in the transaction that made it so."""

    seq: int
    at: datetime
    pod_id: str
    workspace: str
    kind: str
    """By a person: `pod.created`, `pod.stop`, `pod.resume`, `pod.restart`, `pod.terminate`. By the house:
    `pod.starting`, `pod.running`, `pod.idle_stop` (the reaper decided), `pod.exited` (stopped; `data["cause"]`),
    `pod.ended` (it ended by itself or vanished), `pod.failed`, `pod.terminated`, `pod.stop_failed` (will be tried
    again), `pod.orphan` (something of ours that no row claims was halted). `data["reason"]` is for people."""
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


class Role(StrEnum):
    """A member touches what is theirs; an admin everything in the workspace."""

    MEMBER = "member"
    ADMIN = "admin"


class Caller(Frozen):
    """Somebody acting through a face; made by `People.caller`, never by a face itself."""

    person: str
    name: str
    role: Role = Role.MEMBER
    workspace: str = "default"
    via: str


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


class Volume(Frozen):
    """A network volume: it outlives the pods that mount it."""

    id: str
    workspace: str
    name: str
    owner: str
    owner_name: str
    size: int | None
    """Bytes wished for; None: not said."""
    attached_to: tuple[str, ...] = ()
    """Ids of the pods, in any status but TERMINATED, whose spec names it."""
    created_at: datetime


class Registry(Frozen):
    """A stored credential for a private registry; the secret itself never leaves the store's `credential`."""

    host: str
    """As in image names: `ghcr.io`, `127.0.0.1:5000`, `docker.io`."""
    username: str
    created_at: datetime


class Credential(Frozen):
    """Username and secret for one registry."""

    host: str
    username: str
    secret: str = Field(repr=False)


class Template(Frozen):
    """A recipe for pods, read from YAML."""

    name: str
    description: str
    source: str
    """`built-in` or the file it came from."""
    spec: PodSpec

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.spec.template != self.name:
            raise ValueError("a template's spec carries the template's name")
        return self


class PortTraffic(Frozen):
    """What the gateway counted on one pod port. All but the two `open` figures only grow within one generation."""

    completed: int = 0
    """Plain requests that were answered, whatever the answer; a stream counts when its answer begins."""
    succeeded: int = 0
    """Those answered below 400."""
    in_flight: int = 0
    """Plain requests open now."""
    bytes: int = 0
    """Both ways, on plain requests."""
    upgrades: int = 0
    """Upgraded connections (WebSockets) that were opened."""
    upgraded: int = 0
    """Upgraded connections open now."""
    upgraded_bytes: int = 0
    """Both ways, on upgraded connections."""


class Traffic(Frozen):
    """One look at the gateway's counters."""

    generation: str
    """Another one after each start of the data plane: its counters began at zero."""
    ports: Mapping[str, PortTraffic]
    """By `{pod id}-{port}`. A port that is missing here could not be read: that is not silence."""


def route_key(pod_id: str, port: int) -> str:
    """The name of a pod port everywhere: in host names, routes and counters."""
    return f"{pod_id}-{port}"


def registry_of(image: str) -> str:
    """The registry host of an image name, by Docker's rule: a first part with a dot, a colon or `localhost`."""
    first, slash, _ = image.partition("/")
    return first.lower() if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
