"""How our things look in RunPod's words: pods, templates, network volumes, what there is to have."""

import json
import math
import shlex
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from core.model import Action, Caller, Pod, PodSpec, Registry, Status, Template, Volume, registry_of
from core.service import CpuOffer, GpuOffer, PodService, Services, Usage
from core.templates.catalog import NO_TEMPLATE
from core.units import format_bytes, format_duration

GB = 1024**3
DATA_CENTER = "LOCAL"
"""We have one place; RunPod's clients must name one."""
CPU_FLAVOR = "cpu"
GB_PER_VCPU = 2
"""Memory of a pod that asks for vCPUs only, as RunPod's general purpose flavours are cut."""
GB_PER_GPU = 16
VCPU_PER_GPU = 2
JUPYTER = "JUPYTER_PASSWORD"
"""What `startJupyter` makes up a value for."""
DISK = 50
"""GB of container disk told where a pod has no limit of its own."""

_ACTIONS: Mapping[Action, str] = {
    Action.RESUME: "start",
    Action.STOP: "stop",
    Action.RESTART: "restart",
    Action.TERMINATE: "terminate",
}
_STATUS: Mapping[Status, Status] = {Status.STOPPING: Status.RUNNING, Status.TERMINATING: Status.RUNNING}
"""RunPod has no word for these: what may still run is not called stopped."""


def pod(services: Services, found: Pod, who: Caller, hosts: Collection[str]) -> dict[str, Any]:
    """A pod. Values of its variables are for its owner only; `hosts` are those with a credential."""
    spec, own, pods = found.spec, who.person == found.owner, services.pods
    runs = found.status is Status.RUNNING
    size: dict[str, Any] = {"cpu": cpu_of(spec)}
    if spec.gpu is not None:
        size = {"gpu": {"id": spec.gpu.type, "count": spec.gpu.count}}
    return {
        "id": found.id,
        "name": found.name,
        "status": str(_STATUS.get(found.status, found.status)),
        "actions": [word for action, word in _ACTIONS.items() if action in found.actions],
        **container(spec, hosts),
        "env": dict(spec.env) if own else dict.fromkeys(spec.env, ""),
        "mounts": mounts(spec),
        **size,
        "cloud": "SECURE",
        "dataCenterId": DATA_CENTER,
        "cudaVersion": None,
        "ssh": {"proxy": None, "direct": _ssh(pods, found) if runs else None},
        "template": spec.template if spec.template != NO_TEMPLATE else None,
        "cost": spec.price_per_hour or 0.0 if found.status.holds_compute else 0.0,
        "locked": False,
        "globalNetworking": {"enabled": False},
        "runtime": _runtime(found, services.now(), services.shares.latest(found)) if runs else None,
        "createdAt": stamp(found.created_at),
        "startedAt": stamp(found.started_at) if found.started_at is not None else None,
        "podkeeper": _ours(pods, found),
    }


def container(spec: PodSpec, hosts: Collection[str]) -> dict[str, Any]:
    """What pods and templates have in common, but for `env` and `mounts`."""
    return {
        "image": spec.image,
        "args": shlex.join(spec.args),
        "disk": gigabytes(spec.container_disk) if spec.container_disk else DISK,
        "ports": [str(port) for port in spec.ports],
        "registry": host if (host := registry_of(spec.image)) in hosts else None,
    }


def mounts(spec: PodSpec) -> dict[str, Any]:
    """The one disk it has beside the container's, or none; never less than 10 GB in RunPod's words."""
    if spec.network_volume is not None:
        return {"network": [{"volumeId": spec.network_volume, "path": spec.volume_path}]}
    if spec.volume is not None:
        return {"persistent": {"size": max(10, gigabytes(spec.volume)), "path": spec.volume_path}}
    return {}


def cpu_of(spec: PodSpec) -> dict[str, Any]:
    """In whole vCPUs and GB, two vCPUs at least; `podkeeper` has them as they are."""
    return {"id": CPU_FLAVOR, "vcpuCount": max(2, math.ceil(spec.cpu)), "memory": gigabytes(spec.memory)}


def _ours(pods: PodService, found: Pod) -> dict[str, Any]:
    spec, ends = found.spec, pods.stops_at(found)
    return {
        "status": str(found.status),
        "owner": found.owner_name,
        "reason": found.reason,
        "addresses": {url.port: url.url for url in pods.urls(found)},
        "cpu": spec.cpu,
        "memory": format_bytes(spec.memory),
        "volume": format_bytes(spec.volume) if spec.volume is not None else None,
        "idle": {
            "timeout": format_duration(spec.idle.timeout) if spec.idle.timeout else None,
            "action": str(spec.idle.action),
            "lastActiveAt": stamp(found.last_active_at) if found.last_active_at is not None else None,
            "stopsAt": stamp(ends) if ends is not None else None,
        },
    }


