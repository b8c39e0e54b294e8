"""The paths beside pods: templates, what there is to have, network volumes, registries."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api import bodies, shown
from core.errors import NotFound
from core.model import Caller
from core.service import Services

FIXED_TEMPLATES = "Templates are files here (PODKEEPER_TEMPLATES_DIR), which only whoever runs this Podkeeper changes."
FIXED_VOLUME = "A network volume keeps its name and size here: no engine of ours enforces a size yet."
FIXED_REGISTRIES = (
    "Credentials belong to the image's host here, which this request cannot say. Whoever runs this Podkeeper adds one "
    "with `podkeeper registry add HOST`; pods then use it by themselves."
)
"""Why what the contract has is not allowed."""


class StockPaths:
    """What pods are made from, and what outlives them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def templates(self, request: Request, _: Caller) -> Response:
        """All of them; below `/catalog` those that come with Podkeeper."""
        known = self._services.templates.list()
        if request.url.path.endswith("/catalog/templates"):
            known = tuple(one for one in known if one.source == "built-in")
        return JSONResponse({"templates": [shown.template(one) for one in known]})

    async def template(self, request: Request, _: Caller) -> Response:
        """One template."""
        return JSONResponse(shown.template(self._services.templates.get(request.path_params["id"])))

    async def gpus(self, _: Request, who: Caller) -> Response:
        """Each kind of device that the engine has."""
        return JSONResponse({"gpus": shown.gpu_types(await self._services.pods.gpus())})

    async def gpu(self, request: Request, who: Caller) -> Response:
        """One of them."""
        return _one(request, shown.gpu_types(await self._services.pods.gpus()), "GPU type")

    async def cpus(self, _: Request, who: Caller) -> Response:
        """The one flavour."""
        return JSONResponse({"cpus": shown.cpu_types()})

    async def cpu(self, request: Request, _: Caller) -> Response:
        """That one."""
        return _one(request, shown.cpu_types(), "CPU flavor")

    async def places(self, _: Request, who: Caller) -> Response:
        """The one place."""
        return JSONResponse({"dataCenters": shown.data_centers()})

    async def place(self, request: Request, _: Caller) -> Response:
        """That one."""
        return _one(request, shown.data_centers(), "data center")

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
        return _one(request, [shown.volume(volume) for volume in await self._services.volumes.list(who)], "volume")

    async def delete_volume(self, request: Request, who: Caller) -> Response:
        """204; 409 while a pod has it."""
        wanted = request.path_params["id"]
        if all(volume.id != wanted for volume in await self._services.volumes.list(who)):
            raise NotFound(f"There is no network volume with the id {wanted[:40]!r}.")
        await self._services.volumes.delete(who, wanted)
        return Response(status_code=204)

    async def registries(self, _: Request, who: Caller) -> Response:
        """The hosts that credentials are stored for, without these."""
        return JSONResponse({"registries": await self._registries()})

    async def registry(self, request: Request, _: Caller) -> Response:
        """One of them."""
        return _one(request, await self._registries(), "registry")

    async def _registries(self) -> list[dict[str, Any]]:
        return [{"id": known.host, "name": known.host} for known in await self._services.registries.list()]


def _one(request: Request, known: list[dict[str, Any]], what: str) -> Response:
    wanted = request.path_params["id"]
    found = next((one for one in known if one["id"] == wanted), None)
    if found is None:
        raise NotFound(
            f"There is no {what} {wanted[:60]!r}. There is: {', '.join(one['id'] for one in known) or 'none'}."
        )
    return JSONResponse(found)
