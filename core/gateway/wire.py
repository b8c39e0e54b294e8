"""The messages of delta xDS and the server that carries them: the only file that touches gRPC and protobuf.

Neither library has types, so what comes from them is `Any` here and nowhere else.
"""

# pyright: reportMissingTypeStubs=false

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, cast

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2, json_format

from core.gateway.resources import CDS, LDS, SRDS, Document

_grpc = cast(Any, grpc)
_discovery = cast(Any, discovery_pb2)
_MESSAGES: dict[str, Any] = {
    CDS: cast(Any, cluster_pb2).Cluster,
    SRDS: cast(Any, scoped_route_pb2).ScopedRouteConfiguration,
    LDS: cast(Any, listener_pb2).Listener,
}
_NAMED: Any = (http_protocol_options_pb2, http_connection_manager_pb2, router_pb2, tcp_proxy_pb2, tls_pb2)
"""Imported so that the names in the options of clusters and listeners are known when they are read."""

Message = Any
Handler = Callable[[AsyncIterator[Message], Any], Awaitable[None]]


def pack(kind: str, name: str, document: Document) -> Message:
    """A resource ready to send; its version is a hash of its content, the same after a restart of ours."""
    return _resource(name, cast(Any, json_format).ParseDict(document, _MESSAGES[kind]()))


def _resource(name: str, message: Message) -> Message:
    packed = cast(Any, any_pb2).Any()
    packed.Pack(message, deterministic=True)
    version = hashlib.blake2b(packed.value, digest_size=8).hexdigest()
    return _discovery.Resource(name=name, version=version, resource=packed)


def touched(kind: str, resource: Message, rev: int) -> Message:
    """The same resource with other content, as far as Envoy can tell (see `resources.scope`)."""
    message = _MESSAGES[kind]()
    resource.resource.Unpack(message)
    holder = message.route_configuration if kind == SRDS else message
    holder.metadata.filter_metadata["podkeeper"].update({"rev": rev})
    return _resource(resource.name, message)


def answer(kind: str, nonce: str, resources: Iterable[Message], removed: Iterable[str]) -> Message:
    """One response on the stream."""
    return _discovery.DeltaDiscoveryResponse(
        type_url=kind, nonce=nonce, resources=list(resources), removed_resources=list(removed)
    )


def refusal(request: Message) -> str | None:
    """Envoy's words when this request refuses a response."""
    detail = request.error_detail
    return str(detail.message) or f"code {detail.code}" if request.HasField("error_detail") else None


class Server:
    """A gRPC server on a unix socket with the one method of delta ADS."""

    def __init__(self, path: Path, handler: Handler) -> None:
        unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self._path = path
        self._server: Any = _grpc.aio.server(options=unlimited)
        method = _grpc.stream_stream_rpc_method_handler(
            handler,
            request_deserializer=_discovery.DeltaDiscoveryRequest.FromString,
            response_serializer=_discovery.DeltaDiscoveryResponse.SerializeToString,
        )
        service = "envoy.service.discovery.v3.AggregatedDiscoveryService"
        methods = {"DeltaAggregatedResources": method}
        self._server.add_generic_rpc_handlers((_grpc.method_handlers_generic_handler(service, methods),))

    async def start(self) -> None:
        """Listen."""
        self._path.unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{self._path}")
        await self._server.start()

    async def stop(self) -> None:
        """Cut every stream and stop listening."""
        await self._server.stop(None)
