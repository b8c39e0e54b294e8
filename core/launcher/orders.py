"""What is decided for one run before the engine is asked: address, devices, credential, environment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from core.engines.base import Engine, Order
from core.engines.devices import choices
from core.errors import NoCapacity
from core.gateway.base import Gateway
from core.model import GpuRequest, Pod, registry_of
from core.store import Store


@dataclass(frozen=True)
class Terms:
    """What the settings say about starting and stopping."""

    patience: float = 1.0
    """Seconds before the first repetition of something that failed; doubled each time, up to 30."""
    drain: timedelta = timedelta(seconds=10)
    """How long what is in flight may take to finish when a person stops a pod."""
    tcp_ports: Sequence[int] = ()
    """Ports that the gateway has to give to TCP ports of pods."""
    keepalive_port: int = 8701
    """Where pods reach the keep-alive address, on their own network."""


async def make_order(pod: Pod, store: Store, engine: Engine, terms: Terms, *, keep_claims: bool) -> Order:
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
        if pod.spec.gpu is not None and engine.features.devices:
            gpus = await _claim_gpus(pod, pod.spec.gpu, store, engine)
    return Order(
        pod=pod,
        address=address[0] if address else None,
        gpus=gpus,
        credential=await store.credential(registry_of(pod.spec.image)),
        environment=environment(pod, await keepalive_url(pod.id, store, engine, terms)),
    )


async def listens(pod: Pod, store: Store, gateway: Gateway, terms: Terms, *, anew: bool = False) -> dict[int, int]:
    """The gateway's ports for its TCP ports: those it has, and more where it has too few; none where there are none.

    What it holds and does not need is given back; `anew`: also what is not in the settings' range any more.
    A port that another program listens on is taken only when there is no other: then the gateway says what is wrong.
    NoCapacity when pods have them all.
    """
    wanted = pod.spec.tcp_ports if terms.tcp_ports else ()
    if not terms.tcp_ports and not pod.listens:
        return {}
    kept = {
        port: listen
        for port, listen in pod.listens.items()
        if port in wanted and (listen in terms.tcp_ports or not anew)
    }
    candidates = chain(kept.values(), filter(gateway.vacant, terms.tcp_ports), terms.tcp_ports)
    claimed = await store.claim(pod.id, "tcp", map(str, candidates), len(wanted))
    if claimed is None:
        raise NoCapacity(
            "All TCP ports of PODKEEPER_TCP_PORTS are taken. Terminate a pod with TCP ports, or widen the range."
        )
    free = iter([int(port) for port in claimed if int(port) not in kept.values()])
    return {port: kept[port] if port in kept else next(free) for port in wanted}


async def keepalive_url(pod_id: str, store: Store, engine: Engine, terms: Terms) -> str | None:
    """Where the pod can say that it is in use; None where it could not reach us."""
    inside = await engine.inside()
    if inside is None:
        return None
    return f"http://{inside}:{terms.keepalive_port}/keepalive/{keepalive_token(pod_id, store)}"


def keepalive_token(pod_id: str, store: Store) -> str:
    """Names a pod, and cannot be guessed; it is good for this one thing."""
    return f"{pod_id}-{store.sign('keepalive', pod_id)}"


async def _claim_gpus(pod: Pod, request: GpuRequest, store: Store, engine: Engine) -> tuple[str, ...]:
    kinds = choices(request, await engine.gpus())
    for fitting in kinds:
        claimed = await store.claim(pod.id, "gpu", [gpu.uuid for gpu in fitting], request.count)
        if claimed is not None:
            return claimed
    held = await store.claimed("gpu")
    free, there = max((sum(gpu.uuid not in held for gpu in fitting), len(fitting)) for fitting in kinds)
    raise NoCapacity(
        f"This needs GPU {request}, and only {free} of {there} are free now. "
        f"Stop a pod that holds one, or try again later. Nothing is charged."
    )


def environment(pod: Pod, keepalive: str | None) -> dict[str, str]:
    """The pod's variables: the person's, then those that images made for RunPod expect (RunPod's documented names)."""
    ours = {
        "PODKEEPER_POD_ID": pod.id,
        "RUNPOD_POD_ID": pod.id,
        "RUNPOD_CPU_COUNT": f"{max(1, round(pod.spec.cpu))}",
        "RUNPOD_GPU_COUNT": str(pod.spec.gpu.count if pod.spec.gpu is not None else 0),
    }
    if keepalive is not None:
        ours["PODKEEPER_KEEPALIVE_URL"] = keepalive
    if pod.spec.network_volume is not None:
        ours["RUNPOD_VOLUME_ID"] = pod.spec.network_volume
    return {**pod.spec.env, **ours}
