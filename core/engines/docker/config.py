"""The Docker engine's orders: what a pod's container is made of, as one pure function."""

from typing import Any

from core.engines.base import Order
from core.engines.docker.labels import disk_name, labels_of, volume_name


def create_config(order: Order, image: str, network: str, installation: str) -> dict[str, Any]:
    """The body of `POST /containers/create` for one run of a pod."""
    pod, spec = order.pod, order.pod.spec
    config: dict[str, Any] = {
        "Image": image,
        "Hostname": pod.id,
        "Env": [f"{key}={value}" for key, value in order.environment.items()],
        "ExposedPorts": {f"{port.number}/tcp": {} for port in spec.ports},
        "Labels": labels_of(pod, installation),
        "HostConfig": _host_config(order, network),
        "NetworkingConfig": {"EndpointsConfig": {network: {"IPAMConfig": {"IPv4Address": order.address}}}},
    }
    if spec.args:
        config["Cmd"] = list(spec.args)
    return config


def mounted_volume(order: Order) -> str | None:
    """The Docker volume at the pod's `volume_path`, if it has one."""
    spec = order.pod.spec
    if spec.network_volume is not None:
        return volume_name(spec.network_volume)
    return disk_name(order.pod.id) if spec.volume is not None else None


def _host_config(order: Order, network: str) -> dict[str, Any]:
    spec = order.pod.spec
    host: dict[str, Any] = {
        "NetworkMode": network,
        "NanoCpus": int(spec.cpu * 1_000_000_000),
        "Memory": spec.memory,
        "MemorySwap": spec.memory,  # equal: no swap on top
        "ShmSize": spec.memory // 2,  # Linux's own default for a tmpfs; Docker's 64 MB break data loaders
        "Init": True,  # reaps zombies and passes SIGTERM on, so that a stop need not wait for the grace to pass
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    }
    volume = mounted_volume(order)
    if volume is not None:
        host["Mounts"] = [{"Type": "volume", "Source": volume, "Target": spec.volume_path}]
    if order.gpus:
        host["DeviceRequests"] = [{"DeviceIDs": list(order.gpus), "Capabilities": [["gpu"]]}]
    return host
