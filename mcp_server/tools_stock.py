"""The tools beside pods: templates and network volumes."""

from typing import Annotated, Any

from mcp.server.mcpserver import Context, Resolve
from pydantic import Field

from core.service import Services
from mcp_server import confirm
from mcp_server.auth import caller
from mcp_server.confirm import Answer, settle
from mcp_server.tool import HouseTool
from mcp_server.views_stock import TemplateLine, TemplateList, TemplateView, VolumeList, VolumeView
from mcp_server.words import Detail, VolumeRef

Ctx = Context[Any, Any]


class StockTools:
    """What pods are made from, and what outlives them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def tools(self) -> list[HouseTool]:
        """In the order an assistant reads them."""
        return [
            HouseTool.of(self.template_list, "List templates", read_only=True, idempotent=True),
            HouseTool.of(self.volume_list, "List network volumes", read_only=True, idempotent=True, in_full=True),
            HouseTool.of(self.volume_create, "Create a network volume", idempotent=True),
            HouseTool.of(self.volume_delete, "Delete a network volume", destructive=True, idempotent=True),
        ]

    async def template_list(self, ctx: Ctx, detail: Detail = "concise") -> TemplateList:
        """The templates that pod_start knows; with full detail, what a pod of each gets (idle_timeout 0: it may be idle
        for ever). Call it before the first pod_start."""
        kind = TemplateView if detail == "full" else TemplateLine
        catalog = await self._services.templates.of(await caller(self._services, ctx))
        return TemplateList(templates=[kind.of(template) for template in catalog.list()])

    async def volume_list(self, ctx: Ctx) -> VolumeList:
        """All network volumes: disks that outlive the pods they are attached to (pod_start with network_volume)."""
        who = await caller(self._services, ctx)
        return VolumeList(volumes=[VolumeView.of(who, volume) for volume in await self._services.volumes.list(who)])

    async def volume_create(
        self,
        ctx: Ctx,
        name: Annotated[
            str, Field(description="1 to 63 of a-z, 0-9 and -", min_length=1, max_length=63, examples=["models"])
        ],
        size: Annotated[
            str | None, Field(description="Recorded, not enforced; default: not said", max_length=20, examples=["50g"])
        ] = None,
    ) -> VolumeView:
        """Make a network volume, for data that shall outlive a pod or be read by several. A pod that has one cannot
        be stopped, only terminated. For data of one pod use pod_start's volume."""
        who = await caller(self._services, ctx)
        return VolumeView.of(who, await self._services.volumes.create(who, name, size))

    async def volume_delete(
        self, ctx: Ctx, volume: VolumeRef, answer: Annotated[Answer, Resolve(confirm.before_delete)]
    ) -> VolumeView:
        """Delete a network volume with all its data, for good; the user is asked. Refused while a pod has it.
        Shows what was deleted."""
        who = await caller(self._services, ctx)
        found = await self._services.volumes.own(who, volume)
        await settle(self._services, who, confirm.DELETE, found.id, answer)
        return VolumeView.of(who, await self._services.volumes.delete(who, found.id))
