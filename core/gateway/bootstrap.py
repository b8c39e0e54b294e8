"""The document that Envoy starts with: the public door, limits, and where the rest comes from.

Paths are relative to the gateway's directory, in which Envoy is started.
"""

import hashlib
import json
import resource
from typing import Any

from core.gateway import listeners
from core.gateway.manager import ADS
from core.gateway.resources import BUFFER, TYPES, WAKE, Document, endpoint, http_options

ADMIN_SOCKET = "admin.sock"
ADS_SOCKET = "ads.sock"
WAKE_SOCKET = "wake.sock"
CONNECTIONS = 20_000
"""Of all visitors, at most."""
INSIDE_CONNECTIONS = 500
"""Of all pods that say that they are in use; apart from visitors, so that neither shuts the other out."""
HEAP = 2 << 30
GUEST_REQUESTS = 300
"""At once, at the application that answers in place of pods."""

_COUNTED = (
    r"upstream_rq_completed|upstream_rq_active|upstream_rq_[1-5]xx"
    r"|upstream_cx_rx_bytes_total|upstream_cx_tx_bytes_total"
)
# What is not named here is not counted at all, which is most of what Envoy's memory and scrape time go to.
_KEPT = (
    rf"cluster\.(rq|ws)_[^.]*\.({_COUNTED})|cluster\.ig_[^.]*\.upstream_rq_completed"
    r"|cluster\.tc_[^.]*\.upstream_cx_(total|active|rx_bytes_total|tx_bytes_total)"
    r"|http\.gateway\.downstream_rq_active|server\..*"
)


_INSIDE_LIMIT = f"envoy.resource_limits.listener.{listeners.INSIDE}.connection_limit"


def bootstrap(listen: tuple[str, int], node: str, *, tls: bool) -> Document:
    """The whole document; `node` is the id of this one start of Envoy."""
    return {
        "node": {"id": node, "cluster": "podkeeper"},
        "admin": {
            "address": {"pipe": {"path": ADMIN_SOCKET, "mode": 0o600}},
            "allow_paths": [
                {"exact": path} for path in ("/ready", "/server_info", "/stats/prometheus?usedonly", "/drain_listeners")
            ],
        },
        "dynamic_resources": {"ads_config": _ads_config(), "cds_config": ADS, "lds_config": ADS},
        "static_resources": {
            "listeners": [listeners.public(listen, tls=tls)],
            "clusters": [_ads_cluster(), _guest_cluster(WAKE), _guest_cluster(listeners.INSIDE)],
        },
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"safe_regex": {"regex": _KEPT}}]}}},
        "overload_manager": _limits(),
        "layered_runtime": {"layers": [{"name": "limits", "static_layer": {_INSIDE_LIMIT: INSIDE_CONNECTIONS}}]},
    }


def fingerprint(listen: tuple[str, int], *, tls: bool) -> str:
    """Says whether a running Envoy was started with the document that we would give it now."""
    return hashlib.sha256(json.dumps(bootstrap(listen, "", tls=tls), sort_keys=True).encode()).hexdigest()


def connections(files: int) -> int:
    """How many visitors to let in where a process may have so many files open; each is one on both sides.

    An Envoy that has no file left serves nobody, and cannot even tell its counters.
    """
    return min(CONNECTIONS, (files - min(1000, files // 4)) // 2)


def _ads_config() -> Document:
    # Envoy's own back-off reaches half a minute; a control plane that comes back is found within a second.
    retry = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
    return {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "ads", "retry_policy": retry}}],
    }


def _static(name: str, path: str, **more: Any) -> Document:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": endpoint(name, {"pipe": {"path": path}}),
        **more,
    }


def _ads_cluster() -> Document:
    return _static("ads", ADS_SOCKET, typed_extension_protocol_options=http_options({"http2_protocol_options": {}}))


def _guest_cluster(name: str) -> Document:
    # Shorter than the keep-alive of the guest application's server.
    options = http_options({"http_protocol_options": {}}, idle="2s")
    # Far below the files that a process may have open: strangers must not take them all from the control plane.
    limits = {"max_requests": GUEST_REQUESTS, "max_pending_requests": 200, "max_connections": GUEST_REQUESTS + 200}
    return _static(
        name,
        WAKE_SOCKET,
        typed_extension_protocol_options=options,
        circuit_breakers={"thresholds": [limits]},
        per_connection_buffer_limit_bytes=BUFFER,
    )


def _limits() -> Document:
    # Envoy raises its own limit as far as it may.
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = CONNECTIONS if files == resource.RLIM_INFINITY else connections(files)
    monitors = TYPES + "envoy.extensions.resource_monitors."
    heap = "envoy.resource_monitors.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": monitors + "downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": most,
                },
            },
            {
                "name": heap,
                "typed_config": {
                    "@type": monitors + "fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": HEAP,
                },
            },
        ],
        "actions": [
            {
                "name": f"envoy.overload_actions.{action}",
                "triggers": [{"name": heap, "threshold": {"value": threshold}}],
            }
            for action, threshold in (("shrink_heap", 0.9), ("stop_accepting_requests", 0.97))
        ],
    }
