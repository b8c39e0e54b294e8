"""The document that Envoy starts with: one listener, its manners and limits, and where the rest comes from.

Paths are relative to the gateway's directory, in which Envoy is started.
"""

import hashlib
import json
import socket
from typing import Any

from core.gateway import pages
from core.gateway.resources import (
    BUFFER,
    TYPES,
    WAKE,
    Document,
    answer_headers,
    endpoint,
    http_options,
)

ADMIN_SOCKET = "admin.sock"
ADS_SOCKET = "ads.sock"
WAKE_SOCKET = "wake.sock"
CONNECTIONS = 20_000
HEAP = 2 << 30

_ADS: Document = {"ads": {}, "resource_api_version": "V3"}
_LOWER_CASE_HOST = (
    "function envoy_on_request(handle) "
    "local headers = handle:headers() "
    "local host = headers:get(':authority') "
    "if host then local lower = string.lower(host) "
    "if lower ~= host then headers:replace(':authority', lower) handle:clearRouteCache() end end "
    "end"
)
_NOT_FROM_VISITORS = (
    pages.POD_HEADER,
    "forwarded",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-dst-host",
    "x-envoy-original-path",
)
_COUNTED = (
    r"upstream_rq_completed|upstream_rq_active|upstream_rq_[1-5]xx"
    r"|upstream_cx_rx_bytes_total|upstream_cx_tx_bytes_total"
)
# What is not named here is not counted at all, which is most of what Envoy's memory and scrape time go to.
_KEPT = rf"cluster\.(rq|ws)_[^.]*\.({_COUNTED})|http\.gateway\.downstream_rq_active|server\..*"


def bootstrap(listen: tuple[str, int], node: str) -> Document:
    """The whole document; `node` is the id of this one start of Envoy."""
    return {
        "node": {"id": node, "cluster": "podkeeper"},
        "admin": {
            "address": {"pipe": {"path": ADMIN_SOCKET, "mode": 0o600}},
            "allow_paths": [
                {"exact": path} for path in ("/ready", "/server_info", "/stats/prometheus?usedonly", "/drain_listeners")
            ],
        },
        "dynamic_resources": {"ads_config": _ads_config(), "cds_config": _ADS},
        "static_resources": {"listeners": [_listener(listen)], "clusters": [_ads_cluster(), _wake_cluster()]},
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"safe_regex": {"regex": _KEPT}}]}}},
        "overload_manager": _limits(),
    }


def fingerprint(listen: tuple[str, int]) -> str:
    """Says whether a running Envoy was started with the document that we would give it now."""
    return hashlib.sha256(json.dumps(bootstrap(listen, ""), sort_keys=True).encode()).hexdigest()


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


def _wake_cluster() -> Document:
    # Shorter than the keep-alive of the wake application's server.
    options = http_options({"http_protocol_options": {}}, idle="2s")
    return _static(WAKE, WAKE_SOCKET, typed_extension_protocol_options=options)


def _listener(listen: tuple[str, int]) -> Document:
    keepalive = (
        ("SO_KEEPALIVE", socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ("TCP_KEEPIDLE", socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        ("TCP_KEEPINTVL", socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
        ("TCP_KEEPCNT", socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    )
    return {
        "name": "pods",
        "address": {"socket_address": {"address": listen[0], "port_value": listen[1]}},
        # With port sharing a second Envoy would take half of the visitors instead of failing.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": BUFFER,
        # No time limit ends a silent connection, so dead peers are found this way.
        "socket_options": [
            {"description": name, "level": level, "name": option, "int_value": value, "state": "STATE_PREBIND"}
            for name, level, option, value in keepalive
        ],
        "filter_chains": [{"filters": [{"name": "http", "typed_config": _manager()}]}],
    }


def _manager() -> Document:
    return {
        "@type": TYPES + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "strip_any_host_port": True,
        "strip_trailing_host_dot": True,
        "use_remote_address": True,
        "server_header_transformation": "PASS_THROUGH",
        "proxy_100_continue": True,
        "stream_idle_timeout": "0s",
        "request_timeout": "0s",
        "request_headers_timeout": "10s",
        "max_request_headers_kb": 96,
        "common_http_protocol_options": {"idle_timeout": "3600s"},
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1048576,
        },
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typed_config": {
                    "@type": TYPES + "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                    "mutations": [{"remove": name} for name in _NOT_FROM_VISITORS],
                },
            }
        ],
        "scoped_routes": {
            "name": "pods",
            "scope_key_builder": {"fragments": [{"header_value_extractor": {"name": ":authority", "index": 0}}]},
            "rds_config_source": _ADS,
            "scoped_rds": {"scoped_rds_config_source": _ADS},
        },
        "http_filters": _filters(),
        "local_reply_config": {"mappers": _own_answers()},
    }


def _filters() -> list[Document]:
    lua = TYPES + "envoy.extensions.filters.http.lua.v3.Lua"
    router = TYPES + "envoy.extensions.filters.http.router.v3.Router"
    return [
        {
            "name": "envoy.filters.http.lua",
            "typed_config": {"@type": lua, "default_source_code": {"inline_string": _LOWER_CASE_HOST}},
        },
        {"name": "envoy.filters.http.router", "typed_config": {"@type": router, "suppress_envoy_headers": True}},
    ]


def _own_answers() -> list[Document]:
    """Every answer that Envoy makes up itself is marked as such; the first that fits is taken."""
    unreached: Document = {"response_flag_filter": {"flags": ["UF", "UH", "NC", "URX"]}}
    asleep: Document = {"header_filter": {"header": {"name": pages.POD_HEADER, "present_match": True}}}
    browser: Document = {"header_filter": {"header": {"name": "accept", "string_match": {"contains": "text/html"}}}}
    nowhere: Document = {"response_flag_filter": {"flags": ["NR"]}}
    anything: Document = {
        "status_code_filter": {
            "comparison": {"op": "GE", "value": {"default_value": 100, "runtime_key": "podkeeper.own_answers"}}
        }
    }
    return [
        _mapper([unreached, asleep], "sleeping", pages.SLEEPING_PROBLEM, pages.PROBLEM, status=503, retry_after=30),
        _mapper([unreached, browser], "unreached", pages.STARTING_PAGE, pages.HTML, status=503, retry_after=2),
        _mapper([unreached], "unreached", pages.STARTING_PROBLEM, pages.PROBLEM, status=503, retry_after=2),
        _mapper([nowhere], "unknown", pages.NOTHING_HERE, pages.TEXT),
        {
            "filter": anything,
            "headers_to_add": [
                {
                    "header": {"key": pages.GATEWAY_HEADER, "value": "refused"},
                    "append_action": "ADD_IF_ABSENT",
                }
            ],
        },
    ]


def _mapper(
    filters: list[Document],
    what: str,
    body: str,
    content_type: str,
    *,
    status: int | None = None,
    retry_after: int | None = None,
) -> Document:
    mapper: Document = {
        "filter": filters[0] if len(filters) == 1 else {"and_filter": {"filters": filters}},
        "headers_to_add": answer_headers(what, retry_after),
        "body_format_override": {"text_format_source": {"inline_string": body}, "content_type": content_type},
    }
    if status is not None:
        mapper["status_code"] = status
    return mapper


def _limits() -> Document:
    monitors = TYPES + "envoy.extensions.resource_monitors."
    heap = "envoy.resource_monitors.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": monitors + "downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": CONNECTIONS,
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
