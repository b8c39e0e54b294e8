"""What an engine has to give: kinds of GPU and vCPUs, and how many there are of them now."""

from collections.abc import Collection, Sequence
from enum import StrEnum

from core.model import Frozen, Gpu


class Availability(StrEnum):
    """How much there is now, in RunPod's words."""

    NONE = "NONE"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class GpuOffer(Frozen):
    """A kind of GPU."""

    type: str
    """Its whole name, as `PodSpec.gpu` has it once it is fitted."""
    name: str
    """As people say it."""
    memory: int
    """Bytes, of one."""
    most: int
    """Of one pod."""
    price_per_hour: float | None = None
    """US dollars, of one; None: the engine charges nothing."""
    availability: Availability | None = None
    """None where nobody knows."""


class CpuOffer(Frozen):
    """What pods without a GPU may have."""

    most: int
    """vCPUs of one pod."""
    price_per_hour: float | None = None
    """US dollars, of one vCPU; None: the engine charges nothing."""
    availability: Availability | None = None


class Offers(Frozen):
    """All of it."""

    gpus: tuple[GpuOffer, ...] = ()
    cpu: CpuOffer | None = None


def of_devices(devices: Sequence[Gpu], taken: Collection[str], count: int) -> tuple[GpuOffer, ...]:
    """Each kind of these devices; `taken`: the UUIDs that pods hold; `count`: how many somebody wants together."""
    kinds: dict[str, list[Gpu]] = {}
    for device in devices:
        kinds.setdefault(device.type, []).append(device)
    return tuple(
        GpuOffer(
            type=kind,
            name=kind.removeprefix("NVIDIA ").removeprefix("GeForce "),
            memory=min(device.memory for device in those),
            most=len(those),
            availability=_level(sum(device.uuid not in taken for device in those), len(those), count),
        )
        for kind, those in sorted(kinds.items())
    )


def _level(free: int, every: int, count: int) -> Availability:
    if free < count:
        return Availability.NONE
    if free == every:
        return Availability.HIGH
    return Availability.LOW if free < 2 * count else Availability.MEDIUM
