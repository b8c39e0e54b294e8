"""What an assistant may read without a tool (`pod://…`, `template://…`), prompts, and what it may complete."""

from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    Resource,
    ResourceTemplateReference,
)

from core.errors import NotFound, PodError
from core.model import Caller, Pod
from mcp_server.auth import bearer, caller
from mcp_server.house import HouseServer
from mcp_server.views import PodLogs, PodView
from mcp_server.views_stock import TemplateView

Ctx = Context[Any, Any]

MOST = 100
"""Pods in the list of resources, and values of a completion, which the protocol bounds."""
_LOG_LINES = 200
_JSON = "application/json"


class Shelf:
    """Everything that is read, for the person who reads it: another's pod is as one that is not there."""

    def __init__(self, server: HouseServer) -> None:
        self._services = server.services
        self._server = server

    def fill(self) -> None:
        """Put it all on the server."""
        read = self._server.resource
        read("pod://{id}", name="pod", title="A pod", description="As pod_get tells it", mime_type=_JSON)(self.pod)
        read("pod://{id}/logs", name="pod logs", title="A pod's output", description="The last 200 lines")(self.logs)
        read("template://{name}", name="template", title="A template", description="In full", mime_type=_JSON)(
            self.template
        )
        self._server.completion()(self.complete)

    async def pod(self, id: str, ctx: Ctx) -> str:  # noqa: A002 the variable of the URI
        """The pod as it is now."""
        who = await caller(self._services, ctx)
        found = await self._find(who, id)
        pods = self._services.pods
        return PodView.of(pods, found, pods.secrets(who, found)).model_dump_json()

    async def logs(self, id: str, ctx: Ctx) -> str:  # noqa: A002 the variable of the URI
        """Its output; the program's own words."""
        who = await caller(self._services, ctx)
        found = await self._find(who, id)
        try:
            output = await self._services.pods.logs(who, found.id, _LOG_LINES + 1)
        except PodError as error:
            raise ResourceError(str(error)) from error
        return PodLogs.of(found, output, _LOG_LINES).brief()

    async def template(self, name: str, ctx: Ctx) -> str:
        """What a pod of it gets."""
        catalog = await self._services.templates.of(await caller(self._services, ctx))
        try:
            return TemplateView.of(catalog.get(name)).model_dump_json()
        except NotFound as error:
            raise ResourceNotFoundError(str(error)) from error

    async def listed(self) -> list[Resource]:
        """The reader's own pods, newest first."""
        who = await bearer(self._services, get_access_token(), "mcp")
        pods = await self._services.pods.list(who)
        newest = sorted(pods, key=lambda pod: (pod.created_at, pod.id), reverse=True)
        return [
            Resource(
                uri=f"pod://{pod.id}", name=pod.name, description=f"{pod.spec.template}, {pod.status}", mime_type=_JSON
            )
            for pod in newest[:MOST]
        ]

    async def complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _: CompletionContext | None,
    ) -> Completion | None:
        """Ids, names and templates that begin so, of what the asker may see."""
        wanted = argument.value.lower()
        if argument.name == "name" and isinstance(ref, ResourceTemplateReference):
            who = await bearer(self._services, get_access_token(), "mcp")
            known = [template.name for template in (await self._services.templates.of(who)).list()]
        elif argument.name in ("id", "pod"):
            pods = await self._services.pods.list(await bearer(self._services, get_access_token(), "mcp"))
            known = [pod.id if argument.name == "id" else pod.name for pod in pods]
        else:
            return None
        fitting = sorted(one for one in known if one.startswith(wanted))
        return Completion(values=fitting[:MOST], total=len(fitting), has_more=len(fitting) > MOST)

    async def _find(self, who: Caller, pod_id: str) -> Pod:
        try:
            found = await self._services.pods.get(who, pod_id)
        except PodError as error:
            raise ResourceNotFoundError(f"There is no pod {pod_id[:40]!r} of yours.") from error
        if found.id != pod_id:
            raise ResourceNotFoundError(f"{pod_id[:40]!r} is no id: this one is pod://{found.id}.")
        return found
