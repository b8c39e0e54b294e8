"""Whole houses on a real Envoy, at one place, with both clocks in the hand; their pods lead to a local server."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from core.app import House, running
from core.engines.base import Instance, Order, Step
from core.engines.fake import FakeEngine
from core.gateway.base import Route, RouteState
from core.gateway.envoy import EnvoyGateway
from core.model import Caller, Pod, Traffic, Upstream
from core.reaper import Tick
from core.service import PodService, StartRequest
from core.settings import Settings
from core.store import Store
from tests.core.gateway.parts import Answer, PodServer, Site
from tests.helpers import free_port, until
from tests.houses import HandClock

WEB, SSH = 80, 22
TIMEOUT, WARNING = timedelta(minutes=30), timedelta(minutes=5)
"""The idle rule of these pods."""


class HandClocks(HandClock):
    """The wall clock, and beside it the one that nobody sets and that stands while the machine sleeps."""

    uptime = 1000.0

    def forward(self, **span: float):
        """Both go on."""
        self.uptime += timedelta(**span).total_seconds()
        return super().forward(**span)

    def jump(self, **span: float) -> None:
        """The wall clock is set, or the machine slept."""
        self.time += timedelta(**span)


class LocalEngine(FakeEngine):
    """Its pods' ports lead to servers on this machine."""

    def __init__(self, servers: dict[int, Upstream]) -> None:
        super().__init__()
        self.servers = servers
        self.inside_address = None  # one address for all houses of this machine
        self.unlisted: set[str] = set()
        """Pods that it leaves out when it is asked what it has."""

    async def start(self, order: Order) -> AsyncGenerator[Step]:
        ports = [port.number for port in order.pod.spec.ports]
        async with aclosing(super().start(order)) as steps:
            async for step in steps:
                led = {} if step.upstreams is None else {"upstreams": {n: self.servers[n] for n in ports}}
                yield step.model_copy(update=led)

    async def list(self) -> tuple[Instance, ...]:
        return tuple(found for found in await super().list() if found.pod_id not in self.unlisted)


class HandGateway(EnvoyGateway):
    """Lets something happen just before or after a door is closed for the last look; may leave its Envoy behind."""

    stays = False
    """When the house closes, Envoy serves on, as after the death of the control plane."""
    before_closing: Callable[[], Awaitable[Any]] | None = None
    after_closing: Callable[[], Awaitable[Any]] | None = None

    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        routes = list(routes)
        closing = any(route.state is RouteState.CLOSING for route in routes)
        if closing and (before := self.before_closing) is not None:
            self.before_closing = None
            await before()
        await super().apply(routes, remove)
        if closing and (after := self.after_closing) is not None:
            self.after_closing = None
            await after()

    async def close(self) -> None:
        await (self.detach() if self.stays else super().close())


