"""Pods that are not on this machine: how Envoy finds them, trusts them, and calls them by the name they want.

Such a pod stands behind somebody else's proxy, which goes by the host name and ends TLS.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from core.model import Upstream

Document = dict[str, Any]
_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
CONNECT_SECONDS = 5


def discovery(upstream: Upstream) -> Document:
    """How a cluster finds it: by its address, or by a name that is looked up again as its record says."""
    try:
        ipaddress.ip_address(upstream.host)
    except ValueError:
        if upstream.name is not None:
            wait = f"{CONNECT_SECONDS}s"
            return {"type": "LOGICAL_DNS", "dns_lookup_family": "V4_PREFERRED", "connect_timeout": wait}
    return {"type": "STATIC", "connect_timeout": "1s" if upstream.name is None else f"{CONNECT_SECONDS}s"}


def transport(upstream: Upstream, ca: str) -> Document:
    """TLS with its name, and a certificate that is good for this name by the authorities in the file `ca`; or none."""
    if not upstream.tls:
        return {}
    name = upstream.name or upstream.host
    trusted: Document = {
        "trusted_ca": {"filename": ca},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": name}}],
    }
    context: Document = {
        "@type": _TYPES + "UpstreamTlsContext",
        "sni": name,
        "common_tls_context": {"validation_context": trusted, "alpn_protocols": ["http/1.1"]},
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def renamed(routes: Iterable[Document], upstream: Upstream, host: str) -> list[Document]:
    """The routes, asking for the name that the other side wants; `host` is the name by which visitors ask.

    What a page of the pod's own says in Origin is renamed with it: servers refuse a WebSocket whose Origin is not
    their host. An Origin of anybody else stays, so that it is refused as before.
    """
    if upstream.name is None:
        return list(routes)
    found: list[Document] = []
    own = {"string_match": {"safe_regex": {"regex": rf"https?://{re.escape(host)}(:[0-9]+)?"}}, "name": "origin"}
    origin = f"{'https' if upstream.tls else 'http'}://{upstream.authority}"
    for route in routes:
        action = {**route["route"], "host_rewrite_literal": upstream.authority, "append_x_forwarded_host": True}
        here = {**route, "route": action}
        match = {**route["match"], "headers": [*route["match"].get("headers", []), own]}
        said = {"header": {"key": "origin", "value": origin}, "append_action": "OVERWRITE_IF_EXISTS"}
        found += [{**here, "match": match, "request_headers_to_add": [said]}, here]
    return found
