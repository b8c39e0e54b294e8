"""What a person may say when starting a pod, and how it becomes a spec."""

import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from core.errors import InvalidInput
from core.model import Frozen, GpuRequest, IdleRule, Ignore, PodSpec, Template, Wake
from core.policy import check_env, check_ignore
from core.units import format_duration, parse_bytes, parse_duration, shorten


class StartRequest(Frozen):
    """The options of a start as typed; None means what the template says. Checked here, once, for every face."""

    template: str
    name: str | None = None
    cpu: str | None = None
    """vCPUs: `2`, `0.5`."""
    memory: str | None = None
    """`512m`, `8g`."""
    gpu: str | None = None
    """`TYPE[:COUNT]`, `TYPE,TYPE[:COUNT]` (the first to be had), `any`, or `none`."""
    volume: str | None = None
    """Size of the volume disk: `20g`; `0` for none."""
    network_volume: str | None = None
    """Name or id of a network volume, mounted in place of the volume disk."""
    env: Mapping[str, str] = Field(default_factory=dict, repr=False)
    idle: str | None = None
    """`30m`; `0` for never."""
    warning: str | None = None
    """How long before the idle stop its owner is told: `5m`; `0` for not at all."""
    lifetime: str | None = None
    """It is stopped after so long, whatever its traffic: `12h`; `0` for never."""
    ignore: tuple[str, ...] = ()
    """Requests that are no use, besides those of the template: `/health`, `agent:UptimeRobot`, `method:HEAD`."""
    wake: str | None = None
    """What a visit to its address does while it is stopped: `auto`, `button` or `off`."""

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
        changes["idle"] = self._idle(base.idle)
        if self.lifetime is not None:
            changes["max_lifetime"] = parse_duration(self.lifetime, "lifetime") or None
        if self.wake is not None:
            changes["wake"] = _wake(self.wake)
        return base.model_copy(update=changes)

    def _idle(self, base: IdleRule) -> IdleRule:
        timeout = base.timeout if self.idle is None else parse_duration(self.idle, "idle")
        warning = min(base.warning, timeout / 2) if self.idle is not None and timeout else base.warning
        if self.warning is not None:
            warning = parse_duration(self.warning, "warning")
            if timeout and warning > timeout:
                raise InvalidInput(
                    f"warning: {format_duration(warning)} is longer than the idle timeout, {format_duration(timeout)}. "
                    "Give a shorter one, or 0 for none."
                )
        ignore = _ignore(base.ignore, self.ignore)
        return base.model_copy(update={"timeout": timeout, "warning": warning, "ignore": ignore})


class SpecRequest(Frozen):
    """A start said by the keys of a template file, as programs do; on top of a template or of nothing."""

    template: str | None = None
    name: str | None = None
    said: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    """As `Catalog.spec` takes them."""
    network_volume: str | None = None
    """Its name or id."""


def with_secrets(spec: PodSpec) -> PodSpec:
    """The spec with a fresh token for each variable that asks for one."""
    if not spec.generated:
        return spec
    made = {name: secrets.token_urlsafe(24) for name in spec.generated if not spec.env.get(name)}
    return spec.model_copy(update={"env": {**spec.env, **made}})


def _wake(text: str) -> Wake:
    try:
        return Wake(text.strip().lower())
    except ValueError:
        raise InvalidInput(f"wake: {shorten(text)!r} is not allowed. Write auto, button or off.") from None


def _ignore(base: Ignore, more: tuple[str, ...]) -> Ignore:
    if not more:
        return base
    found: dict[str, list[str]] = {"paths": [*base.paths], "agents": [*base.agents], "methods": [*base.methods]}
    for rule in more:
        kind, colon, value = rule.partition(":")
        if rule.startswith("/"):
            found["paths"].append(rule.rstrip("/") or "/")
        elif colon and value.strip() and kind in ("agent", "method"):
            found[f"{kind}s"].append(value.strip().upper() if kind == "method" else value.strip())
        else:
            raise InvalidInput(
                f"ignore: {shorten(rule)!r} is not a rule. Write a path such as /health, agent:UptimeRobot or "
                "method:HEAD."
            )
    return check_ignore(Ignore(**{name: tuple(dict.fromkeys(rules)) for name, rules in found.items()}))


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
