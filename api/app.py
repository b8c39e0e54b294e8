"""The application below `/v2`: paths, who may come in, and what each path asks of the core."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from api import page, problems
from api.bearers import Bearers
from api.catalog import CatalogPaths
from api.contract import document, query_failures
from api.pods import PodPaths
from api.problems import Invalid, NotOffered, problem
from api.stock import StockPaths
from core.errors import PodError
from core.model import Caller
from core.service import Services

Handler = Callable[[Request, Caller], Awaitable[Response]]
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ABSENT = ("account", "billing", "clusters", "endpoints", "serverless", "hub", "registries/delegations")
"""What RunPod has below `/v2` and we do not."""


def app(services: Services, token: str) -> Starlette:
    """See `api.face`."""
    return _Door(services, token).app()


class _Door:
    def __init__(self, services: Services, token: str) -> None:
        self._services = services
        self._bearers = Bearers(services, token)

    def app(self) -> Starlette:
        pods, stock = PodPaths(self._services), StockPaths(self._services)
        catalog = CatalogPaths(self._services)
        paths: dict[str, dict[str, Handler]] = {
            "/pods": {"GET": pods.pods, "POST": pods.create},
            "/pods/{id}": {"GET": pods.pod, "PATCH": pods.update, "DELETE": pods.delete},
            "/pods/{id}/action": {"POST": pods.action},
            "/pods/{id}/logs": {"GET": pods.logs},
            "/templates": {"GET": stock.templates, "POST": stock.save_template},
            "/templates/{id}": {"GET": stock.template, "PATCH": stock.change_template, "DELETE": stock.remove_template},
            "/catalog/templates": {"GET": stock.official_templates},
            "/catalog/gpus": {"GET": catalog.gpus},
            "/catalog/gpus/{id}": {"GET": catalog.gpu},
            "/catalog/cpus": {"GET": catalog.cpus},
            "/catalog/cpus/{id}": {"GET": catalog.cpu},
            "/catalog/datacenters": {"GET": catalog.places},
            "/catalog/datacenters/{id}": {"GET": catalog.place},
            "/network-volumes": {"GET": stock.volumes, "POST": stock.create_volume},
            "/network-volumes/{id}": {"GET": stock.volume, "PATCH": stock.change_volume, "DELETE": stock.delete_volume},
            "/registries": {"GET": stock.registries, "POST": stock.save_registry},
            "/registries/{id}": {"GET": stock.registry, "DELETE": stock.remove_registry},
        }
        return Starlette(
            routes=[
                Route("/openapi.json", self._document),
                Route("/docs", self._page),
                *(Route(f"/{name}{{rest:path}}", self._absent, methods=VERBS) for name in ABSENT),
                *(Route(path, self._guarded(path, verbs), methods=VERBS) for path, verbs in paths.items()),
                Route("/{rest:path}", self._nothing, methods=VERBS),
            ],
            exception_handlers={
                PodError: problems.of_pod_error,
                Invalid: problems.of_invalid,
                NotOffered: problems.of_not_offered,
                HTTPException: problems.of_http,
                Exception: problems.of_bug,
            },
        )

    def _guarded(self, path: str, verbs: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            who = await self._bearers.caller(request)
            if who is None:
                said = "Send a Podkeeper token as `Authorization: Bearer …`; /pod token in Slack makes one."
                return problem(401, "Unauthorized", said, **{"WWW-Authenticate": "Bearer"})
            verb = "GET" if request.method == "HEAD" else request.method
            if verb not in verbs:
                raise HTTPException(405, f"{verb} is not for this path.", {"Allow": ", ".join(verbs)})
            wrong = query_failures(path, verb, request.query_params.multi_items())
            if wrong:
                raise Invalid(wrong)
            return await verbs[verb](request, who)

        return handle

    async def _absent(self, request: Request) -> Response:
        path = request.url.path.partition("/v2/")[2]
        name = next((one for one in ABSENT if path == one or path.startswith(f"{one}/")), None)
        if name is None:
            return await self._nothing(request)
        raise NotOffered(f"{name}: RunPod has this, Podkeeper has not. /v2/docs lists what there is.")

    async def _nothing(self, request: Request) -> Response:
        path = request.url.path.partition("/v2/")[2]
        raise HTTPException(404, f"There is no /v2/{path[:60]}; /v2/docs lists what there is.")

    async def _document(self, request: Request) -> Response:
        return JSONResponse(document(_origin(request)))

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(page.of(document(_origin(request))))


def _origin(request: Request) -> str:
    """Where this `/v2` is found, as the request has found it."""
    url = request.url
    return f"{url.scheme}://{url.netloc}{request.scope['root_path'].removesuffix('/v2')}"
