"""Evidence: what one look saw of a pod, against what is remembered of the looks before."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from core.model import Frozen, IdleRule, Pod, PortTraffic, Reading, Traffic, route_key

_MINUTE = timedelta(minutes=1)
_GROWING = ("completed", "succeeded", "bytes", "upgrades", "upgraded_bytes", "ignored")


class PortEvidence(Frozen):
    """What one look saw on one port. A TCP connection stands where an upgraded one does."""

    port: int
    tcp: bool = False
    missing: bool = False
    """The counters could not be read, or are not those of the look before: that is not silence."""
    missing_since: datetime | None = None
    reset: bool = False
    """They began at zero anew: what happened before that and after the last look is unknown."""
    in_flight: int = 0
    in_flight_since: datetime | None = None
    stalled: bool = False
    """What is in flight is no use: no byte has moved for `idle.silent_request`."""
    over: int = 0
    """Requests fewer in flight than at the last look: they went on after it."""
    succeeded: int = 0
    """Requests answered below 400 since the last look."""
    failed: int = 0
    """Other requests since the last look: scanners, mostly; not use."""
    ignored: int = 0
    """Requests since the last look that `idle.ignore` leaves out."""
    answered_at: datetime | None = None
    """When a counted request was last seen answered below 400."""
    open: int = 0
    """WebSockets or TCP connections open now; not use by themselves."""
    open_since: datetime | None = None
    moved: int = 0
    """Bytes on them since the last look."""
    loud: bool = False
    """Those bytes are more than noise: use."""

    @property
    def in_use(self) -> bool:
        """Somebody uses the pod through this port."""
        return (self.in_flight + self.over > 0 and not self.stalled) or self.succeeded > 0 or self.loud


class UsageEvidence(Frozen):
    """One share that the pod's rule asks for. `share` None: the engine cannot tell now, which is not idleness."""

    what: str
    """cpu, memory, gpu."""
    share: float | None
    above: float
    missing_since: datetime | None = None

    @property
    def in_use(self) -> bool:
        """The pod works, whatever its traffic."""
        return self.share is not None and self.share >= self.above


class Evidence(Frozen):
    """Everything one look saw of one pod."""

    ports: tuple[PortEvidence, ...] = ()
    usage: tuple[UsageEvidence, ...] = ()
    heartbeat: bool = False
    """The pod itself has said since the last look that it is in use."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Witnesses that could not be heard, in words."""
        ports = [f"the traffic on {p.port}" for p in self.ports if p.missing]
        return (*ports, *(f"its {u.what} share" for u in self.usage if u.share is None))

    @property
    def missing_since(self) -> datetime | None:
        """Since when the first of them has been missing."""
        since = [p.missing_since for p in self.ports if p.missing]
        since += [u.missing_since for u in self.usage if u.share is None]
        return min((s for s in since if s is not None), default=None)

    @property
    def reset(self) -> bool:
        """Counters began anew: nobody knows what happened just before."""
        return any(p.reset for p in self.ports)

    @property
    def in_use(self) -> bool:
        """Somebody uses it, or it works, by any witness."""
        return self.heartbeat or any(p.in_use for p in self.ports) or any(u.in_use for u in self.usage)


def observe(
    before: Reading | None, port: int, generation: str, counted: PortTraffic, rule: IdleRule, now: datetime
) -> tuple[PortEvidence, Reading]:
    """One port's evidence, and what to remember of it; the reading is equal to `before` when nothing happened.

    `before` is None at a port's first look: its counters began at zero when the route was made. After a change of
    generation, or when a counter fell, the difference means nothing: the port is `missing` for this one look, except
    that what is open now, or has already been counted anew, is seen.
    """
    before = before or Reading(generation=generation, traffic=PortTraffic())
    old, patience = before.traffic, rule.silent_request
    if before.moved_at is not None and _quiet(before, generation, counted, rule):
        stalled = bool(patience) and now - before.moved_at >= patience
        return _nothing(port, stalled, before.answered_at), before
    reset = before.generation != generation or any(getattr(counted, n) < getattr(old, n) for n in _GROWING)
    if reset:
        old = PortTraffic()
    succeeded = counted.succeeded - old.succeeded
    moved_at = before.moved_at
    if counted.bytes != old.bytes or counted.in_flight > old.in_flight or reset or moved_at is None:
        moved_at = now
    moved, level, level_at = _connections(before, old, counted, rule, now)
    room = rule.noise * _at_once(old, counted) * _window(rule) / _MINUTE
    loud = moved > 0 and level > room
    reading = Reading(
        generation=generation,
        traffic=counted,
        moved_at=moved_at,
        answered_at=now if succeeded else before.answered_at,
        in_flight_since=_since(before.in_flight_since, counted.in_flight, now),
        open_since=_since(before.open_since, counted.upgraded, now),
        # By what is open now: tabs that are closed leave nothing behind.
        level=min(level, rule.noise * max(1, counted.upgraded) * _window(rule) / _MINUTE),
        level_at=level_at,
    )
    seen = PortEvidence(
        port=port,
        missing=reset,
        missing_since=now if reset else None,
        reset=reset,
        in_flight=counted.in_flight,
        in_flight_since=reading.in_flight_since,
        stalled=bool(patience) and now - moved_at >= patience,
        over=max(0, old.in_flight - counted.in_flight),
        succeeded=succeeded,
        failed=max(0, counted.completed - old.completed - succeeded),
        ignored=counted.ignored - old.ignored,
        answered_at=reading.answered_at,
        open=counted.upgraded,
        open_since=reading.open_since,
        moved=moved,
        loud=loud,
    )
    return seen, reading