def _ssh(pods: PodService, found: Pod) -> dict[str, Any] | None:
    listen = found.listens.get(22)
    address = next((url.url for url in pods.urls(found) if url.port == "22/tcp"), None)
    if listen is None or address is None:
        return None
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    command = f"ssh root@{host} -p {port}"
    return {"host": host, "port": int(port), "username": "root", "command": command}


def _runtime(found: Pod, now: datetime, usage: Usage) -> dict[str, Any]:
    begun = found.ready_at or found.started_at or found.created_at
    ports = [
        {"private": port.number, "public": found.listens.get(port.number), "type": port.protocol, "ip": None}
        for port in found.spec.ports
    ]
    shares = {"cpu": usage.cpu, "memory": usage.memory}
    told: dict[str, Any] = {what: {"util": _percent(share)} for what, share in shares.items() if share is not None}
    if usage.gpu is not None and found.spec.gpu is not None:
        told["gpus"] = [{"util": _percent(usage.gpu)}] * found.spec.gpu.count
    return {"uptime": max(0, int((now - begun).total_seconds())), "ports": ports, **told}


def _percent(share: float) -> int:
    """Rounded up: what works a little is not at rest."""
    return math.ceil(share * 100)


def template(found: Template, hosts: Collection[str]) -> dict[str, Any]:
    """A file's goes by its name; a saved one by an id that stays."""
    spec, saved = found.spec, found.saved
    labels = {name: json.loads(text) for name, text in saved.labels.items()} if saved is not None else {}
    jupyter = saved is not None and JUPYTER in spec.generated
    generated = [name for name in spec.generated if not (jupyter and name == JUPYTER)]
    return {
        "id": found.id,
        "name": found.name,
        **container(spec, hosts),
        "env": dict.fromkeys(generated, "") | dict(spec.env),
        "mounts": mounts(spec.model_copy(update={"network_volume": None})),
        "serverless": False,
        "public": found.source == "built-in",
        "category": labels.get("category", "CPU" if spec.gpu is None else "NVIDIA"),
        "startSsh": labels.get("startSsh", False),
        "startJupyter": jupyter,
        "allowedCudaVersions": [],
    }


def volume(found: Volume) -> dict[str, Any]:
    """A network volume; RunPod's sizes begin at 10 GB, and one that was made without says so many."""
    size = min(4096, max(10, gigabytes(found.size or 0)))
    return {"id": found.id, "name": found.name, "size": size, "dataCenter": DATA_CENTER, "type": "STANDARD"}


def registry(found: Registry) -> dict[str, Any]:
    """A stored credential; it belongs to a host, and goes by it."""
    return {"id": found.host, "name": found.host}


def gpu_type(offer: GpuOffer) -> dict[str, Any]:
    """A kind of GPU."""
    kind = offer.type.upper()
    return {
        "id": offer.type,
        "name": offer.name,
        "pool": None,
        "manufacturer": next((maker for maker in ("NVIDIA", "AMD") if maker in kind), "UNKNOWN"),
        "memory": gigabytes(offer.memory),
        "secure": True,
        "community": False,
        "price": {"secure": offer.price_per_hour or 0.0, "community": 0.0},
        "maxCount": {"secure": offer.most, "community": 0},
    }


def cpu_type(offer: CpuOffer) -> dict[str, Any]:
    """The one flavour that we have, in powers of two."""
    return {
        "id": CPU_FLAVOR,
        "name": "General Purpose",
        "group": "Local",
        "vcpu": {"min": 2, "max": max(2, 1 << (offer.most.bit_length() - 1))},
        "ramGbPerVcpu": float(GB_PER_VCPU),
        "price": {"securePerVcpu": offer.price_per_hour or 0.0, "serverlessPerVcpu": 0.0},
    }


def data_center() -> dict[str, Any]:
    """The one place that we have."""
    return {
        "id": DATA_CENTER,
        "name": "This Podkeeper",
        "region": "UNKNOWN",
        "networkVolumeTypes": ["STANDARD"],
        "compliance": [],
        "globalNetwork": False,
    }


def gigabytes(size: int) -> int:
    """Bytes in whole GB, never less than one."""
    return max(1, math.ceil(size / GB))


def stamp(at: datetime) -> str:
    """RFC 3339, in UTC, to the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
