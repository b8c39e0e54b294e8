"""Which devices fit a request for GPUs, on an engine that has some of its own."""

from collections.abc import Sequence

from core.errors import NoCapacity
from core.model import Gpu, GpuRequest


def devices(request: GpuRequest, gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """Those devices that fit the request, free or not; NoCapacity names what there is when they are too few.

    `A100` fits every device with that word in its name, in any case; `any` fits all. Of several kinds (`A100,L40S`)
    it is the first of which there are enough.
    """
    return choices(request, gpus)[0]


def choices(request: GpuRequest, gpus: Sequence[Gpu]) -> tuple[tuple[Gpu, ...], ...]:
    """As `devices`, of each kind of which there are enough, in the order asked for: the first may all be taken."""
    found = (
        tuple(g for g in gpus if kind.lower() in ("any", g.type.lower()) or fits(kind, g.type))
        for kind in request.types
    )
    enough = tuple(fitting for fitting in found if len(fitting) >= request.count)
    if not enough:
        raise NoCapacity(
            f"This needs GPU {request}, and {_inventory(gpus)}. Nothing was started and nothing is charged."
        )
    return enough


def fits(wanted: str, name: str) -> bool:
    """Whether every word of what is wanted is in the name."""
    words = name.lower().replace("-", " ").split()
    return all(word in words for word in wanted.lower().replace("-", " ").split())


def _inventory(gpus: Sequence[Gpu]) -> str:
    if not gpus:
        return "this engine has no GPUs"
    counts: dict[str, int] = {}
    for gpu in gpus:
        counts[gpu.type] = counts.get(gpu.type, 0) + 1
    return "this engine has " + ", ".join(f"{n} × {kind}" for kind, n in counts.items())
