"""The verdict: KEEP, WARN or STOP."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from core.idle.evidence import Evidence, PortEvidence, UsageEvidence
from core.model import Frozen, IdleAction, Pod
from core.units import format_duration


class Decision(StrEnum):
    """What to do with a running pod."""

    KEEP = "keep"
    WARN = "warn"
    """Tell its owner; for a rule that only notifies, this is all there is."""
    STOP = "stop"
    """Stop or terminate it, as `Verdict.action` says."""


class Verdict(Frozen):
    """A decision with its grounds."""

    decision: Decision
    reason: str
    """For people."""
    deadline: datetime | None
    """When silence from now on would end it; None: never, or not while a witness is missing."""
    warn_at: datetime | None
    """When its owner would be told of that; None: not at all, or told already."""
    action: IdleAction
    """What happens at the deadline."""
    by_lifetime: bool = False
    """The deadline is that of `max_lifetime`: use does not move it."""
    withdraws: bool = False
    """Its owner was warned of an end that is not near any more."""
    evidence: Evidence


class _End(NamedTuple):
    """An end that is coming: when, by which rule, and how it is told."""

    at: datetime
    action: IdleAction
    limit: timedelta
    silence: timedelta | None
    """How long it has been silent; None for the end of its life."""

    @property
    def reason(self) -> str:
        """For people."""
        limit = format_duration(self.limit)
        if self.silence is None:
            return f"it may run for {limit} at most (max_lifetime)"
        return f"nobody used it for {format_duration(self.silence)} (its limit is {limit})"

    def ahead(self, warning: timedelta) -> timedelta:
        """How long before it its owner is told; a mere notice is the telling itself."""
        return timedelta() if self.action is IdleAction.NOTIFY else warning


def verdict(pod: Pod, evidence: Evidence, now: datetime) -> Verdict:
    """Decide about a RUNNING pod. This is the rule of the house:

    1. A pod is *in use* while a plain request is in flight, or one that was has ended since the last look (unless its
       port has moved no byte for `idle.silent_request`), or one was answered below 400 since the last look, or more
       bytes than `idle.noise` moved on its WebSockets and TCP connections, or a share that `idle.busy_above` names is
       reached, or the pod has called its keep-alive address. Ignored requests, answers from 400 on, and open silent
       connections are not use.
    2. *Silence* begins when use was last seen (`last_active_at`), and never before the run was ready. A
       `last_active_at` in the future (the clock was set back) counts as now.
    3. The *idle end* is `idle.timeout` after silence began, and not before `keep_until`. There is none with a timeout
       of zero or without a witness, and none while a witness is missing: unknown is busy.
    4. The *end of life* is `max_lifetime` after the run was started, whatever the traffic and the promises.
    5. Before either end its owner is warned once, `idle.warning` ahead, and gets that long in full: an end is put off
       until `idle.warning` after the warning. A warning given before counters were lost is given again. When the end
       has moved away (use, a promise, a missing witness) the warning is withdrawn.
    6. At the end the rule's action is taken. A pod that cannot be stopped (network volume) is terminated instead. A
       rule that says `notify` only tells, once, when the idle end is reached, and not when the end of life is near;
       an end of life then stops.
    """
    idle, life = _idle_end(pod, evidence, now), _life_end(pod)
    warning = pod.spec.idle.warning
    warned = pod.warned_at if not evidence.reset else None
    told = idle is not None and idle.action is IdleAction.NOTIFY and warned is not None and now >= idle.at
    if idle is not None and idle.action is IdleAction.NOTIFY and (told or life_is_ending(pod, now)):
        idle = None  # told already; or a notice that would pass for the warning of the end of its life
    ends = [end for end in (idle, life) if end is not None]
    # With a warning as long as the timeout the idle end of a pod in use would else be near all the time.
    soon = [end for end in ends if now >= end.at - end.ahead(warning) and not (end is idle and evidence.in_use)]
    near = told or bool(soon)
    end = min(ends, key=lambda e: e.at, default=None)
    if end is None:
        decision, deadline, warn_at = Decision.KEEP, None, None
    else:
        ahead = end.ahead(warning)
        if warned is not None and end is life and warned < end.at - ahead:
            warned = None  # that was of another end
        deadline = max(end.at, (warned or max(now, end.at - ahead)) + ahead)
        warn_at = end.at - ahead if warned is None and (ahead or end.action is IdleAction.NOTIFY) else None
        decision = Decision.KEEP
        if warn_at is not None and end in soon:
            decision = Decision.WARN
        elif now >= deadline:
            decision = Decision.STOP
    return Verdict(
        decision=decision,
        reason=_grounds(pod, evidence, now) if end is None or decision is Decision.KEEP else end.reason,
        deadline=deadline,
        warn_at=warn_at,
        action=end.action if end is not None else _action(pod),
        by_lifetime=end is not None and end is life,
        withdraws=pod.warned_at is not None and not near,
        evidence=evidence,
    )


def forecast(pod: Pod, now: datetime) -> datetime | None:
    """When silence from now on would end a RUNNING pod, if every witness is heard; None: never, or only a notice."""
    ports = tuple(PortEvidence(port=number) for number in pod.watched)
    above = pod.spec.idle.busy_above
    asked = (("cpu", above.cpu), ("memory", above.memory), ("gpu", above.gpu if pod.spec.gpu is not None else None))
    usage = tuple(UsageEvidence(what=what, share=0, above=share) for what, share in asked if share is not None)
    decided = verdict(pod, Evidence(ports=ports, usage=usage), now)
    return None if decided.action is IdleAction.NOTIFY else decided.deadline


def life_is_ending(pod: Pod, now: datetime) -> bool:
    """The end of its life is so near that its owner has been told, or is about to be; no promise moves it."""
    end = _life_end(pod)
    return end is not None and now >= end.at - pod.spec.idle.warning


def silence(pod: Pod, now: datetime) -> timedelta:
    """How long no use has been seen."""
    last = pod.last_active_at or pod.ready_at or now
    return max(timedelta(), now - last)


def _action(pod: Pod) -> IdleAction:
    action = pod.spec.idle.action
    return IdleAction.TERMINATE if action is IdleAction.STOP and not pod.stoppable else action


def _idle_end(pod: Pod, evidence: Evidence, now: datetime) -> _End | None:
    timeout = pod.spec.idle.timeout
    if not timeout or evidence.missing or not (evidence.ports or evidence.usage):
        return None
    begun = now if evidence.in_use else now - silence(pod, now)
    at = begun + timeout
    if pod.keep_until is not None:
        at = max(at, pod.keep_until)
    return _End(at, _action(pod), limit=timeout, silence=now - begun)


def _life_end(pod: Pod) -> _End | None:
    longest = pod.spec.max_lifetime
    if not longest or pod.started_at is None:
        return None
    action = IdleAction.STOP if pod.stoppable else IdleAction.TERMINATE
    return _End(pod.started_at + longest, action, limit=longest, silence=None)


def _grounds(pod: Pod, evidence: Evidence, now: datetime) -> str:
    """Why it is kept, in a few words."""
    timeout = pod.spec.idle.timeout
    if evidence.in_use:
        return f"in use: {uses(evidence)}"
    if not timeout:
        return "it has no idle timeout"
    if not (evidence.ports or evidence.usage):
        return "it has no port whose traffic could be watched"
    if evidence.missing:
        return f"cannot see {' and '.join(evidence.missing)}; will not stop before it can"
    if pod.keep_until is not None and pod.keep_until > now:
        return f"kept by {pod.kept_by} until {pod.keep_until:%Y-%m-%d %H:%M} UTC"
    return f"nobody used it for {format_duration(silence(pod, now))} of {format_duration(timeout)}"


def uses(evidence: Evidence) -> str:
    """What counts as use now, in words."""
    words: list[str] = []
    for p in evidence.ports:
        if p.in_flight and not p.stalled:
            words.append(f"{p.in_flight} request{'s' if p.in_flight > 1 else ''} in flight on {p.port}")
        elif p.over and not p.stalled:
            words.append(f"{p.over} ended on {p.port}")
        if p.succeeded:
            words.append(f"{p.succeeded} answered on {p.port}")
        if p.loud:
            words.append(f"{p.moved} bytes on the {'connections' if p.tcp else 'WebSockets'} of {p.port}")
    words += [f"{u.what} {u.share:.0%}" for u in evidence.usage if u.share is not None and u.in_use]
    if evidence.heartbeat:
        words.append("it says so itself")
    return ", ".join(words)
