"""What Envoy is told about one pod port: its scope (host name and routes) and its clusters, as plain documents.

One pod port is one `ScopedRouteConfiguration` keyed on the host name, its routes inline, and while it carries traffic
the clusters `rq|key` (requests) and `ws|key` (upgraded connections), so that the two are counted apart. A change
costs the same however many others there are.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import InvalidInput
from core.gateway import pages
from core.gateway.base import Route, RouteState
from core.model import Upstream
from core.units import shorten

Document = dict[str, Any]

TYPES = "type.googleapis.com/"
CDS = TYPES + "envoy.config.cluster.v3.Cluster"
SRDS = TYPES + "envoy.config.route.v3.ScopedRouteConfiguration"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
WAKE = "wake"
"""The static cluster of the application that answers for stopped pods."""
BUFFER = 32 * 1024
CONNECTIONS_PER_PORT = 8192
"""Envoy's own limit of 1,024 makes the 1,025th WebSocket of a pod hang."""

_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?-[0-9]{1,5}")
_CARRYING = (RouteState.LIVE, RouteState.CLOSING)
_UPGRADE: Document = {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}}
_BROWSER: Document = {"name": "accept", "string_match": {"contains": "text/html"}}


def cluster_names(key: str) -> tuple[str, str]:
    """The clusters of a pod port: requests, upgraded connections."""
    return f"rq|{key}", f"ws|{key}"


def check(route: Route) -> None:
    """InvalidInput for a route that could not be a host name or a counter; such a one is never sent."""
    if len(route.key) > 63 or not _KEY.fullmatch(route.key) or not 1 <= route.port <= 65535:
        raise InvalidInput(
            f"gateway: {shorten(route.key)!r} cannot be a web address; "
            "a pod id has lowercase letters, digits and dashes, a port is 1 to 65535."
        )
    if route.upstream is not None and not 1 <= route.upstream.port <= 65535:
        raise InvalidInput(f"gateway: {route.key} leads to port {route.upstream.port}; a port is 1 to 65535.")


def clusters(route: Route) -> dict[str, Document]:
    """The clusters that this route needs, by name; none while nothing is to be carried."""
    if route.upstream is None:
        return {}
    requests, upgrades = cluster_names(route.key)
    return {
        requests: _cluster(requests, f"rq_{route.key}", route.upstream),
        upgrades: _cluster(upgrades, f"ws_{route.key}", route.upstream),
    }


def _cluster(name: str, counter: str, upstream: Upstream) -> Document:
    limits = {
        "max_connections": CONNECTIONS_PER_PORT,
        "max_requests": CONNECTIONS_PER_PORT,
        "max_pending_requests": 1024,
        "max_retries": 64,
    }
    return {
        "name": name,
        "alt_stat_name": counter,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": endpoint(name, {"socket_address": {"address": upstream.host, "port_value": upstream.port}}),
        # Shorter than the five seconds after which common servers hang up, so that no request meets a closing door.
        "typed_extension_protocol_options": http_options({"http_protocol_options": {}}, idle="4s"),
        "circuit_breakers": {"thresholds": [limits]},
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_time": 30, "keepalive_interval": 10, "keepalive_probes": 3}
        },
        "per_connection_buffer_limit_bytes": BUFFER,
    }


def endpoint(cluster: str, address: Mapping[str, Any]) -> Document:
    """A cluster's load assignment with one address."""
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": dict(address)}}]}]}


def http_options(protocol: Mapping[str, Any], idle: str | None = None) -> Document:
    """How a cluster speaks HTTP, and how long it keeps an unused connection."""
    options: Document = {"@type": TYPES + HTTP_OPTIONS, "explicit_http_config": dict(protocol)}
    if idle is not None:
        options["common_http_protocol_options"] = {"idle_timeout": idle}
    return {HTTP_OPTIONS: options}


def scope(route: Route, domain: str, *, https: bool = False, rev: int = 0) -> Document:
    """Host name and routes of a pod port.

    `https`: TLS ended before us, and pods are told so. `rev` changes the content and nothing else: Envoy says yes to
    the identical content of something it has refused before, and still does not serve it.
    """
    table: Document = {
        "name": route.key,
        "validate_clusters": False,
        "virtual_hosts": [{"name": route.key, "domains": ["*"], "routes": _routes(route)}],
    }
    if https:
        table["request_headers_to_add"] = [header("x-forwarded-proto", "https")]
    if rev:
        table["metadata"] = {"filter_metadata": {"podkeeper": {"rev": rev}}}
    return {
        "name": route.key,
        "key": {"fragments": [{"string_key": f"{route.key}.{domain}"}]},
        "route_configuration": table,
    }


def _routes(route: Route) -> list[Document]:
    match route.state:
        case RouteState.LIVE:
            requests, upgrades = cluster_names(route.key)
            return [_carry("upgrades", upgrades, [_UPGRADE]), _carry("requests", requests, [])]
        case RouteState.STARTING | RouteState.CLOSING:
            return [
                _answer("starting", pages.STARTING_PAGE, pages.HTML, [_BROWSER], retry_after=2),
                _answer("starting", pages.STARTING_PROBLEM, pages.PROBLEM, [], retry_after=2),
            ]
        case RouteState.SLEEPING:
            # Envoy answers sockets itself: the wake application speaks plain requests only.
            return [
                _answer("sleeping", pages.SLEEPING_PROBLEM, pages.PROBLEM, [_UPGRADE], retry_after=30),
                {
                    "name": "sleeping",
                    "match": {"prefix": "/"},
                    "route": {"cluster": WAKE, "timeout": "30s"},
                    "request_headers_to_add": [header(pages.POD_HEADER, route.key)],
                    "response_headers_to_add": [header(pages.GATEWAY_HEADER, "sleeping")],
                },
            ]


def _carry(name: str, cluster: str, headers: list[Document]) -> Document:
    return {
        "name": name,
        "match": {"prefix": "/", "headers": headers},
        "route": {
            "cluster": cluster,
            "timeout": "0s",
            "idle_timeout": "0s",
            # A pod whose server is being replaced; short, so that a port that does not listen is told at once.
            "retry_policy": {
                "retry_on": "connect-failure",
                "num_retries": 2,
                "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.1s"},
            },
        },
        "response_headers_to_remove": [pages.GATEWAY_HEADER],
    }


def _answer(what: str, body: str, content_type: str, headers: list[Document], retry_after: int) -> Document:
    return {
        "name": what,
        "match": {"prefix": "/", "headers": headers},
        "direct_response": {"status": 503, "body": {"inline_string": body}},
        "response_headers_to_add": answer_headers(what, retry_after, content_type),
    }


def answer_headers(what: str, retry_after: int | None = None, content_type: str | None = None) -> list[Document]:
    """The headers of an answer of the gateway's own."""
    found = [header(pages.GATEWAY_HEADER, what), header("cache-control", "no-store"), header("vary", "accept")]
    if retry_after is not None:
        found.append(header("retry-after", str(retry_after)))
    if content_type is not None:
        found.append(header("content-type", content_type))
    return found


def header(name: str, value: str) -> Document:
    """A header that Envoy sets, whatever was there."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def carrying(routes: Iterable[Route]) -> list[Route]:
    """Those that have clusters, and so counters."""
    return [route for route in routes if route.state in _CARRYING]
