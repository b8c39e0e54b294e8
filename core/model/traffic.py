"""What the gateway counts, and what is remembered of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Self

from core.model.base import Frozen


class PortTraffic(Frozen):
    """What the gateway counted on one pod port. All but the two `open` figures only grow within one generation.

    On a TCP port a connection is counted as an upgraded one is, and nothing else is counted.
    """

    completed: int = 0
    """Plain requests that were answered, whatever the answer; a stream counts when its answer begins."""
    succeeded: int = 0
    """Those answered below 400."""
    in_flight: int = 0
    """Plain requests open now."""
    bytes: int = 0
    """Both ways, on plain requests."""
    upgrades: int = 0
    """Upgraded connections (WebSockets) that were opened."""
    upgraded: int = 0
    """Upgraded connections open now."""
    upgraded_bytes: int = 0
    """Both ways, on upgraded connections."""
    ignored: int = 0
    """Requests that the pod's `idle.ignore` leaves out: served, and in none of the figures above."""


class Traffic(Frozen):
    """One look at the gateway's counters."""

    generation: str
    """Another one after each start of the data plane: its counters began at zero."""
    ports: Mapping[str, PortTraffic]
    """By `{pod id}-{port}`. A port that is missing here could not be read: that is not silence."""


class Reading(Frozen):
    """What is remembered of one pod port from look to look. It changes only when something happened there."""

    generation: str
    traffic: PortTraffic
    moved_at: datetime | None = None
    """When bytes were last seen to move on plain requests, or one was opened."""
    answered_at: datetime | None = None
    """When a counted request was last seen answered below 400."""
    in_flight_since: datetime | None = None
    """Since when there has been a plain request open at each look."""
    open_since: datetime | None = None
    """Since when there has been a connection (upgraded, or TCP) open at each look."""
    level: float = 0.0
    """Bytes on connections that the allowance for noise has not worn off, as of `level_at`."""
    level_at: datetime | None = None

    def later(self, gap: timedelta) -> Self:
        """As if the clock had always shown `gap` more, in what silence is measured from."""
        moved = {name: at + gap for name in ("moved_at", "level_at") if (at := getattr(self, name)) is not None}
        return self.model_copy(update=moved)
