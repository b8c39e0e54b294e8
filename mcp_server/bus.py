"""Who hears that a pod has changed: those who listen for it and may see it, and nobody else.

The SDK's own bus tells every listener of every server event (the stream of one user would carry another's pods).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from mcp import MCPError
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent
from mcp_types import INVALID_PARAMS

from core.errors import Forbidden, PodError
from core.model import Pod, Role
from core.service import Services
from mcp_server.auth import bearer

log = logging.getLogger("podkeeper.mcp")

_POD = "pod://"
_LISTED = frozenset({"pod.created", "pod.terminated"})
"""With these a pod comes into, or leaves, the list of resources."""


@dataclass(frozen=True)
class _Ear:
    hear: Callable[[ServerEvent], None]
    access: AccessToken | None
    """Of who listens; None: a client in this process."""


class OwnersBus:
    """The SDK's `SubscriptionBus`, of our events."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ears: dict[object, _Ear] = {}

    async def publish(self, event: ServerEvent) -> None:
        """Nothing of ours comes this way: what tools publish would reach everybody."""

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Called by the SDK in the task of the one who listens, whose token is therefore at hand."""
        key = object()
        self._ears[key] = _Ear(listener, get_access_token())

        def unsubscribe() -> None:
            self._ears.pop(key, None)

        return unsubscribe

    async def run(self) -> None:
        """Tell of what happens, for ever."""
        while True:
            try:
                async for event in self._services.pods.tail(None):
                    pod = await self._services.pods.of_event(event) if self._ears else None
                    if pod is not None:
                        await self._tell(pod, ResourceUpdated(uri=f"{_POD}{pod.id}"))
                    if pod is not None and event.kind in _LISTED:
                        await self._tell(pod, ResourcesListChanged())
            except PodError as error:
                log.warning("notes about changed pods wait: %s", error)
            await asyncio.sleep(2)

    async def _tell(self, pod: Pod, news: ServerEvent) -> None:
        for ear in list(self._ears.values()):
            if await self._may_see(ear.access, pod):
                ear.hear(news)

    async def _may_see(self, access: AccessToken | None, pod: Pod) -> bool:
        """By their rights of now: a token may have been revoked while its stream is open."""
        try:
            who = await bearer(self._services, access, "mcp")
        except Forbidden:
            return False
        return who.workspace == pod.workspace and (who.role is Role.ADMIN or who.person == pod.owner)

    async def gate(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Middleware: who wants to listen for what is no pod of theirs is refused, and not left to wait for nothing."""
        if ctx.method == "subscriptions/listen":
            asked = (ctx.params or {}).get("notifications")
            wanted = cast(Mapping[str, Any], asked).get("resourceSubscriptions") if isinstance(asked, Mapping) else None
            for uri in cast(list[Any], wanted) if isinstance(wanted, list) else []:
                await self._check(str(uri))
        return await call_next(ctx)

    async def _check(self, uri: str) -> None:
        wanted = uri.removeprefix(_POD)
        try:
            who = await bearer(self._services, get_access_token(), "mcp")
            found = await self._services.pods.get(who, wanted) if uri.startswith(_POD) else None
        except PodError:
            found = None
        if found is None or found.id != wanted:
            told = "Only changes of your own pods can be listened for, as pod://ID; logs are to be read again."
            raise MCPError(INVALID_PARAMS, told, {"uri": uri[:100]})
