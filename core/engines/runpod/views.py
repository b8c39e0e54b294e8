"""What RunPod says of a pod, in the words of the engine seam."""

from collections.abc import Mapping

from core.engines.base import Instance, Usage
from core.engines.runpod.account import Account
from core.engines.runpod.marks import Ref
from core.engines.runpod.shapes import PodShape
from core.model import Pod, Upstream

ENDED: Mapping[str, str] = {
    "EXITED": "It was stopped at RunPod, not by Podkeeper: by somebody in RunPod's console, or because the balance "
    "was used up. Its volume disk is kept.",
    "ERROR": "RunPod reports that its container is in an error from which it does not come back.",
}


def instance(pod_id: str, found: PodShape, run: int = 0, *, pod: Pod | None = None, account: Account) -> Instance:
    """As `Engine.inspect` (with the row) and `Engine.list` (without it) tell of it."""
    ref = Ref.parse(pod.ref) if pod is not None else None
    same = ref is not None and ref.pod == found.id
    return Instance(
        pod_id=pod_id,
        run=run,
        ref=str(ref) if same else str(Ref(found.id, run)),
        running=found.running,
        exit_code=0 if found.status == "EXITED" else None,
        upstreams=upstreams(pod, found, account) if pod is not None and found.running else {},
        resting=not found.running,
        words=None if found.running else ENDED.get(found.status, f"RunPod says {found.status} of it."),
    )


def upstreams(pod: Pod, found: PodShape, account: Account) -> dict[int, Upstream]:
    """Web ports behind RunPod's proxy; TCP ports where RunPod has published them."""
    ports = {p.number: account.upstream(found.id, p.number) for p in pod.spec.ports if p.protocol == "http"}
    published = found.runtime.ports or () if found.runtime is not None else ()
    for one in published:
        if one.ip and one.public and one.private in pod.spec.tcp_ports:
            ports[one.private] = Upstream(host=one.ip, port=one.public, direct=True)
    return ports


def usage(found: PodShape) -> Usage:
    """What it uses at one moment; RunPod tells no averages."""
    runtime = found.runtime
    if runtime is None:
        return Usage()
    shares = [share for gpu in runtime.gpus or () if (share := _share(gpu.util)) is not None]
    return Usage(
        cpu=_share(runtime.cpu.util if runtime.cpu is not None else None),
        memory=_share(runtime.memory.util if runtime.memory is not None else None),
        gpu=max(shares, default=None),
    )


def _share(percent: float | None) -> float | None:
    return None if percent is None else min(1.0, max(0.0, percent / 100))
