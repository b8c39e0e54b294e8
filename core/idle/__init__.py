"""Idle truth: from evidence and a clock to KEEP, WARN or STOP, and why. Pure; asks nobody and changes nothing."""

from core.idle.evidence import Evidence, PortEvidence, UsageEvidence, gather, observe, weigh
from core.idle.verdict import Decision, Verdict, forecast, life_is_ending, verdict
from core.idle.words import explain

__all__ = [
    "Decision",
    "Evidence",
    "PortEvidence",
    "UsageEvidence",
    "Verdict",
    "explain",
    "forecast",
    "gather",
    "life_is_ending",
    "observe",
    "verdict",
    "weigh",
]
