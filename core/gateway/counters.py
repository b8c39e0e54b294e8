"""Envoy's counters, read as the house's own figures.

How they come about: an answer counts as completed when its head arrives, so a long stream is both completed and in
flight while it runs. What Envoy answers in a pod's place (nothing listens on its port) counts as completed too, as
a 503. An upgrade that the pod refuses (4xx, 5xx) is a plain request that went by the cluster for upgrades: its answer
is counted with the plain ones. One that it answers with 2xx or 3xx instead of 101 Envoy itself cuts to an empty answer
and counts not at all. The bytes of both stay with `upgraded_bytes`; so bytes there mean use only when a connection was
open or was opened since the last look.

A TCP connection is counted from the moment it came in, whether or not the pod then took it. Ignored requests are only
counted as answered, upgrades among them when they are opened.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from core.model import PortTraffic

_LINE = re.compile(
    r'^envoy_cluster_upstream_(\w+\{(?:envoy_response_code_class="[1-5]",)?envoy_cluster_name="\w\w)_([^"\n]*)"\}'
    r" ([1-9][0-9]*)$",
    re.MULTILINE,
)
_OPEN = re.compile(r"^envoy_http_downstream_rq_active\{[^}\n]*\} ([0-9]+)$", re.MULTILINE)

Figures = tuple[int, ...]
"""Of one pod port, in the order of `_FIELDS`."""

_FIELDS = tuple(PortTraffic.model_fields)
_ZERO: Figures = (0,) * len(_FIELDS)
_BELONGS: Mapping[tuple[str, str, str], tuple[str, ...]] = {
    ("rq", "rq_completed", ""): ("completed",),
    **{("rq", "rq_xx", kind): ("succeeded",) for kind in "123"},
    ("rq", "rq_active", ""): ("in_flight",),
    ("rq", "cx_rx_bytes_total", ""): ("bytes",),
    ("rq", "cx_tx_bytes_total", ""): ("bytes",),
    ("ws", "rq_xx", "1"): ("upgrades",),
    **{("ws", "rq_xx", kind): ("completed", "succeeded") for kind in "23"},
    **{("ws", "rq_xx", kind): ("completed",) for kind in "45"},
    ("ws", "rq_active", ""): ("upgraded",),
    ("ws", "cx_rx_bytes_total", ""): ("upgraded_bytes",),
    ("ws", "cx_tx_bytes_total", ""): ("upgraded_bytes",),
    ("ig", "rq_completed", ""): ("ignored",),
    ("tc", "cx_total", ""): ("upgrades",),
    ("tc", "cx_active", ""): ("upgraded",),
    ("tc", "cx_rx_bytes_total", ""): ("upgraded_bytes",),
    ("tc", "cx_tx_bytes_total", ""): ("upgraded_bytes",),
}
"""Kind of cluster, what Envoy counted there, class of answer -> the fields that it is a part of."""


def _in_line(kind: str, counted: str, answers: str) -> str:
    """How a line says it, up to the key: one thing to look up, in tens of thousands of lines at each tick."""
    labels = f'envoy_response_code_class="{answers}",' if answers else ""
    return f'{counted}{{{labels}envoy_cluster_name="{kind}'


_PLACES = {_in_line(*what): tuple(map(_FIELDS.index, fields)) for what, fields in _BELONGS.items()}


def parse(text: str) -> dict[str, Figures]:
    """The figures of each pod port from the Prometheus form; a figure that is not there is zero."""
    found: dict[str, list[int]] = {}
    for what, key, value in _LINE.findall(text):
        for place in _PLACES.get(what, ()):
            if key not in found:
                found[key] = list(_ZERO)
            found[key][place] += int(value)
    return {key: tuple(figures) for key, figures in found.items()}


def open_requests(text: str) -> int:
    """Requests and upgraded connections of all visitors that are open now."""
    return sum(int(value) for value in _OPEN.findall(text))


def port_traffic(figures: Mapping[str, Figures], keys: Iterable[str]) -> dict[str, PortTraffic]:
    """What was counted on these pod ports."""
    return {key: _traffic(figures.get(key, _ZERO)) for key in keys}


@lru_cache(maxsize=32_768)
def _traffic(figures: Figures) -> PortTraffic:
    """The same object for the same figures: on most ports nothing happens between two looks."""
    return PortTraffic(**dict(zip(_FIELDS, figures, strict=True)))
