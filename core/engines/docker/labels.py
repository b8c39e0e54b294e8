"""The Docker engine's names and labels: how we find what is ours, and leave alone what is not."""

from collections.abc import Mapping
from typing import Any

from core.engines.base import Instance
from core.errors import Conflict
from core.model import POD_LABEL, Pod, Upstream

RUN_LABEL = "podkeeper.run"
INSTALLATION_LABEL = "podkeeper.installation"
PORTS_LABEL = "podkeeper.ports"
"""The declared ports, so that a container tells its upstreams without its row."""


def container_name(pod_id: str, run: int) -> str:
    """The container of one run of a pod, and our reference to it."""
    return f"podkeeper-{pod_id}-{run}"


def disk_name(pod_id: str) -> str:
    """The volume disk of a pod."""
    return f"podkeeper-{pod_id}"


def volume_name(volume_id: str) -> str:
    """The data of a network volume."""
    return f"podkeeper-volume-{volume_id}"


def network_name(installation: str) -> str:
    """The network of all pods of this installation."""
    return f"podkeeper-{installation[:8]}"


def labels_of(pod: Pod, installation: str) -> dict[str, str]:
    """What a pod's container carries."""
    return {
        POD_LABEL: pod.id,
        RUN_LABEL: str(pod.run),
        INSTALLATION_LABEL: installation,
        PORTS_LABEL: ",".join(str(p.number) for p in pod.spec.ports),
    }


def mine(labels: Mapping[str, str] | None, installation: str) -> bool:
    """It was made by this installation."""
    return (labels or {}).get(INSTALLATION_LABEL) == installation


def claim(labels: Mapping[str, str] | None, installation: str, what: str) -> None:
    """Conflict when something of a stranger has the name that we need."""
    if not mine(labels, installation):
        raise Conflict(
            f"A {what} is already there and was not made by this Podkeeper, so it is left alone. "
            "Rename or remove it by hand, then try again."
        )


def from_inspect(found: Mapping[str, Any]) -> Instance:
    """An Instance from `docker inspect`."""
    state = found["State"]
    running = bool(state["Running"])
    ended = state["Status"] in ("exited", "dead")
    code = int(state["ExitCode"]) if ended else None
    labels: Mapping[str, str] = found["Config"].get("Labels") or {}
    return Instance(
        pod_id=labels.get(POD_LABEL, ""),
        run=_run(labels),
        ref=str(found["Name"]).removeprefix("/"),
        running=running,
        exit_code=code,
        # The flag is also set when one process of many was killed and the rest went on to end well.
        out_of_memory=bool(state.get("OOMKilled")) and ended and code != 0,
        upstreams=_upstreams(labels, found["NetworkSettings"]["Networks"]) if running else {},
    )


def from_summary(found: Mapping[str, Any]) -> Instance:
    """An Instance from a line of `docker ps`; exact for what runs, without the exit code for what does not."""
    labels: Mapping[str, str] = found.get("Labels") or {}
    running = found["State"] in ("running", "paused", "restarting")
    return Instance(
        pod_id=labels.get(POD_LABEL, ""),
        run=_run(labels),
        ref=str(found["Names"][0]).removeprefix("/"),
        running=running,
        upstreams=_upstreams(labels, found["NetworkSettings"]["Networks"]) if running else {},
    )


def _run(labels: Mapping[str, str]) -> int:
    value = labels.get(RUN_LABEL, "")
    return int(value) if value.isascii() and value.isdigit() else 0


def address_of(networks: Mapping[str, Any]) -> str | None:
    """A running container's address, from the `Networks` that Docker tells of it."""
    return next((n["IPAddress"] for n in networks.values() if n.get("IPAddress")), None)


def _upstreams(labels: Mapping[str, str], networks: Mapping[str, Any]) -> dict[int, Upstream]:
    address = address_of(networks)
    ports = [int(p) for p in labels.get(PORTS_LABEL, "").split(",") if p.isascii() and p.isdigit()]
    return {port: Upstream(host=address, port=port) for port in ports} if address else {}
