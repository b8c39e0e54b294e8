"""What RunPod answers, read tolerantly: unknown fields are passed over, and words that we do not know stay words.

Source: RunPod's OpenAPI document of REST v2, as published in November 2026.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from core.engines.runpod.problems import Undecided
from core.errors import Unavailable

RESTING = frozenset({"EXITED", "ERROR"})
"""Statuses in which a pod uses no compute and can be started."""
GONE = "TERMINATED"


class Shape(BaseModel):
    """Frozen; what is not named here is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, alias_generator=to_camel)


class Utilization(Shape):
    """A percentage."""

    util: float | None = None


class RuntimePort(Shape):
    """A port of the pod, and where it is published."""

    private: int
    public: int | None = None
    type: str = ""
    ip: str | None = None


class Runtime(Shape):
    """Of a pod that runs."""

    uptime: int | None = None
    gpus: tuple[Utilization, ...] | None = None
    cpu: Utilization | None = None
    memory: Utilization | None = None
    ports: tuple[RuntimePort, ...] | None = None


class GpuConfig(Shape):
    """The kind and number of GPUs that a pod has."""

    id: str
    count: int = 1


class CpuConfig(Shape):
    """The flavor of a CPU pod."""

    id: str
    vcpu_count: int = 2
    memory: float | None = None
    """GB."""


class PodShape(Shape):
    """A pod."""

    id: str
    status: str
    name: str = ""
    actions: tuple[str, ...] = ()
    image: str = ""
    args: str | None = None
    ports: tuple[str, ...] | None = None
    env: Mapping[str, str] | None = Field(default=None, repr=False)
    disk: int | None = None
    mounts: Mapping[str, Any] | None = None
    gpu: GpuConfig | None = None
    cpu: CpuConfig | None = None
    cost: float | None = None
    """US dollars an hour, now."""
    runtime: Runtime | None = None
    locked: bool = False
    template: str | None = None

    @property
    def running(self) -> bool:
        """It uses compute, or is about to."""
        return self.status not in RESTING and self.status != GONE


class Price(Shape):
    """US dollars an hour, of one GPU."""

    secure: float = 0.0
    community: float = 0.0


class MaxCount(Shape):
    """The most GPUs of one pod."""

    secure: int = 0
    community: int = 0


class GpuType(Shape):
    """A kind of GPU."""

    id: str
    name: str = ""
    memory: int = 0
    """GB."""
    price: Price = Price()
    max_count: MaxCount | None = None
    availability: str | None = None


class Vcpu(Shape):
    """How many vCPUs a flavor allows."""

    min: int = 2
    max: int = 32


class CpuPrice(Shape):
    """US dollars an hour, of one vCPU."""

    secure_per_vcpu: float = 0.0


class CpuType(Shape):
    """A flavor of CPU pods."""

    id: str
    name: str = ""
    vcpu: Vcpu = Vcpu()
    ram_gb_per_vcpu: float = 2.0
    price: CpuPrice = CpuPrice()
    availability: str | None = None


class Problem(Shape):
    """Why something was refused (RFC 9457)."""

    title: str = ""
    detail: str = ""
    errors: tuple[str, ...] = ()


class Logged(Shape):
    """A line of output."""

    line: str
    ts: str = ""


class Named(Shape):
    """A network volume or a registry credential."""

    id: str
    name: str = ""


S = TypeVar("S", bound=Shape)


def read(shape: type[S], answer: object) -> S:
    """One thing; Undecided when it is not what it should be: nothing is concluded from it."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, found["loc"])) or "the whole" for found in error.errors()[:5])
        raise Undecided(f"RunPod's answer was not understood ({fields}). It is asked again later.") from None


def read_list(shape: type[S], answer: object, key: str) -> tuple[S, ...]:
    """Everything in a list; Unavailable rather than a part of it."""
    items = cast("Mapping[str, object]", answer).get(key) if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise Unavailable(f"RunPod's answer was not understood ({key}). It is asked again later.")
    return tuple(read(shape, item) for item in cast("list[object]", items))
