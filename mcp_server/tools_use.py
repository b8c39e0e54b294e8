"""The tools about the use of a running pod: why it is kept or not, promises to keep it, and its ports."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from core.service import Services
from mcp_server.auth import caller
from mcp_server.tool import HouseTool
from mcp_server.views import PodView
from mcp_server.views_why import WhyView
from mcp_server.words import PodRef, PortText

Ctx = Context[Any, Any]


class UseTools:
    """What an assistant does with a pod that runs."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def tools(self) -> list[HouseTool]:
        """In the order an assistant reads them."""
        return [
            HouseTool.of(self.pod_why, "Why a pod runs on or stops", read_only=True, idempotent=True),
            # Not idempotent: it counts from now, so a second call moves the end again.
            HouseTool.of(self.pod_keep, "Keep a pod"),
            HouseTool.of(self.pod_expose, "Give a port an address", idempotent=True),
            HouseTool.of(self.pod_unexpose, "Take the address from a port", destructive=True, idempotent=True),
        ]

    async def pod_why(self, ctx: Ctx, pod: PodRef) -> WhyView:
        """Why a pod is, or is not, idle: what counts as use now, what does not, which witness is missing, and when it
        will end."""
        who = await caller(self._services, ctx)
        return WhyView.of(await self._services.keeping.why(who, pod))

    async def pod_keep(
        self,
        ctx: Ctx,
        pod: PodRef,
        duration: Annotated[
            str, Field(description="From now, at most 30d; 0 takes it back", max_length=20, examples=["2h"])
        ],
    ) -> PodView:
        """Keep a running pod, using compute, although nobody uses it: only when the user wants it. Withdraws a
        warning. Does not move the end of max_lifetime."""
        who = await caller(self._services, ctx)
        return PodView.of(self._services.pods, await self._services.keeping.keep(who, pod, duration))

    async def pod_expose(self, ctx: Ctx, pod: PodRef, port: PortText) -> PodView:
        """Give a port of a running pod an address, at once and without a restart. `ports` has it."""
        who = await caller(self._services, ctx)
        return PodView.of(self._services.pods, await self._services.ports.expose(who, pod, port))

    async def pod_unexpose(self, ctx: Ctx, pod: PodRef, port: PortText) -> PodView:
        """Take the address from a port of a running pod; connections open on it are cut."""
        who = await caller(self._services, ctx)
        return PodView.of(self._services.pods, await self._services.ports.unexpose(who, pod, port))
