"""The catalog's paths: which GPUs, vCPUs and places there are, at which price, and how much of them now."""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api import shown
from core.errors import InvalidInput, NotFound
from core.model import Caller
from core.service import Availability, Services

_ONLY_WITH_IT = ("product", "count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion", "vcpuCount")
"""Parameters that say of what the availability is asked for."""


class CatalogPaths:
    """Everything below `/catalog` but templates."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def gpus(self, request: Request, _: Caller) -> Response:
        """Each kind that the engine has; with country codes none, since nobody knows where this machine stands."""
        found = await self._gpus(request.query_params)
        return JSONResponse({"gpus": found if "countryCodes" not in request.query_params else []})

    async def gpu(self, request: Request, _: Caller) -> Response:
        """One of them."""
        return JSONResponse(one_of(await self._gpus(request.query_params), request.path_params["id"], "GPU type"))

    async def cpus(self, request: Request, _: Caller) -> Response:
        """The one flavour."""
        return JSONResponse({"cpus": await self._cpus(request.query_params)})

    async def cpu(self, request: Request, _: Caller) -> Response:
        """That one."""
        return JSONResponse(one_of(await self._cpus(request.query_params), request.path_params["id"], "CPU flavor"))

    async def places(self, request: Request, _: Caller) -> Response:
        """The one place, where it is what is asked for."""
        found = await self._places(request.query_params)
        return JSONResponse({"dataCenters": [one for one in found if _fits(one, request.query_params)]})

    async def place(self, request: Request, _: Caller) -> Response:
        """That one."""
        return JSONResponse(one_of(await self._places(request.query_params), request.path_params["id"], "data center"))

    async def _gpus(self, query: QueryParams) -> list[dict[str, Any]]:
        asked = _asks_availability(query)
        if "cudaVersions" in query and "minCudaVersion" in query:
            raise InvalidInput("cudaVersions and minCudaVersion: give one of them.")
        count = int(query.get("count", "1"))
        offers = await self._services.inventory.offers(count)
        # A pod here is in the secure cloud, in no country that is known, and its CUDA version is not known either.
        never = query.get("cloud") == "COMMUNITY" or any(
            name in query for name in ("countryCodes", "cudaVersions", "minCudaVersion")
        )
        found: list[dict[str, Any]] = []
        for offer in offers.gpus:
            level = offer.availability if offer.most >= count and not never else Availability.NONE
            found.append(shown.gpu_type(offer) | (_availability(query, level) if asked else {}))
        return found

    async def _cpus(self, query: QueryParams) -> list[dict[str, Any]]:
        asked = _asks_availability(query)
        count = int(query.get("vcpuCount", "2"))
        if count & (count - 1):
            raise InvalidInput(f"vcpuCount: {count} is no power of two.")
        offer = (await self._services.inventory.offers()).cpu
        if offer is None:
            return []
        level = offer.availability if offer.most >= count else Availability.NONE
        return [shown.cpu_type(offer) | (_availability(query, level) if asked else {})]

    async def _places(self, query: QueryParams) -> list[dict[str, Any]]:
        asked, place = query.get("include", "").split(","), shown.data_center()
        offers = await self._services.inventory.offers() if asked != [""] else None
        if offers is not None and "GPU_AVAILABILITY" in asked and offers.gpus:
            place["gpuAvailability"] = [
                {"id": one.type, "name": one.name, "availability": str(one.availability or Availability.LOW)}
                for one in offers.gpus
            ]
        if offers is not None and "CPU_AVAILABILITY" in asked and offers.cpu is not None:
            flavor = shown.cpu_type(offers.cpu)
            level = str(offers.cpu.availability or Availability.LOW)
            place["cpuAvailability"] = [{"id": flavor["id"], "name": flavor["name"], "availability": level}]
        return [place]


def one_of(known: list[dict[str, Any]], wanted: str, what: str) -> dict[str, Any]:
    """The one of that id; NotFound says which there are."""
    found = next((one for one in known if one["id"] == wanted), None)
    if found is None:
        ids = ", ".join(one["id"] for one in known) or "none"
        raise NotFound(f"There is no {what} {wanted[:60]!r}. There is: {ids}.")
    return found


def _asks_availability(query: QueryParams) -> bool:
    """InvalidInput where the contract has a 400: one of `include` and what belongs to it without the other."""
    if "AVAILABILITY" in query.get("include", "").split(","):
        if not query.get("product"):
            raise InvalidInput("product: say POD. Availability is asked for one product.")
        return True
    alone = next((name for name in _ONLY_WITH_IT if name in query), None)
    if alone is not None:
        raise InvalidInput(f"{alone}: this is for availability only; add include=AVAILABILITY&product=POD.")
    return False


def _availability(query: QueryParams, level: Availability | None) -> dict[str, Any]:
    """An unknown one is told as LOW: what is there at all may be tried. There is nothing but pods here."""
    told = (level or Availability.LOW) if "POD" in query["product"].split(",") else Availability.NONE
    if told is Availability.NONE:
        return {"availability": "NONE"}
    place = shown.data_center()
    return {"availability": told, "dataCenters": [{"id": place["id"], "name": place["name"], "availability": told}]}


def _fits(place: Mapping[str, Any], query: QueryParams) -> bool:
    """Of regions one must be its own; it must have every one of the volume types and certificates."""
    if "regions" in query and place["region"] not in query["regions"].split(","):
        return False
    for name in ("networkVolumeTypes", "compliance"):
        if not set(filter(None, query.get(name, "").split(","))) <= set(place[name]):
            return False
    return query.get("globalNetwork", "false") == "false"
