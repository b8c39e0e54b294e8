"""A gateway in memory, for tests of the rest of the house: it says yes at once and counts what it is told."""

import uuid
from collections.abc import Iterable

from starlette.types import ASGIApp
from typing_extensions import override

from core.errors import InvalidInput, PodError, Unavailable
from core.gateway import pages
from core.gateway.base import Gateway, Route, RouteState
from core.gateway.resources import check
from core.model import PortTraffic, Traffic, Upstream, route_key

_CARRYING = (RouteState.LIVE, RouteState.CLOSING)


class FakeGateway(Gateway):
    """Behaves as the seam says; the public attributes are there to be set and looked at."""

    def __init__(self, domain: str = "proxy.localhost", public: tuple[str, str] = ("http", ":8080")) -> None:
        self._domain = domain
        self._public = public
        self._counters: dict[str, PortTraffic] = {}
        self._opened = False
        self.generation = uuid.uuid4().hex
        self.routes: dict[str, Route] = {}
        """What visitors meet now, by key."""
        self.history: list[Route | str] = []
        """Everything that was applied, in order: routes, and keys that were removed."""
        self.missing: set[str] = set()
        """Keys whose counters cannot be read."""
        self.failing: PodError | None = None
        """Raised by `apply`, `listen_inside`, `traffic` and `check` while it is set."""
        self.refusing: dict[str, str] = {}
        """Keys that the data plane refuses, with its words."""
        self.answers: dict[str, int | None] = {}
        """What `probe` gets from the pod of a live key; 200 when it is not said."""
        self.guest: ASGIApp | None = None
        """What `welcome` was given."""
        self.inside: tuple[str, int] | None = None
        """What `listen_inside` was given."""
        self.occupied: set[int] = set()
        """TCP ports that somebody else listens on."""
        self.unreached: set[str] = set()
        """Hosts of upstreams that do not answer `reach`; `*`: none does."""

    def count(self, pod_id: str, port: int, **figures: int) -> None:
        """Add to the counters of a pod port, by the names of `PortTraffic`; negative for what is no longer open."""
        key = route_key(pod_id, port)
        now = self._counters.get(key, PortTraffic())
        added = {name: getattr(now, name) + figure for name, figure in figures.items()}
        self._counters[key] = PortTraffic(**{**now.model_dump(), **added})

    def restart_data_plane(self) -> None:
        """As when Envoy died and is back: the routes stand, the counters begin at zero."""
        self.generation = uuid.uuid4().hex
        self._counters.clear()

    @override
    async def open(self, routes: Iterable[Route]) -> None:
        self.routes = {route.key: route for route in routes}
        self.history.extend(self.routes.values())
        self._opened = True

    @override
    async def close(self) -> None:
        self._opened = False

    @override
    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        self._work()
        refused: list[str] = []
        routes = list(routes)
        for route in routes:
            check(route)
        for route in routes:
            if route.key in self.refusing:
                refused.append(
                    f"gateway: {route.key} was refused by Envoy and stays as it was: {self.refusing[route.key]}"
                )
                continue
            if route.state not in _CARRYING:
                self._counters.pop(route.key, None)
            self.routes[route.key] = route
            self.history.append(route)
        for key in remove:
            self._counters.pop(key, None)
            self.routes.pop(key, None)
            self.history.append(key)
        if refused:
            raise InvalidInput("\n".join(refused))

    @override
    def welcome(self, app: ASGIApp) -> None:
        self.guest = app

    @override
    async def listen_inside(self, address: tuple[str, int] | None) -> None:
        if self._opened and self.failing is not None:
            raise self.failing
        self.inside = address

    @override
    async def traffic(self) -> Traffic:
        self._work()
        ports = {
            key: self._counters.get(key, PortTraffic())
            for key, route in self.routes.items()
            if route.state in _CARRYING and key not in self.missing
        }
        return Traffic(generation=self.generation, ports=ports)

    @override
    async def probe(self, pod_id: str, port: int, path: str = "/") -> int | None:
        key = route_key(pod_id, port)
        route = self.routes.get(key)
        if route is None or route.state is not RouteState.LIVE or route.listen is not None:
            return None
        self.count(pod_id, port, completed=1, succeeded=1)
        return self.answers.get(key, 200)

    @override
    async def reach(self, upstream: Upstream, path: str | None) -> bool:
        return upstream.host not in self.unreached and "*" not in self.unreached

    @override
    async def check(self) -> str:
        self._work()
        return f"The gateway in memory serves {pages.addresses(len(self.routes))}."

    @override
    def url(self, pod_id: str, port: int) -> str:
        scheme, suffix = self._public
        return f"{scheme}://{route_key(pod_id, port)}.{self._domain}{suffix}"

    @override
    def tcp_url(self, listen: int) -> str:
        return f"tcp://127.0.0.1:{listen}"

    @override
    def vacant(self, listen: int) -> bool:
        return listen not in self.occupied

    def _work(self) -> None:
        if self.failing is not None:
            raise self.failing
        if not self._opened:
            raise Unavailable("The gateway is not open. Start Podkeeper with `podkeeper up`.")
