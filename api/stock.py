"""The paths of what pods are made from, and of what outlives them: templates, network volumes, registries."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api import bodies, shown
from api.catalog import one_of
from core.errors import NotFound
from core.model import Caller, Credential, Volume
from core.service import Services


class StockPaths:
    """What pods are made from, and what outlives them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def templates(self, _: Request, who: Caller) -> Response:
        """All that pods can be made from."""
        known, hosts = (await self._services.templates.of(who)).list(), await self._services.registries.hosts()
        return JSONResponse({"templates": [shown.template(one, hosts) for one in known]})

    async def official_templates(self, request: Request, _: Caller) -> Response:
        """Those that come with Podkeeper; nobody outside has others to share."""
        official = request.query_params.get("source", "official") == "official"
        known = [one for one in self._services.templates.files.list() if one.source == "built-in" and official]
        hosts = await self._services.registries.hosts()
        return JSONResponse({"templates": [shown.template(one, hosts) for one in known]})

    async def template(self, request: Request, who: Caller) -> Response:
        """One template."""
        found = (await self._services.templates.of(who)).get(request.path_params["id"])
        return JSONResponse(shown.template(found, await self._services.registries.hosts()))

    async def save_template(self, request: Request, who: Caller) -> Response:
        """201 with the new one."""
        body = bodies.checked("CreateTemplateRequest", await bodies.read(request))
        hosts = await self._services.registries.hosts()
        said = bodies.template(body, {}, who.name, hosts)
        made = await self._services.templates.save(who, said, bodies.labels(body, {}))
        return JSONResponse(shown.template(made, hosts), 201)

    async def change_template(self, request: Request, who: Caller) -> Response:
        """What is said of it; the rest stays."""
        body = bodies.checked("UpdateTemplateRequest", await bodies.read(request))
        saved = await self._services.templates.own(who, request.path_params["id"])
        hosts = await self._services.registries.hosts()
        said, labels = bodies.template(body, saved.said, saved.owner_name, hosts), bodies.labels(body, saved.labels)
        return JSONResponse(shown.template(await self._services.templates.change(who, saved, said, labels), hosts))

    async def remove_template(self, request: Request, who: Caller) -> Response:
        """204; pods that were made from it stay as they are."""
        await self._services.templates.remove(who, request.path_params["id"])
        return Response(status_code=204)

    async def volumes(self, _: Request, who: Caller) -> Response:
        """All of the workspace."""
        found = await self._services.volumes.list(who)
        return JSONResponse({"networkVolumes": [shown.volume(volume) for volume in found]})

    async def create_volume(self, request: Request, who: Caller) -> Response:
        """201 with the new one."""
        body = bodies.checked("CreateNetworkVolumeRequest", await bodies.read(request))
        bodies.check_place(body)
        made = await self._services.volumes.create(who, bodies.slug(body["name"]), f"{body['size']}g")
        return JSONResponse(shown.volume(made), 201)

    async def volume(self, request: Request, who: Caller) -> Response:
        """One network volume."""
        return JSONResponse(shown.volume(await self._volume(request, who)))

    async def change_volume(self, request: Request, who: Caller) -> Response:
        """Another name, more room."""
        body = bodies.checked("UpdateNetworkVolumeRequest", await bodies.read(request))
        found = await self._volume(request, who)
        name = bodies.slug(body["name"]) if "name" in body else None
        size = f"{body['size']}g" if "size" in body else None
        changed = await self._services.volumes.change(who, found.id, name=name, size=size)
        return JSONResponse(shown.volume(changed))

    async def delete_volume(self, request: Request, who: Caller) -> Response:
        """204; 409 while a pod has it."""
        await self._services.volumes.delete(who, (await self._volume(request, who)).id)
        return Response(status_code=204)

    async def _volume(self, request: Request, who: Caller) -> Volume:
        """By its id: names are for people."""
        wanted = request.path_params["id"]
        found = next((one for one in await self._services.volumes.list(who) if one.id == wanted), None)
        if found is None:
            raise NotFound(f"There is no network volume with the id {wanted[:40]!r}.")
        return found

    async def registries(self, _: Request, who: Caller) -> Response:
        """The hosts that credentials are stored for, without these."""
        return JSONResponse({"registries": await self._registries()})

    async def registry(self, request: Request, _: Caller) -> Response:
        """One of them."""
        return JSONResponse(one_of(await self._registries(), request.path_params["id"].lower(), "registry"))

    async def save_registry(self, request: Request, who: Caller) -> Response:
        """201; in the place of what was stored for that host."""
        body = bodies.checked("CreateRegistryRequest", await bodies.read(request))
        known = Credential(host=body["name"], username=body["username"], secret=body["password"])
        made = await self._services.registries.save(known, who)
        return JSONResponse(shown.registry(made), 201)

    async def remove_registry(self, request: Request, who: Caller) -> Response:
        """204; pods that run keep their image, and the next pull is without it."""
        known = one_of(await self._registries(), request.path_params["id"].lower(), "registry")
        await self._services.registries.remove(known["id"], who)
        return Response(status_code=204)

    async def _registries(self) -> list[dict[str, Any]]:
        return [shown.registry(known) for known in await self._services.registries.list()]
