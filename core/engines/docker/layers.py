"""The Docker engine's pull progress: what the daemon tells per layer, added up."""

from collections.abc import Mapping
from typing import Any

from core.engines.docker.client import section

_DOWNLOAD_PART = 0.8
"""Of the whole fraction; the rest is unpacking, counted in layers."""
_COMPLETE = frozenset({"Pull complete", "Already exists"})
_DOWNLOADED = frozenset({"Download complete", "Verifying Checksum", "Extracting", *_COMPLETE})
_KNOWN = frozenset({"Pulling fs layer", "Waiting", "Downloading", *_DOWNLOADED})


class Layers:
    """Adds up one pull."""

    def __init__(self) -> None:
        self._total: dict[str, int] = {}
        """Bytes, for layers whose size is known."""
        self._current: dict[str, int] = {}
        self._seen: dict[str, str] = {}
        self._best = 0.0

    def feed(self, event: Mapping[str, Any]) -> bool:
        """Take one line of the daemon's; True when it was about a layer."""
        layer, status = event.get("id"), event.get("status")
        if not isinstance(layer, str) or status not in _KNOWN:
            return False
        self._seen[layer] = status
        detail = section(event, "progressDetail")
        if status == "Downloading" and detail.get("total"):
            self._total[layer] = detail["total"]
            self._current[layer] = detail.get("current", 0)
        elif status in _DOWNLOADED:
            self._current[layer] = self._total.setdefault(layer, 0)
        return True

    @property
    def moving(self) -> bool:
        """Bytes of a layer have arrived, or it is here already."""
        return any(self._current.values()) or any(s in _DOWNLOADED for s in self._seen.values())

    @property
    def fraction(self) -> float:
        """0..1, never falling. A layer of unknown size counts as not begun."""
        if not self._seen:
            return 0.0
        count, total = len(self._seen), sum(self._total.values())
        loaded = sum(self._current.values()) / total if total else 1.0
        downloaded = loaded * len(self._total) / count
        self._best = max(self._best, _DOWNLOAD_PART * downloaded + (1 - _DOWNLOAD_PART) * self._done / count)
        return min(self._best, 1.0)

    @property
    def message(self) -> str:
        """`3 of 7 layers, 41 of 120 MB`."""
        if not self._seen:
            return "asking the registry"
        total = sum(self._total.values())
        size = f", {sum(self._current.values()) / 1e6:.0f} of {total / 1e6:.0f} MB" if total else ""
        return f"{self._done} of {len(self._seen)} layers{size}"

    @property
    def _done(self) -> int:
        return sum(status in _COMPLETE for status in self._seen.values())
