"""What a world is like."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """What a world is like. Rates are times an hour."""

    seed: int
    pods: int = 4
    hours: float = 24
    interval: float = 60
    """Seconds between ticks."""
    missed: float = 0.02
    """Which share of ticks is late by many intervals."""
    restarts: float = 0.1
    """Of the control plane, the data plane, or both."""
    outages: float = 0.3
    """Of the engine, of the gateway, of counters alone, of stops alone."""
    jumps: float = 0.1
    """Clocks that are set, and machines that sleep."""
