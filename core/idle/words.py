"""`why`, in words: what counts as use now, what does not, what is missing, and when it will end."""

from datetime import datetime

from core.idle.evidence import Evidence, PortEvidence
from core.idle.verdict import Verdict, silence, uses
from core.model import IdleAction, Pod
from core.units import format_duration

_ENDS = {IdleAction.STOP: "stop", IdleAction.TERMINATE: "terminate", IdleAction.NOTIFY: "a notice and no stop"}


def explain(pod: Pod, decided: Verdict, now: datetime) -> str:
    """One line that a person understands; times are UTC, with the day when it is not today."""
    evidence = decided.evidence
    if evidence.in_use:
        parts = [f"busy: {uses(evidence)}{_since(evidence, now)}"]
    elif evidence.missing:
        since = f" since {_clock(evidence.missing_since, now)}" if evidence.missing_since is not None else ""
        parts = [f"cannot see: {' and '.join(evidence.missing)} missing{since}, will not stop before it returns"]
    elif not pod.spec.idle.timeout or not (evidence.ports or evidence.usage):
        parts = [f"never stops for idleness: {decided.reason}"]
    else:
        limit = format_duration(pod.spec.idle.timeout)
        parts = [f"idle {format_duration(silence(pod, now))} of {limit}: {_last_use(pod, evidence, now)}"]
    parts += _asides(pod, evidence, now)
    parts += _future(pod, decided, now)
    return ", ".join(parts)


def _since(evidence: Evidence, now: datetime) -> str:
    since = [p.in_flight_since for p in evidence.ports if p.in_flight and not p.stalled]
    first = min((s for s in since if s is not None), default=None)
    return f" since {_clock(first, now)}" if first is not None else ""


def _last_use(pod: Pod, evidence: Evidence, now: datetime) -> str:
    answered = [(p.answered_at, p.port) for p in evidence.ports if p.answered_at is not None]
    if pod.heartbeat_at is not None and pod.heartbeat_at >= max((at for at, _ in answered), default=pod.heartbeat_at):
        return f"it last said that it is in use at {_clock(pod.heartbeat_at, now)}"
    if answered:
        at, port = max(answered)
        return f"last request {_clock(at, now)} on {port}"
    if pod.last_active_at is not None and pod.ready_at is not None and pod.last_active_at > pod.ready_at:
        return f"last used {_clock(pod.last_active_at, now)}"
    return "nobody has used it since it was ready"


def _asides(pod: Pod, evidence: Evidence, now: datetime) -> list[str]:
    """What is there and is no use, and what somebody might wonder about."""
    found = [words for p in evidence.ports for words in _no_use(p, now)]
    found += [
        f"{u.what} {u.share:.0%} (counts from {u.above:.0%})"
        for u in evidence.usage
        if u.share is not None and not u.in_use
    ]
    if evidence.in_use and evidence.missing:
        found.append(f"{' and '.join(evidence.missing)} missing")
    if pod.spec.idle.ignore.everything:
        found.append("its ignore rules match every request, so none counts")
    if pod.keep_until is not None and pod.keep_until > now:
        found.append(f"kept by {pod.kept_by} until {_clock(pod.keep_until, now)}")
    return found


def _no_use(p: PortEvidence, now: datetime) -> list[str]:
    found: list[str] = []
    if p.open and not p.loud:
        kind = "TCP connection" if p.tcp else "WebSocket"
        plural = "s" if p.open > 1 else ""
        still = "silent" if not p.moved else "hardly talking"
        since = f" since {_clock(p.open_since, now)}" if p.open_since is not None else ""
        found.append(f"{p.open} {still} {kind}{plural} open on {p.port}{since} (does not count)")
    if p.in_flight and p.stalled:
        found.append(f"{p.in_flight} in flight on {p.port} without a byte for long (does not count)")
    if p.failed:
        found.append(f"{p.failed} refused on {p.port} (does not count)")
    if p.ignored:
        found.append(f"{p.ignored} ignored on {p.port}")
    return found


def _future(pod: Pod, decided: Verdict, now: datetime) -> list[str]:
    if decided.deadline is None or (decided.evidence.in_use and not decided.by_lifetime):
        return []
    found: list[str] = []
    if decided.warn_at is not None and decided.action is not IdleAction.NOTIFY:
        found.append(f"warning at {_clock(max(now, decided.warn_at), now)}")
    elif decided.warn_at is None and pod.warned_at is not None:
        found.append(f"warned at {_clock(pod.warned_at, now)}")
    why = " for its max_lifetime" if decided.by_lifetime else ""
    return [*found, f"{_ENDS[decided.action]} at {_clock(max(now, decided.deadline), now)}{why}"]


def _clock(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "?"
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"
