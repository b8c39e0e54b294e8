"""What a person may say when starting a pod, and how it becomes a spec."""

from collections.abc import Mapping

from pydantic import Field

from core.errors import InvalidInput
from core.model import Frozen, GpuRequest, IdleRule, PodSpec, Template
from core.policy import check_env
from core.units import parse_bytes, parse_duration, shorten


class StartRequest(Frozen):
    """The options of a start as typed; None means what the template says. Checked here, once, for every face."""

    template: str
    name: str | None = None
    cpu: str | None = None
    """vCPUs: `2`, `0.5`."""
    memory: str | None = None
    """`512m`, `8g`."""
    gpu: str | None = None
    """`TYPE[:COUNT]`, `any`, or `none`."""
    volume: str | None = None
    """Size of the volume disk: `20g`; `0` for none."""
    network_volume: str | None = None
    """Name or id of a network volume, mounted in place of the volume disk."""
    env: Mapping[str, str] = Field(default_factory=dict, repr=False)
    idle: str | None = None
    """`30m`; `0` for never."""

    def spec(self, template: Template) -> PodSpec:
        """The template's spec with these options in it; InvalidInput names the option at fault."""
        base = template.spec
        changes: dict[str, object] = {}
        if self.cpu is not None:
            changes["cpu"] = _cpu(self.cpu)
        if self.memory is not None:
            changes["memory"] = _memory(self.memory)
        if self.gpu is not None:
            changes["gpu"] = None if self.gpu.strip().lower() in ("none", "0", "") else GpuRequest.parse(self.gpu)
        if self.volume is not None:
            changes["volume"] = parse_bytes(self.volume, "volume") or None
        if self.network_volume is not None:
            if self.volume is not None:
                raise InvalidInput("volume and network-volume exclude each other: a pod mounts one of them.")
            changes["volume"] = None
        if self.env:
            changes["env"] = {**base.env, **check_env(dict(self.env))}
        if self.idle is not None:
            changes["idle"] = IdleRule(timeout=parse_duration(self.idle, "idle"))
        return base.model_copy(update=changes)


def _cpu(text: str) -> float:
    clean = text.strip()
    if not (
        clean.isascii() and clean.replace(".", "", 1).isdigit() and len(clean) < 8 and 0.01 <= float(clean) <= 1024
    ):
        raise InvalidInput(
            f"cpu: {shorten(text)!r} is not a number of vCPUs. Write 0.01 to 1024, for example 2 or 0.5."
        )
    return float(clean)


def _memory(text: str) -> int:
    value = parse_bytes(text, "memory")
    if value < 6 * 1024**2:
        raise InvalidInput(f"memory: {shorten(text)!r} is too little; a container needs at least 6m.")
    return value
