"""The HTTP manners of the public door: hosts, headers, limits, and the gateway's own answers."""

from core.gateway import pages
from core.gateway.resources import TYPES, Document, answer_headers

ADS: Document = {"ads": {}, "resource_api_version": "V3"}
"""Where routes come from."""
MANAGER = TYPES + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER: Document = {
    "name": "envoy.filters.http.router",
    "typed_config": {
        "@type": TYPES + "envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": True,
    },
}

_ON_REQUEST = (
    "function envoy_on_request(handle) "
    "local headers = handle:headers() "
    "local host = headers:get(':authority') "
    "if host then local lower = string.lower(host) "
    "if lower ~= host then headers:replace(':authority', lower) handle:clearRouteCache() end end "
    # Over HTTP/2 a browser sends no key (RFC 8441), and pods, who are asked over HTTP/1.1, want to see one.
    "if headers:get('upgrade') and not headers:get('sec-websocket-key') "
    "and handle:streamInfo():protocol() == 'HTTP/2' then "
    "headers:add('sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==') end "
    "end"
)
_NOT_FROM_VISITORS: list[Document] = [
    *({"remove": name} for name in (pages.POD_HEADER, "forwarded", "x-real-ip")),
    *({"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in ("x-forwarded-", "x-envoy-")),
]


def manager() -> Document:
    """What is done with the requests of the public door."""
    return {
        "@type": MANAGER,
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
            "allow_connect": True,  # WebSockets over HTTP/2 (RFC 8441)
        },
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typed_config": {
                    "@type": TYPES + "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                    "mutations": _NOT_FROM_VISITORS,
                },
            }
        ],
        "scoped_routes": {
            "name": "pods",
            "scope_key_builder": {"fragments": [{"header_value_extractor": {"name": ":authority", "index": 0}}]},
            "rds_config_source": ADS,
            "scoped_rds": {"scoped_rds_config_source": ADS},
        },
        "http_filters": _filters(),
        "local_reply_config": {"mappers": _own_answers()},
    }


def _filters() -> list[Document]:
    lua = TYPES + "envoy.extensions.filters.http.lua.v3.Lua"
    return [
        {
            "name": "envoy.filters.http.lua",
            "typed_config": {"@type": lua, "default_source_code": {"inline_string": _ON_REQUEST}},
        },
        ROUTER,
    ]


def _own_answers() -> list[Document]:
    """Every answer that Envoy makes up itself is marked as such; the first that fits is taken."""
    unreached: Document = {"response_flag_filter": {"flags": ["UF", "UH", "NC", "URX"]}}
    asleep: Document = {"header_filter": {"header": {"name": pages.POD_HEADER, "present_match": True}}}
    browser: Document = {"header_filter": {"header": {"name": "accept", "string_match": {"contains": "text/html"}}}}
    full: Document = {"response_flag_filter": {"flags": ["UO"]}}
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
        _mapper([full], "busy", pages.BUSY_PROBLEM, pages.PROBLEM, status=503, retry_after=30),
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
