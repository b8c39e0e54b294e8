"""What is decided for one run before the engine is asked: address, devices, credential, environment."""

from collections.abc import Sequence

from core.engines.base import Engine, Order
from core.errors import NoCapacity
from core.model import Gpu, GpuRequest, Pod, registry_of
from core.store import Store


def devices(request: GpuRequest, gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """Those devices that fit the request, free or not; NoCapacity names what there is when they are too few.

    `A100` fits every device with that word in its name, in any case; `any` fits all.
    """
    fitting = tuple(g for g in gpus if request.type.lower() in ("any", g.type.lower()) or _fits(request.type, g.type))
    if len(fitting) < request.count:
        raise NoCapacity(
            f"This needs GPU {request}, and {_inventory(gpus)}. Nothing was started and nothing is charged."
        )
    return fitting


def _fits(wanted: str, name: str) -> bool:
    words = name.lower().replace("-", " ").split()
    return all(word in words for word in wanted.lower().replace("-", " ").split())


def _inventory(gpus: Sequence[Gpu]) -> str:
    if not gpus:
        return "this engine has no GPUs"
    counts: dict[str, int] = {}
    for gpu in gpus:
        counts[gpu.type] = counts.get(gpu.type, 0) + 1
    return "this engine has " + ", ".join(f"{n} × {kind}" for kind, n in counts.items())


async def make_order(pod: Pod, store: Store, engine: Engine, *, keep_claims: bool) -> Order:
    """Claim what the run needs; `keep_claims`: an instance of this run is there already and keeps what it has.

    Fails with NoCapacity when the devices or the addresses are all taken.
    """
    address: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    if keep_claims:
        address = tuple(value for value, holder in (await store.claimed("address")).items() if holder == pod.id)
        gpus = pod.gpus
    else:
        addresses = engine.addresses()
        if addresses is not None:
            claimed = await store.claim(pod.id, "address", addresses, 1)
            if claimed is None:
                raise NoCapacity("All addresses of the pod network are taken. Stop a pod and try again.")
            address = claimed
        if pod.spec.gpu is not None:
            gpus = await _claim_gpus(pod, pod.spec.gpu, store, engine)
    return Order(
        pod=pod,
        address=address[0] if address else None,
        gpus=gpus,
        credential=await store.credential(registry_of(pod.spec.image)),
        environment=environment(pod, len(gpus)),
    )


async def _claim_gpus(pod: Pod, request: GpuRequest, store: Store, engine: Engine) -> tuple[str, ...]:
    fitting = devices(request, await engine.gpus())
    claimed = await store.claim(pod.id, "gpu", [gpu.uuid for gpu in fitting], request.count)
    if claimed is None:
        held = await store.claimed("gpu")
        free = sum(gpu.uuid not in held for gpu in fitting)
        raise NoCapacity(
            f"This needs GPU {request}, and only {free} of {len(fitting)} are free now. "
            f"Stop a pod that holds one, or try again later. Nothing is charged."
        )
    return claimed


def environment(pod: Pod, gpus: int) -> dict[str, str]:
    """The pod's variables: the person's, then those that images made for RunPod expect (RunPod's documented names)."""
    ours = {
        "PODKEEPER_POD_ID": pod.id,
        "RUNPOD_POD_ID": pod.id,
        "RUNPOD_CPU_COUNT": f"{max(1, round(pod.spec.cpu))}",
        "RUNPOD_GPU_COUNT": str(gpus),
    }
    if pod.spec.network_volume is not None:
        ours["RUNPOD_VOLUME_ID"] = pod.spec.network_volume
    return {**pod.spec.env, **ours}
