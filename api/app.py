"""The application below `/v2`: paths, who may come in, and what each path asks of the core."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from api import page, problems
from api.bearers import Bearers
from api.contract import document, query_failures
from api.pods import PodPaths
from api.problems import Invalid, NotOffered, problem
from api.stock import FIXED_REGISTRIES, FIXED_TEMPLATES, FIXED_VOLUME, StockPaths
from core.errors import PodError
from core.model import Caller
from core.service import Services

Handler = Callable[[Request, Caller], Awaitable[Response]]
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ABSENT = ("account", "billing", "clusters", "endpoints", "serverless", "hub")
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
        paths: dict[str, dict[str, Handler | str]] = {
            "/pods": {"GET": pods.pods, "POST": pods.create},
            "/pods/{id}": {"GET": pods.pod, "PATCH": pods.update, "DELETE": pods.delete},
            "/pods/{id}/action": {"POST": pods.action},
            "/pods/{id}/logs": {"GET": pods.logs},
            "/templates": {"GET": stock.templates, "POST": FIXED_TEMPLATES},
            "/templates/{id}": {"GET": stock.template, "PATCH": FIXED_TEMPLATES, "DELETE": FIXED_TEMPLATES},
            "/catalog/templates": {"GET": stock.templates},
            "/catalog/gpus": {"GET": stock.gpus},
            "/catalog/gpus/{id}": {"GET": stock.gpu},
            "/catalog/cpus": {"GET": stock.cpus},
            "/catalog/cpus/{id}": {"GET": stock.cpu},
            "/catalog/datacenters": {"GET": stock.places},
            "/catalog/datacenters/{id}": {"GET": stock.place},
            "/network-volumes": {"GET": stock.volumes, "POST": stock.create_volume},
            "/network-volumes/{id}": {"GET": stock.volume, "PATCH": FIXED_VOLUME, "DELETE": stock.delete_volume},
            "/registries": {"GET": stock.registries, "POST": FIXED_REGISTRIES},
            "/registries/{id}": {"GET": stock.registry, "DELETE": FIXED_REGISTRIES},
        }
        return Starlette(
            routes=[
                Route("/openapi.json", self._document),
                Route("/docs", self._page),
                *(Route(path, self._guarded(path, verbs), methods=VERBS) for path, verbs in paths.items()),
                Route("/{rest:path}", self._absent, methods=VERBS),
            ],
            exception_handlers={
                PodError: problems.of_pod_error,
                Invalid: problems.of_invalid,
                NotOffered: problems.of_not_offered,
                HTTPException: problems.of_http,
                Exception: problems.of_bug,
            },
        )

    def _guarded(self, path: str, verbs: Mapping[str, Handler | str]) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            who = await self._bearers.caller(request)
            if who is None:
                said = "Send a Podkeeper token as `Authorization: Bearer …`; /pod token in Slack makes one."
                return problem(401, "Unauthorized", said, **{"WWW-Authenticate": "Bearer"})
            verb = "GET" if request.method == "HEAD" else request.method
            handler = verbs.get(verb, f"{verb} is not for this path.")
            if isinstance(handler, str):
                allowed = ", ".join(one for one, known in verbs.items() if not isinstance(known, str))
                raise HTTPException(405, handler, {"Allow": allowed})
            wrong = query_failures(path, verb, request.query_params.multi_items())
            if wrong:
                raise Invalid(wrong)
            return await handler(request, who)

        return handle

    async def _absent(self, request: Request) -> Response:
        rest = request.path_params["rest"]
        for name in ABSENT:
            if rest == name or rest.startswith(f"{name}/"):
                raise NotOffered(f"{name}: RunPod has this, Podkeeper has not. /v2/docs lists what there is.")
        raise HTTPException(404, f"There is no /v2/{rest[:60]}; /v2/docs lists what there is.")

    async def _document(self, request: Request) -> Response:
        return JSONResponse(document(_origin(request)))

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(page.of(document(_origin(request))))


def _origin(request: Request) -> str:
    return str(request.base_url).rstrip("/").removesuffix("/v2")