def gather(
    pod: Pod,
    before: Mapping[str, Reading],
    traffic: Traffic | None,
    now: datetime,
    *,
    missing_since: Mapping[str, datetime] | None = None,
    usage: tuple[UsageEvidence, ...] = (),
) -> tuple[Evidence, dict[str, Reading]]:
    """The evidence of one look at one pod, and what to remember of its ports.

    `traffic` None: the counters could not be read at all. `missing_since`: by route key, when a port that is missing
    was found so first.
    """
    since = missing_since or {}
    ports: list[PortEvidence] = []
    readings: dict[str, Reading] = {}
    for number in pod.watched:
        key = route_key(pod.id, number)
        counted = traffic.ports.get(key) if traffic is not None else None
        tcp = number in pod.listens
        if traffic is None or counted is None:
            ports.append(PortEvidence(port=number, tcp=tcp, missing=True, missing_since=since.get(key, now)))
            continue
        seen, readings[key] = observe(before.get(key), number, traffic.generation, counted, pod.spec.idle, now)
        ports.append(seen.model_copy(update={"tcp": tcp}) if tcp else seen)
    heartbeat = (
        pod.heartbeat_at is not None and pod.last_active_at is not None and pod.heartbeat_at > pod.last_active_at
    )
    return Evidence(ports=tuple(ports), usage=usage, heartbeat=heartbeat), readings


def weigh(
    rule: IdleRule, shares: Mapping[str, float | None], since: Mapping[str, datetime], now: datetime, *, gpus: bool
) -> tuple[UsageEvidence, ...]:
    """The shares that a rule asks for; without GPUs nothing is asked about them."""
    asked = {"cpu": rule.busy_above.cpu, "memory": rule.busy_above.memory, "gpu": rule.busy_above.gpu if gpus else None}
    return tuple(
        UsageEvidence(
            what=what,
            share=shares.get(what),
            above=above,
            missing_since=since.get(what, now) if shares.get(what) is None else None,
        )
        for what, above in asked.items()
        if above is not None
    )


def _quiet(before: Reading, generation: str, counted: PortTraffic, rule: IdleRule) -> bool:
    """Nothing is open and nothing has happened: so it is with most ports at most looks."""
    return (
        not (counted.in_flight or counted.upgraded)
        and before.generation == generation
        and (before.traffic is counted or before.traffic == counted)
        and (not before.level or before.level <= rule.noise * _window(rule) / _MINUTE)
    )


@lru_cache(maxsize=32_768)
def _nothing(port: int, stalled: bool, answered_at: datetime | None) -> PortEvidence:
    """Of a port where nothing has happened: the same object at each look."""
    return PortEvidence(port=port, stalled=stalled, answered_at=answered_at)


def _since(before: datetime | None, count: int, now: datetime) -> datetime | None:
    return (before or now) if count else None


def _at_once(old: PortTraffic, counted: PortTraffic) -> int:
    """Connections among which the allowance for noise is multiplied."""
    return max(1, counted.upgraded, old.upgraded)


def _window(rule: IdleRule) -> timedelta:
    """How much noise may come at once: a minute's; of a pod that stops within minutes less, or talk would tell late."""
    return min(_MINUTE, rule.timeout / 4) if rule.timeout else _MINUTE


def _connections(
    before: Reading, old: PortTraffic, counted: PortTraffic, rule: IdleRule, now: datetime
) -> tuple[int, float, datetime | None]:
    """Bytes on connections since the last look, and how full the bucket is that leaks `idle.noise` a minute.

    It leaks before the new bytes go in, so that an hour of silence makes no room for more than a `_window`'s noise.
    """
    # Refused handshakes move bytes too; they are a scanner's, unless some connection was really open meanwhile.
    opened = counted.upgraded or old.upgraded or counted.upgrades > old.upgrades
    moved = counted.upgraded_bytes - old.upgraded_bytes if opened else 0
    if not moved:
        return 0, before.level, before.level_at
    gone = max(timedelta(), now - before.level_at) if before.level_at is not None else timedelta()
    worn = gone / _MINUTE * rule.noise * _at_once(old, counted)
    return moved, max(0.0, before.level - worn) + moved, now
