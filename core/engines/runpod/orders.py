"""An order in RunPod's words: the body of a create."""

import math
import shlex
from typing import Any

from core.engines.base import Order
from core.engines.runpod.account import Account
from core.engines.runpod.marks import INSTALLATION, POD, Marks
from core.engines.runpod.shop import GB, Flavor


def body(
    order: Order, account: Account, marks: Marks, *, flavor: Flavor | None, volume: str | None, registry: str | None
) -> dict[str, Any]:
    """All but the kind of GPU; `volume` and `registry` by RunPod's ids."""
    pod, spec = order.pod, order.pod.spec
    # What RunPod sets itself is left to it; ours are its marks.
    env = {name: value for name, value in order.environment.items() if not name.startswith("RUNPOD_")}
    made: dict[str, Any] = {
        "name": marks.name(pod.name, pod.id),
        "image": spec.image,
        "ports": [str(port) for port in spec.ports],
        "env": env | {INSTALLATION: marks.installation, POD: pod.id},
        "cloud": account.cloud,
    }
    if spec.args:
        made["args"] = shlex.join(spec.args)
    if spec.container_disk is not None:
        made["disk"] = math.ceil(spec.container_disk / GB)
    if account.data_centers:
        made["dataCenterIds"] = list(account.data_centers)
    if registry is not None:
        made["registry"] = registry
    if volume is not None:
        made["mounts"] = {"network": [{"volumeId": volume, "path": spec.volume_path}]}
    elif spec.volume is not None:
        made["mounts"] = {"persistent": {"size": math.ceil(spec.volume / GB), "path": spec.volume_path}}
    if flavor is not None:
        made["cpu"] = {"id": flavor.id, "vcpuCount": flavor.vcpus}
    return made
