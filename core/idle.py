"""Idle truth: from evidence and a clock to KEEP or STOP. Pure; asks nobody and changes nothing."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from core.model import Frozen, PodSpec, PortTraffic, Traffic, route_key
from core.units import format_duration


class Decision(StrEnum):
    """What to do with a running pod."""

    KEEP = "keep"
    STOP = "stop"


class PortEvidence(Frozen):
    """What one look saw on one port, against the look before it."""

    port: int
    missing: bool = False
    """The counters could not be read, or are not those of the look before: that is not silence."""
    in_flight: int = 0
    succeeded: int = 0
    """Requests answered below 400 since the last look."""
    failed: int = 0
    """Other requests since the last look: scanners, mostly; not use."""
    upgraded: int = 0
    """WebSockets open now; not use by themselves."""
    upgraded_bytes: int = 0
    """Bytes on them since the last look: use."""

    @property
    def in_use(self) -> bool:
        """Somebody uses the pod through this port."""
        return self.in_flight > 0 or self.succeeded > 0 or self.upgraded_bytes > 0


class Evidence(Frozen):
    """Everything one look saw of one pod."""

    ports: tuple[PortEvidence, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """Ports that could not be read."""
        return tuple(p.port for p in self.ports if p.missing)

    @property
    def in_use(self) -> bool:
        """Somebody uses it, on any port."""
        return any(p.in_use for p in self.ports)


class Verdict(Frozen):
    """A decision with its grounds."""

    decision: Decision
    reason: str
    """For people."""
    deadline: datetime | None
    """When silence from now on would stop it; None: never, or not while a witness is missing."""
    evidence: Evidence


def compare(
    before: tuple[str, PortTraffic] | None, port: int, generation: str, now: PortTraffic | None
) -> PortEvidence:
    """One port's evidence from two looks.

    `before` is None at a port's first look: its counters began at zero when the route was made. After a change of
    generation, or when a counter fell, the difference means nothing: the port is `missing` for this one look, except
    that what is open now, or has already been counted anew, is seen.
    """
    if now is None:
        return PortEvidence(port=port, missing=True)
    generation_before, old = before if before is not None else (generation, PortTraffic())
    reset = generation_before != generation or any(
        getattr(now, name) < getattr(old, name) for name in ("completed", "succeeded", "upgrades", "upgraded_bytes")
    )
    if reset:
        old = PortTraffic()
    succeeded = now.succeeded - old.succeeded
    # Refused handshakes move bytes too; they are a scanner's, unless some WebSocket was really open meanwhile.
    opened = now.upgraded or old.upgraded or now.upgrades > old.upgrades
    return PortEvidence(
        port=port,
        missing=reset,
        in_flight=now.in_flight,
        succeeded=succeeded,
        failed=max(0, now.completed - old.completed - succeeded),
        upgraded=now.upgraded,
        upgraded_bytes=now.upgraded_bytes - old.upgraded_bytes if opened else 0,
    )


def gather(
    pod_id: str, spec: PodSpec, before: Mapping[str, tuple[str, PortTraffic]], traffic: Traffic | None
) -> Evidence:
    """The evidence of one look at one pod; `traffic` None: the counters could not be read at all."""
    ports: list[PortEvidence] = []
    for port in spec.http_ports:
        key = route_key(pod_id, port)
        if traffic is None:
            ports.append(PortEvidence(port=port, missing=True))
        else:
            ports.append(compare(before.get(key), port, traffic.generation, traffic.ports.get(key)))
    return Evidence(ports=tuple(ports))


def verdict(spec: PodSpec, last_active_at: datetime, evidence: Evidence, now: datetime) -> Verdict:
    """Decide about a RUNNING pod.

    In this order: in use now -> KEEP; a timeout of zero, or no web port to watch -> KEEP;
    a missing witness -> KEEP (unknown is busy);
    silent for `idle.timeout` or longer, counted from `last_active_at` -> STOP; otherwise KEEP.
    `last_active_at` is the last time use was seen, and never before the run was ready; a pod that nobody ever
    visited is silent since then. A `last_active_at` in the future (the clock was set back) counts as now.
    """
    timeout = spec.idle.timeout
    idle = max(now - last_active_at, timeout - timeout)
    deadline = last_active_at + timeout if timeout else None

    def decided(decision: Decision, reason: str, until: datetime | None = deadline) -> Verdict:
        return Verdict(decision=decision, reason=reason, deadline=until, evidence=evidence)

    if evidence.in_use:
        return decided(Decision.KEEP, f"in use: {_use(evidence)}", now + timeout if timeout else None)
    if not timeout:
        return decided(Decision.KEEP, "it has no idle timeout")
    if not evidence.ports:
        return decided(Decision.KEEP, "it has no web port whose traffic could be watched", None)
    if evidence.missing:
        ports = ", ".join(str(port) for port in evidence.missing)
        return decided(Decision.KEEP, f"cannot see the traffic on {ports}; will not stop before it can", None)
    if idle >= timeout:
        return decided(
            Decision.STOP, f"no traffic for {format_duration(idle)} (its limit is {format_duration(timeout)})"
        )
    return decided(Decision.KEEP, f"no traffic for {format_duration(idle)} of {format_duration(timeout)}")


def _use(evidence: Evidence) -> str:
    words: list[str] = []
    for p in evidence.ports:
        if p.in_flight:
            words.append(f"{p.in_flight} in flight on {p.port}")
        if p.succeeded:
            words.append(f"{p.succeeded} answered on {p.port}")
        if p.upgraded_bytes:
            words.append(f"{p.upgraded_bytes} bytes on the WebSockets of {p.port}")
    return ", ".join(words)
