"""What Envoy is told about one pod port: its scope (host name and routes) and its clusters, as plain documents.

A web port is one `ScopedRouteConfiguration` keyed on the host name, its routes inline, and while it carries traffic
the clusters `rq|key` (requests), `ws|key` (upgraded connections) and, with ignore rules, `ig|key`, so that they are
counted apart. A TCP port is, while it carries traffic, the listener `tcp|key` and the cluster `tc|key`. A change costs
the same however many others there are.
"""

import re
from collections.abc import Mapping
from typing import Any

from core.errors import InvalidInput
from core.gateway import ignore, pages, remote
from core.gateway.base import Route, RouteState
from core.model import Upstream
from core.units import shorten

Document = dict[str, Any]

TYPES = "type.googleapis.com/"
CDS = TYPES + "envoy.config.cluster.v3.Cluster"
SRDS = TYPES + "envoy.config.route.v3.ScopedRouteConfiguration"
LDS = TYPES + "envoy.config.listener.v3.Listener"
KINDS = (CDS, SRDS, LDS)
"""In the order in which they are given: what points at a cluster comes after it."""
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
WAKE = "wake"
"""The static cluster of the application that answers in place of pods."""
BUFFER = 128 * 1024
"""Bytes that one connection may hold back; with a quarter of it, 1 MiB bodies cost Envoy half as much again."""
CONNECTIONS_PER_PORT = 8192
"""Envoy's own limit of 1,024 makes the 1,025th WebSocket of a pod hang."""

_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?-[0-9]{1,5}")
_UPGRADE: Document = {"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}}
_ALL: Document = {"prefix": "/"}
_WITHOUT_LUA: Document = {
    # It is for hosts in upper case, which find this route only after it, and for upgrades; it costs a twelfth.
    "typed_per_filter_config": {
        "envoy.filters.http.lua": {"@type": TYPES + "envoy.config.route.v3.FilterConfig", "disabled": True}
    }
}
_BROWSER: Document = {"name": "accept", "string_match": {"contains": "text/html"}}


def names(key: str) -> dict[str, tuple[str, ...]]:
    """Everything that a pod port can have, by kind."""
    return {CDS: tuple(f"{kind}|{key}" for kind in ("rq", "ws", "ig", "tc")), SRDS: (key,), LDS: (f"tcp|{key}",)}


def needs(route: Route) -> dict[str, tuple[str, ...]]:
    """What this route consists of, by kind."""
    key, carries = route.key, route.upstream is not None
    if route.listen is not None:
        return {CDS: (f"tc|{key}",), LDS: (f"tcp|{key}",)} if carries else {}
    kinds = ("rq", "ws", "ig") if route.ignore else ("rq", "ws")
    return {CDS: tuple(f"{kind}|{key}" for kind in kinds) if carries else (), SRDS: (key,)}


def check(route: Route) -> None:
    """InvalidInput for a route that could not be a host name or a counter; such a one is never sent."""
    if len(route.key) > 63 or not _KEY.fullmatch(route.key) or not 1 <= route.port <= 65535:
        raise InvalidInput(
            f"gateway: {shorten(route.key)!r} cannot be a web address; "
            "a pod id has lowercase letters, digits and dashes, a port is 1 to 65535."
        )
    if route.upstream is not None and not 1 <= route.upstream.port <= 65535:
        raise InvalidInput(f"gateway: {route.key} leads to port {route.upstream.port}; a port is 1 to 65535.")
    ignore.matches(route.ignore)


def clusters(route: Route, limit: int = CONNECTIONS_PER_PORT, ca: str = "") -> dict[str, Document]:
    """The clusters that this route needs, by name; none while nothing is to be carried.

    `limit`: requests, WebSockets, ignored requests and TCP connections that are open at once, each kind by itself.
    `ca`: the file of the authorities that may vouch for pods spoken to by TLS.
    """
    if route.upstream is None:
        return {}
    return {
        name: _cluster(name, route.upstream, limit) | remote.transport(route.upstream, ca) for name in needs(route)[CDS]
    }


def _cluster(name: str, upstream: Upstream, limit: int) -> Document:
    limits = {
        # More connections than requests, so that the one too many is refused and does not wait for ever.
        "max_connections": 2 * limit,
        "max_requests": limit,
        "max_pending_requests": 1024,
        "max_retries": 64,
    }
    kind = name.partition("|")[0]
    if kind == "tc":
        limits["max_connections"] = limit
    cluster: Document = {
        "name": name,
        "alt_stat_name": name.replace("|", "_"),
        **remote.discovery(upstream),
        "load_assignment": endpoint(name, {"socket_address": {"address": upstream.host, "port_value": upstream.port}}),
        "circuit_breakers": {"thresholds": [limits]},
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_time": 30, "keepalive_interval": 10, "keepalive_probes": 3}
        },
        "per_connection_buffer_limit_bytes": BUFFER,
    }
    if kind != "tc":
        # Shorter than the five seconds after which common servers hang up: no request meets a closing door.
        cluster["typed_extension_protocol_options"] = http_options({"http_protocol_options": {}}, idle="4s")
    return cluster


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
        "virtual_hosts": [{"name": route.key, "domains": ["*"], "routes": _routes(route, domain)}],
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


def _routes(route: Route, domain: str) -> list[Document]:
    key = route.key
    match route.state:
        case RouteState.LIVE:
            carried = [_carry("upgrades", f"ws|{key}", {**_ALL, "headers": [_UPGRADE]})]
            carried += [_carry("requests", f"rq|{key}", _ALL) | _WITHOUT_LUA]
            carried = [_carry("ignored", f"ig|{key}", match) for match in ignore.matches(route.ignore)] + carried
            return carried if route.upstream is None else remote.renamed(carried, route.upstream, f"{key}.{domain}")
        case RouteState.STARTING | RouteState.CLOSING:
            return [
                _answer("starting", pages.STARTING_PROBLEM, pages.PROBLEM, [_UPGRADE], retry_after=2),
                _ask("starting", key, "/.podkeeper/", patience="0s"),
                _answer("starting", pages.STARTING_PAGE, pages.HTML, [_BROWSER], retry_after=2),
                _answer("starting", pages.STARTING_PROBLEM, pages.PROBLEM, [], retry_after=2),
            ]
        case RouteState.SLEEPING:
            # Envoy answers sockets itself: the guest application speaks plain requests only.
            return [
                _answer("sleeping", pages.SLEEPING_PROBLEM, pages.PROBLEM, [_UPGRADE], retry_after=30),
                _ask("sleeping", key, "/.podkeeper/", patience="0s"),
                _ask("sleeping", key, "/", patience="30s"),
            ]


def _ask(name: str, key: str, prefix: str, patience: str) -> Document:
    """A route to the guest application; without patience's end (0s) for streams that follow a start."""
    return {
        "name": name,
        "match": {"prefix": prefix},
        "route": {"cluster": WAKE, "timeout": patience, "idle_timeout": "0s"},
        "request_headers_to_add": [header(pages.POD_HEADER, key)],
        "response_headers_to_add": [header(pages.GATEWAY_HEADER, name)],
    }


def _carry(name: str, cluster: str, match: Document) -> Document:
    return {
        "name": name,
        "match": match,
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
