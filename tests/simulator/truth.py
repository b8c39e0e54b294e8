"""What really happens in one run of one pod, on the monotonic clock: who uses it, and what could be seen of that.

Two things are kept apart: use that is *sure* by a plain reading of the rule, and use that is *possible*, where the
rule leaves room or a look sees later than it happened. No pod may stop against the first; none may outlast the second.
"""

from dataclasses import dataclass, field

from core.model import PodSpec

NEVER = float("-inf")
MINUTE = 60.0


@dataclass
class PortTruth:
    """One port of the run."""

    noise: int
    patience: float
    """`silent_request` in seconds; 0 for never."""
    in_flight: int = 0
    looks: int = 0
    byte_at: float = NEVER
    """When a byte last moved on plain requests."""
    byte_seen: float = NEVER
    """The look that could see it first."""
    byte_news: bool = False
    open: int = 0
    open_seen: int = 0
    pinged: int = 0
    """Bytes of noise since the last look."""
    recent: list[tuple[float, int]] = field(default_factory=list)
    """Noise at the looks of the last two minutes."""
    sure: float = NEVER
    """Sure use since the last look."""
    possible: float = NEVER
    ended: float = NEVER
    """When a request that the last look saw in flight ended."""
    known: bool = True
    """Its counters were read in this run; who never read them cannot know that they were lost."""
    reset: bool = False
    """Its counters were lost since the last look."""

    def moved(self, now: float) -> None:
        """A byte on a plain request."""
        self.byte_at, self.byte_news = now, True

    def use(self, now: float) -> None:
        """Sure use at one moment: a good answer, a word on a connection."""
        self.sure = self.possible = now

    def quiet(self, now: float, since: float) -> bool:
        """No byte for so long that what is in flight does not count."""
        return bool(self.patience) and now - since >= self.patience

    def look(self, now: float) -> tuple[float, float]:
        """What a look could see now: the last moments of sure and of possible use; what was seen is not news again."""
        if self.byte_news:
            self.byte_seen, self.byte_news = now, False
        sure, possible = self.sure, self.possible
        if self.in_flight:
            sure = now if not self.quiet(now, self.byte_at) else sure
            possible = now if not self.quiet(now, self.byte_seen) else possible
        if self.ended > NEVER:
            possible = now
            if not self.quiet(now, self.byte_at):
                sure = max(sure, self.ended)
        self.recent = [(at, size) for at, size in self.recent if at >= now - 2 * MINUTE]
        self.recent += [(now, self.pinged)] if self.pinged else []
        if self.pinged and sum(size for _, size in self.recent) > self.noise * max(1, self.open, self.open_seen):
            possible = now
        self.sure = self.possible = self.ended = NEVER
        self.pinged, self.open_seen, self.looks = 0, self.open, self.looks + 1
        return sure, possible

    def lose(self, now: float) -> None:
        """The data plane died, and what it had counted with it."""
        self.in_flight = self.open = self.open_seen = self.pinged = 0
        self.sure = self.possible = self.ended = NEVER
        self.reset = self.known
        self.moved(now)


@dataclass
class Told:
    """A warning, or a notice, that stands."""

    at: float
    wall: float
    kind: str
    for_life: bool
    deadline: float
    """As its owner was told, on the monotonic clock."""


@dataclass
class Life:
    """One run of one pod."""

    pod_id: str
    run: int
    spec: PodSpec
    stoppable: bool
    ready: float
    started_wall: float
    ports: dict[int, PortTruth] = field(default_factory=dict)
    sure: float = NEVER
    """When it was last surely used, as far as any look could know."""
    seen: float = NEVER
    """The last look at which use was possible."""
    beats: float = NEVER
    """A sign of life since the last look."""
    reset_at: float = NEVER
    """The look that found counters lost."""
    keep_until: float = NEVER
    """On the wall clock."""
    told: Told | None = None
    ending: bool = False
    over: bool = False
    late: int = 0
    """Ticks that left it running although it should have been stopped."""
    # of the look that is being judged:
    used: bool = False
    maybe: bool = False
    missing: bool = False
    was_reset: bool = False
    kept: bool = False
    looks: int = 0

    @property
    def timeout(self) -> float:
        """Seconds of silence; 0 for never."""
        return self.spec.idle.timeout.total_seconds()

    @property
    def warning(self) -> float:
        """Seconds."""
        return self.spec.idle.warning.total_seconds()

    @property
    def life_end(self) -> float:
        """On the wall clock."""
        longest = self.spec.max_lifetime
        return self.started_wall + longest.total_seconds() if longest else float("inf")

    @property
    def news(self) -> bool:
        """Something that may be use, and that no look has seen yet."""
        pending = any(max(p.possible, p.ended) > NEVER for p in self.ports.values())
        return pending or self.beats > NEVER

    def look(self, now: float, readable: set[int], engine: bool, busy: bool) -> None:
        """A look at it now: `readable` ports, whether the engine tells its shares, whether they are busy."""
        asks = bool(self.spec.idle.busy_above)
        seen = [port for number, port in self.ports.items() if number in readable]
        self.was_reset = any(port.reset for port in seen)
        for port in seen:
            port.reset, port.known = False, True
        found = [port.look(now) for port in seen]
        found.append((self.beats, self.beats))
        if asks and engine and busy:
            found.append((now, now))
        self.beats = NEVER
        sure, possible = max(s for s, _ in found), max(p for _, p in found)
        self.used, self.maybe = sure > NEVER, possible > NEVER
        self.sure = max(self.sure, sure)
        if self.maybe:
            self.seen = now
        if self.was_reset:
            self.reset_at = now
        self.missing = len(readable) < len(self.ports) or (asks and not engine) or self.was_reset
        self.looks += 1
