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
from collections import defaultdict
from collections.abc import Iterable, Mapping

from core.model import PortTraffic

_LINE = re.compile(
    r"^envoy_cluster_(upstream_(?:rq_completed|rq_active|rq_xx|cx_total|cx_active|cx_rx_bytes_total|cx_tx_bytes_total))"
    r"\{([^}\n]*)\} ([0-9.e+]+)$",
    re.MULTILINE,
)
_CLUSTER = re.compile(r'envoy_cluster_name="((?:rq|ws|ig|tc)_[^"]*)"')
_CLASS = re.compile(r'envoy_response_code_class="([1-5])"')

_OPEN = re.compile(r"^envoy_http_downstream_rq_active\{[^}\n]*\} ([0-9]+)$", re.MULTILINE)

Counts = Mapping[str, int]


def parse(text: str) -> Mapping[str, Counts]:
    """Figures by cluster (`rq_key`, …) from the Prometheus form; a figure that is not there is zero."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, labels, value in _LINE.findall(text):
        cluster = _CLUSTER.search(labels)
        if cluster is None:
            continue
        kind = _CLASS.search(labels)
        found[cluster[1]][f"{name}_{kind[1]}" if kind else name] = int(float(value))
    return found


def open_requests(text: str) -> int:
    """Requests and upgraded connections of all visitors that are open now."""
    return sum(int(value) for value in _OPEN.findall(text))


def port_traffic(counters: Mapping[str, Counts], keys: Iterable[str]) -> dict[str, PortTraffic]:
    """The house's figures of these pod ports."""
    nothing: Counts = {}
    return {key: _port(*(counters.get(f"{kind}_{key}", nothing) for kind in ("rq", "ws", "ig", "tc"))) for key in keys}


def _port(requests: Counts, upgrades: Counts, ignored: Counts, tcp: Counts) -> PortTraffic:
    return PortTraffic(
        completed=requests.get("upstream_rq_completed", 0) + _answered(upgrades, "2345"),
        succeeded=_answered(requests, "123") + _answered(upgrades, "23"),
        in_flight=requests.get("upstream_rq_active", 0),
        bytes=_bytes(requests),
        upgrades=_answered(upgrades, "1") + tcp.get("upstream_cx_total", 0),
        upgraded=upgrades.get("upstream_rq_active", 0) + tcp.get("upstream_cx_active", 0),
        upgraded_bytes=_bytes(upgrades) + _bytes(tcp),
        ignored=ignored.get("upstream_rq_completed", 0),
    )


def _answered(counts: Counts, classes: str) -> int:
    return sum(counts.get(f"upstream_rq_xx_{kind}", 0) for kind in classes)


def _bytes(counts: Counts) -> int:
    return counts.get("upstream_cx_rx_bytes_total", 0) + counts.get("upstream_cx_tx_bytes_total", 0)
