"""The doors: where visitors, TCP clients and pods themselves come in, as Envoy's listeners."""

import socket
from typing import Any

from core.gateway import pages
from core.gateway.manager import MANAGER, ROUTER, manager
from core.gateway.resources import BUFFER, TYPES, Document

TLS_FILE = "tls.json"
"""Certificate and key as Envoy reads them; taken anew when another file is put in its place."""
INSIDE = "inside"
"""The listener for pods themselves, and its cluster: the guest application again, with room of its own."""


def public(listen: tuple[str, int], *, tls: bool) -> Document:
    """Where pods are visited."""
    chain: Document = {"filters": [{"name": "http", "typed_config": manager()}]}
    if tls:
        chain["transport_socket"] = _tls()
    return {**_listener("pods", listen), "filter_chains": [chain]}


def tcp(key: str, listen: tuple[str, int]) -> Document:
    """Where the TCP port of a pod is reached. It says nothing of the pod, so it stays the same while that one moves."""
    proxy = {
        "@type": TYPES + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": f"tc|{key}",
        "idle_timeout": "0s",
    }
    return {
        **_listener(f"tcp|{key}", listen),
        "filter_chains": [{"filters": [{"name": "tcp", "typed_config": proxy}]}],
    }


def inside(listen: tuple[str, int]) -> Document:
    """Where pods say that they are in use, on an address of their own network that may not exist yet."""
    methods = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|POST"}}}
    table = {
        "virtual_hosts": [
            {
                "name": INSIDE,
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"prefix": "/keepalive/", "headers": [methods]},
                        "route": {"cluster": INSIDE, "timeout": "10s"},
                        "request_headers_to_remove": [pages.POD_HEADER],
                    },
                    {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
                ],
            }
        ]
    }
    http = {
        "@type": MANAGER,
        "stat_prefix": INSIDE,
        "codec_type": "AUTO",
        "route_config": table,
        "request_timeout": "10s",
        "request_headers_timeout": "10s",
        "common_http_protocol_options": {"idle_timeout": "60s"},
        "http_filters": [ROUTER],
    }
    return {
        **_listener(INSIDE, listen),
        "freebind": True,
        "ignore_global_conn_limit": True,  # it has one of its own
        "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}],
    }


def _listener(name: str, listen: tuple[str, int]) -> Document:
    keepalive = (
        ("SO_KEEPALIVE", socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ("TCP_KEEPIDLE", socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        ("TCP_KEEPINTVL", socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
        ("TCP_KEEPCNT", socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    )
    options: list[dict[str, Any]] = [
        {"description": name, "level": level, "name": option, "int_value": value, "state": "STATE_PREBIND"}
        for name, level, option, value in keepalive
    ]
    return {
        "name": name,
        "address": {"socket_address": {"address": listen[0], "port_value": listen[1]}},
        # With port sharing a second Envoy would take half of the visitors instead of failing.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": BUFFER,
        # No time limit ends a silent connection, so dead peers are found this way.
        "socket_options": options,
    }


def _tls() -> Document:
    source = {"path": TLS_FILE, "watched_directory": {"path": "."}}
    secret = {"name": "gateway", "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": TYPES + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificate_sds_secret_configs": [secret],
            },
        },
    }
