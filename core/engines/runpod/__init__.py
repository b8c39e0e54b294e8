"""Pods on RunPod's cloud, by its REST API v2 (the only speaker of it on the asking side)."""

from core.engines.runpod.account import Account, Pace
from core.engines.runpod.engine import RunPodEngine

__all__ = ["Account", "Pace", "RunPodEngine"]