@dataclass
class EnvoyHouse:
    """A running house with its place at hand."""

    place: "EnvoyPlace"
    house: House
    gateway: HandGateway

    @property
    def pods(self) -> PodService:
        return self.house.services.pods

    @property
    def store(self) -> Store:
        return self.house._store  # pyright: ignore[reportPrivateUsage]

    async def me(self) -> Caller:
        """The person at the keyboard, an admin."""
        return await self.house.services.people.local("terminal")

    async def begun(self, template: str = "web") -> Pod:
        return await self.pods.start(await self.me(), StartRequest(template=template))

    async def up(self, template: str = "web") -> Pod:
        """A pod that runs."""
        pod = await self.begun(template)
        found = await self.pods.settled(await self.me(), pod.id, 20)
        assert found.ready_at is not None, found
        return found

    async def look(self, pod: Pod) -> Pod:
        """The row now."""
        return await self.pods.get(await self.me(), pod.id)

    async def why(self, pod: Pod) -> str:
        return (await self.house.services.keeping.why(await self.me(), pod.id)).text

    async def kinds(self, pod: Pod) -> list[str]:
        """What has happened to it since it ran."""
        return [event.kind for event in await self.store.events(0, pod_id=pod.id)][3:]

    async def told(self, pod: Pod, kind: str) -> bool:
        return kind in await self.kinds(pod)

    async def ask(self, pod: Pod, path: str = "/", method: str = "GET", **headers: str) -> Answer:
        """One visit at the pod's address."""
        return await self.place.site.get(f"{pod.id}-{WEB}", path, method, **headers)

    async def later(self, **span: float) -> Tick:
        """The reaper's tick, so much later, and whatever it sets off."""
        self.place.clock.forward(**span)
        seen = await self.tick()
        await self.house.launcher.idle()
        return seen

    async def tick(self) -> Tick:
        """The reaper's tick alone."""
        return await self.house.reaper.tick(self.place.clock(), self.place.clock.uptime)

    async def every_minute(self, minutes: int, act: Callable[[], Awaitable[Any]]) -> list[Tick]:
        """So many ticks, a minute and one `act` before each."""
        seen: list[Tick] = []
        for _ in range(minutes):
            await act()
            seen.append(await self.later(minutes=1))
        return seen

    async def runs_out(self, pod: Pod, *, idle: timedelta = timedelta(), warned: bool = False) -> None:
        """From here on nobody uses it: it is warned and stopped on time, to the second."""
        second = timedelta(seconds=1)
        if not warned:
            assert (await self._over(TIMEOUT - WARNING - idle - second)) == ((), ())
            assert (await self._over(second)) == ((pod.id,), ())
            idle = TIMEOUT - WARNING
        assert (await self._over(TIMEOUT - idle - second)) == ((), ())
        assert (await self._over(second)) == ((), (pod.id,))
        assert (await self.look(pod)).status == "EXITED"

    async def _over(self, span: timedelta) -> tuple[tuple[str, ...], tuple[str, ...]]:
        seen = await self.later(seconds=span.total_seconds())
        return seen.warned, seen.stopping

    async def traffic(self) -> Traffic:
        return await self.gateway.traffic()

    async def counting(self, pod: Pod, generation: str) -> None:
        """Another Envoy than that of `generation` counts the pod's visits."""

        async def there() -> bool:
            with suppress(Exception):
                found = await self.traffic()
                return found.generation != generation and f"{pod.id}-{WEB}" in found.ports
            return False

        await until(there)


@dataclass
class EnvoyPlace:
    """A data directory, ports, clocks and an engine, for houses that come and go there."""

    site: Site
    data: Path
    server: PodServer
    engine: LocalEngine
    clock: HandClocks = field(default_factory=HandClocks)
    listen: int = field(default_factory=free_port)
    """The gateway's one TCP port."""

    def template(self, name: str, **keys: Any) -> None:
        """Write a user's template; for houses that are opened later."""
        given = {"name": name, "description": "For a test.", "image": "any", "ports": [f"{WEB}/http"]}
        (self.data / f"{name}.yaml").write_text(yaml.safe_dump(given | keys))

    @asynccontextmanager
    async def house(self) -> AsyncIterator[EnvoyHouse]:
        """Open one; only the hand lets its reaper tick."""
        settings = Settings(
            data_dir=self.data,
            templates_dir=self.data,
            gateway_listen=("127.0.0.1", self.site.port),
            reaper_interval=timedelta(days=1),
            tcp_ports=(self.listen,),
            idle_timeout=TIMEOUT,
            idle_warning=WARNING,
            max_pods_per_user=20,
        )
        gateway = self.site.gateway(HandGateway)
        assert isinstance(gateway, HandGateway)
        async with running(
            settings,
            engine=self.engine,
            gateway=gateway,
            now=self.clock,
            uptime=lambda: self.clock.uptime,
            patience=0.01,
        ) as house:
            yield EnvoyHouse(self, house, gateway)
