"""What a pod is made of and by which rules it lives."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from core.errors import InvalidInput
from core.model.base import Frozen


def _port(value: object) -> object:
    if not isinstance(value, str):
        return value
    number, slash, protocol = value.partition("/")
    if not slash or protocol not in ("http", "tcp") or not (number.isascii() and number.isdigit() and len(number) < 6):
        raise ValueError(f"{value[:40]!r} is not a port; write it as 8080/http or 22/tcp")
    return {"number": int(number), "protocol": protocol}


class PortModel(Frozen):
    """A declared port of a pod; written `8080/http` or `22/tcp`."""

    number: int = Field(ge=1, le=65535)
    protocol: Literal["http", "tcp"] = "http"

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


Port = Annotated[PortModel, BeforeValidator(_port), PlainSerializer(str, return_type=str)]


class GpuRequest(Frozen):
    """Whole GPUs asked for: `A100`, `A100:2`, `any`, or `A100,L40S` for the first kind that can be had."""

    LONGEST: ClassVar[int] = 8 * 64 + 7 * 2 + 3
    """Characters: eight kinds, a comma and a space between each two, and the number."""

    type: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}(?:, ?[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}){0,7}$")
    count: int = Field(default=1, ge=1, le=64)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `TYPE[:COUNT]` or `TYPE,TYPE[:COUNT]`; InvalidInput says what is allowed."""
        kind, colon, count = text.strip().rpartition(":")
        if not colon:
            kind, count = text.strip(), "1"
        if count.isascii() and count.isdigit() and len(count) <= 2:
            with suppress(ValueError):
                return cls(type=kind, count=int(count))
        raise InvalidInput(
            f"gpu: {text[:60]!r} is not a GPU request. Write TYPE or TYPE:COUNT, e.g. A100:2 or any; or several types, "
            "the best one first: A100,L40S:2."
        )

    @property
    def types(self) -> tuple[str, ...]:
        """The kinds, in the order in which they are tried."""
        return tuple(kind.strip() for kind in self.type.split(","))

    def __str__(self) -> str:
        return self.type if self.count == 1 else f"{self.type}:{self.count}"


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


class IdleAction(StrEnum):
    """What is done with a pod that nobody uses."""

    STOP = "stop"
    TERMINATE = "terminate"
    NOTIFY = "notify"
    """Its owner is told once, and nothing else."""


class Ignore(Frozen):
    """Requests that are served and are no use of the pod: health checks, monitors, a page that polls."""

    paths: tuple[str, ...] = ()
    """Path prefixes, by whole segments: `/health` is `/health` and `/health/x`, not `/healthy`; `/` is everything."""
    agents: tuple[str, ...] = ()
    """Parts of the User-Agent, in any case."""
    methods: tuple[str, ...] = ()
    """Request methods, such as HEAD."""

    @property
    def everything(self) -> bool:
        """No request is left that would count."""
        return "/" in self.paths

    def __bool__(self) -> bool:
        return bool(self.paths or self.agents or self.methods)


class BusyAbove(Frozen):
    """Shares of what the pod was given, 0..1, from which on the pod is in use whatever its traffic; None: not asked."""

    cpu: float | None = Field(default=None, gt=0, le=1)
    memory: float | None = Field(default=None, gt=0, le=1)
    gpu: float | None = Field(default=None, gt=0, le=1)

    def __bool__(self) -> bool:
        return (self.cpu, self.memory, self.gpu) != (None, None, None)


class IdleRule(Frozen):
    """When silence stops a pod, and what silence is."""

    timeout: timedelta
    """Zero: never."""
    warning: timedelta = timedelta()
    """How long before the end its owner is told; zero: not at all."""
    action: IdleAction = IdleAction.STOP
    ignore: Ignore = Ignore()
    noise: int = Field(default=1024, ge=0)
    """Bytes a minute on each open connection (WebSocket, TCP) that are no use: pings of a forgotten tab."""
    silent_request: timedelta = timedelta(hours=2)
    """A request in flight is no use any more when its port has moved no byte for so long; zero: it always is."""
    busy_above: BusyAbove = BusyAbove()

    @model_validator(mode="after")
    def _warns_in_time(self) -> Self:
        if self.warning > self.timeout and self.timeout:
            raise ValueError("warning is longer than timeout; it must be shorter, or 0 for none")
        return self


class Wake(StrEnum):
    """What a visit to a sleeping pod's address does."""

    AUTO = "auto"
    """Starts it."""
    BUTTON = "button"
    """Offers a button that starts it."""
    OFF = "off"
    """Says how its owner can start it."""


class PodSpec(Frozen):
    """Everything needed to make the pod again. Sizes in bytes."""

    template: str
    image: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict, repr=False)
    generated: tuple[str, ...] = ()
    """Names of variables for which each new pod gets a random token; shown to the pod's owner only."""
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
    wake: Wake | None = None
    """None: as the engine does by default."""
    max_lifetime: timedelta | None = None
    """It is stopped when a run is so old, whatever its traffic; None: never."""
    price_per_hour: float | None = None
    """In US dollars; shown and added up, never charged."""

    @property
    def http_ports(self) -> tuple[int, ...]:
        """Ports that the gateway gives a web address."""
        return tuple(p.number for p in self.ports if p.protocol == "http")

    @property
    def tcp_ports(self) -> tuple[int, ...]:
        """Ports that the gateway gives a port of its own, where it has some to give."""
        return tuple(p.number for p in self.ports if p.protocol == "tcp")
