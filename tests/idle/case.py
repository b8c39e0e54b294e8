"""One pod under the eyes of `gather` and `verdict`, look by look, as the reaper does it; nothing else is there."""

from datetime import UTC, datetime, timedelta
from typing import Any

from core.idle import Decision, Verdict, gather, verdict, weigh
from core.model import IdleRule, Pod, PodSpec, PortTraffic, Reading, Status, Traffic

T0 = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
POD = "a" * 14
MINUTE = timedelta(minutes=1)


def a_pod(
    ports: tuple[str, ...] = ("8080/http",), lifetime: timedelta | None = None, stoppable: bool = True, **rule: Any
) -> Pod:
    """A pod that became ready at T0; its rule: 30 minutes, warned 5 minutes ahead, unless said otherwise."""
    idle = IdleRule.model_validate({"timeout": 30 * MINUTE, "warning": 5 * MINUTE} | rule)
    spec = {"template": "t", "image": "i", "cpu": 1, "memory": 1, "ports": ports, "idle": idle}
    return Pod(
        id=POD,
        workspace="default",
        name="t-1",
        owner="ann",
        owner_name="Ann",
        via="terminal",
        spec=PodSpec.model_validate(spec | {"max_lifetime": lifetime}),
        stoppable=stoppable,
        status=Status.RUNNING,
        listens={22: 30022} if "22/tcp" in ports else {},
        created_at=T0,
        started_at=T0,
        ready_at=T0,
        last_active_at=T0,
        changed_at=T0,
    )


class Case:
    """Counts, lets time go by, looks."""

    def __init__(self, pod: Pod | None = None) -> None:
        self.pod = pod or a_pod()
        self.now = T0
        self.generation = "first"
        self.counters = {number: PortTraffic() for number in self.pod.watched}
        self.readings: dict[str, Reading] = {}
        self.shares: dict[str, float | None] = {}
        self.last: Verdict | None = None
        self.look()

    def count(self, port: int = 8080, **figures: int) -> None:
        """The gateway counts."""
        old = self.counters[port]
        self.counters[port] = old.model_copy(update={k: getattr(old, k) + v for k, v in figures.items()})

    def restart_gateway(self) -> None:
        """The counters begin at zero."""
        self.generation += "'"
        self.counters = {number: PortTraffic() for number in self.counters}

    def look(self, after: timedelta = timedelta(), *, blind: bool = False) -> Verdict:
        """One tick, so much later; what it warns of and withdraws is remembered, as the reaper does."""
        self.now += after
        ports = {f"{POD}-{number}": counted for number, counted in self.counters.items()}
        traffic = None if blind else Traffic(generation=self.generation, ports=ports)
        usage = weigh(self.pod.spec.idle, self.shares, {}, self.now, gpus=False)
        seen, read = gather(self.pod, self.readings, traffic, self.now, usage=usage)
        self.readings |= read
        if seen.in_use:
            self.change(last_active_at=self.now)
        decided = verdict(self.pod, seen, self.now)
        if decided.withdraws:
            self.change(warned_at=None)
        if decided.decision is Decision.WARN:
            self.change(warned_at=self.now)
        self.last = decided
        return decided

    def looks(self, span: timedelta, every: timedelta = MINUTE / 2) -> list[Decision]:
        """Ticks for so long; what each of them decided, up to the first stop."""
        found: list[Decision] = []
        end = self.now + span
        while self.now < end and Decision.STOP not in found:
            found.append(self.look(every).decision)
        return found

    def change(self, **fields: Any) -> None:
        """The row changes."""
        self.pod = self.pod.model_copy(update=fields)
