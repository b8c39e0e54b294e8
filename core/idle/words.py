"""`why`, in words: what counts as use now, what does not, what is missing, and when it will end."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from core.idle.evidence import Evidence, PortEvidence
from core.idle.verdict import Verdict, silence, uses
from core.model import IdleAction, Pod
from core.units import format_duration

_ENDS = {IdleAction.STOP: "stop", IdleAction.TERMINATE: "terminate", IdleAction.NOTIFY: "a notice and no stop"}


Clock = Callable[[datetime], str]
"""How a time is written."""


def explain(pod: Pod, decided: Verdict, now: datetime, clock: Clock | None = None) -> str:
    """One line that a person understands; without a `clock` times are UTC, with the day when it is not today."""
    evidence = decided.evidence
    told = clock or partial(_utc, now=now)
    if evidence.in_use:
        parts = [f"busy: {uses(evidence)}{_since(evidence, told)}"]
    elif evidence.missing:
        since = f" since {told(evidence.missing_since)}" if evidence.missing_since is not None else ""
        parts = [f"cannot see: {' and '.join(evidence.missing)} missing{since}, will not stop before it returns"]
    elif not pod.spec.idle.timeout or not (evidence.ports or evidence.usage):
        parts = [f"never stops for idleness: {decided.reason}"]
    else:
        limit = format_duration(pod.spec.idle.timeout)
        parts = [f"idle {format_duration(silence(pod, now))} of {limit}: {_last_use(pod, evidence, told)}"]
    parts += _asides(pod, evidence, now, told)
    parts += _future(pod, decided, now, told)
    return ", ".join(parts)


def _since(evidence: Evidence, clock: Clock) -> str:
    since = [p.in_flight_since for p in evidence.ports if p.in_flight and not p.stalled]
    first = min((s for s in since if s is not None), default=None)
    return f" since {clock(first)}" if first is not None else ""


def _last_use(pod: Pod, evidence: Evidence, clock: Clock) -> str:
    answered = [(p.answered_at, p.port) for p in evidence.ports if p.answered_at is not None]
    if pod.heartbeat_at is not None and pod.heartbeat_at >= max((at for at, _ in answered), default=pod.heartbeat_at):
        return f"it last said that it is in use at {clock(pod.heartbeat_at)}"
    if answered:
        at, port = max(answered)
        return f"last request {clock(at)} on {port}"
    if pod.last_active_at is not None and pod.ready_at is not None and pod.last_active_at > pod.ready_at:
        return f"last used {clock(pod.last_active_at)}"
    return "nobody has used it since it was ready"


def _asides(pod: Pod, evidence: Evidence, now: datetime, clock: Clock) -> list[str]:
    """What is there and is no use, and what somebody might wonder about."""
    found = [words for p in evidence.ports for words in _no_use(p, clock)]
    found += [
        f"{u.what} {u.share:.0%} (counts from {u.above:.0%})"
        for u in evidence.usage
        if u.share is not None and not u.in_use
    ]
    found += [f"{n} is reached past the gateway and not counted" for n, u in pod.upstreams.items() if u.direct]
    if evidence.in_use and evidence.missing:
        found.append(f"{' and '.join(evidence.missing)} missing")
    if pod.spec.idle.ignore.everything:
        found.append("its ignore rules match every request, so none counts")
    if pod.keep_until is not None and pod.keep_until > now:
        found.append(f"kept by {pod.kept_by} until {clock(pod.keep_until)}")
    return found


def _no_use(p: PortEvidence, clock: Clock) -> list[str]:
    found: list[str] = []
    if p.open and not p.loud:
        kind = "TCP connection" if p.tcp else "WebSocket"
        plural = "s" if p.open > 1 else ""
        still = "silent" if not p.moved else "hardly talking"
        since = f" since {clock(p.open_since)}" if p.open_since is not None else ""
        found.append(f"{p.open} {still} {kind}{plural} open on {p.port}{since} (does not count)")
    if p.in_flight and p.stalled:
        found.append(f"{p.in_flight} in flight on {p.port} without a byte for long (does not count)")
    if p.failed:
        found.append(f"{p.failed} refused on {p.port} (does not count)")
    if p.ignored:
        found.append(f"{p.ignored} ignored on {p.port}")
    return found


def _future(pod: Pod, decided: Verdict, now: datetime, clock: Clock) -> list[str]:
    if decided.deadline is None or (decided.evidence.in_use and not decided.by_lifetime):
        return []
    found: list[str] = []
    if decided.warn_at is not None and decided.action is not IdleAction.NOTIFY:
        found.append(f"warning at {clock(max(now, decided.warn_at))}")
    elif decided.warn_at is None and pod.warned_at is not None:
        found.append(f"warned at {clock(pod.warned_at)}")
    why = " for its max_lifetime" if decided.by_lifetime else ""
    return [*found, f"{_ENDS[decided.action]} at {clock(max(now, decided.deadline))}{why}"]


def _utc(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"
