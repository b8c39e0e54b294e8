"""The gateway on Envoy: routes go in by delta ADS, counters come out of its administration socket."""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar
from weakref import WeakValueDictionary

from starlette.types import ASGIApp
from typing_extensions import override

from core.errors import InvalidInput, Unavailable
from core.gateway import counters, pages, resources
from core.gateway.admin import Admin
from core.gateway.ads import ControlPlane, Refused
from core.gateway.base import Gateway, Route
from core.gateway.bootstrap import ADMIN_SOCKET, ADS_SOCKET, WAKE_SOCKET
from core.gateway.dataplane import DataPlane
from core.gateway.probe import Prober
from core.gateway.resources import CDS, SRDS
from core.gateway.wake import WakeServer, stopped
from core.model import Traffic, Upstream, route_key

log = logging.getLogger(__name__)

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107."""
START_SECONDS = 20.0
ADOPT_SECONDS = 10.0


class EnvoyGateway(Gateway):
    """One Envoy for all pods. It keeps serving when this process dies, and is adopted by the next `open`.

    `directory`: its sockets, state and log, for this gateway alone. `public`: scheme and `:port` (or nothing) that
    people see. `binary`: another Envoy than the package's. `wake`: the application that answers for stopped pods.
    """

    patience: ClassVar[float] = 10.0
    """Seconds in which Envoy must have confirmed a change."""

    def __init__(
        self,
        directory: Path,
        listen: tuple[str, int],
        domain: str,
        public: tuple[str, str],
        *,
        binary: Path | None = None,
        wake: ASGIApp = stopped,
    ) -> None:
        self._directory = directory.absolute()
        self._listen = listen
        self._domain = domain
        self._public = public
        self._admin = Admin(self._directory / ADMIN_SOCKET)
        self._plane = DataPlane(self._directory, listen, binary, self._admin)
        self._control = ControlPlane(self._directory / ADS_SOCKET)
        self._wake = WakeServer(self._directory / WAKE_SOCKET, wake)
        self._prober = Prober()
        self._routes: dict[str, Route] = {}
        self._revs: dict[str, int] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._changes: set[asyncio.Task[str | None]] = set()
        self._open = False

    @override
    async def open(self, routes: Iterable[Route]) -> None:
        self._routes = {route.key: route for route in routes}
        adopted = False
        try:
            self._make_directory()
            self._preload()
            self._wake.start()
            adopted = await self._plane.prepare(self._control.expect)
            await self._control.start()
            if not adopted:
                await self._plane.start()
            if adopted and not await self._serving(ADOPT_SECONDS):
                log.warning("The adopted Envoy does not come for its routes")
                await self._plane.replace()
                adopted = False
            if not adopted and not await self._serving(START_SECONDS):
                raise Unavailable(
                    f"The gateway's Envoy was started and did not become ready within {START_SECONDS:.0f} s. "
                    f"Its log is in {self._directory}."
                )
        except BaseException:
            await (self.detach() if adopted else self.close())
            raise
        self._plane.watch()
        self._open = True

    @override
    async def close(self) -> None:
        await self._let_go()
        await self._plane.stop()

    async def detach(self) -> None:
        """Let go of everything but Envoy itself, which serves on as if this process had died."""
        await self._let_go()
        await self._plane.detach()

    @override
    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        wanted: dict[str, Route | None] = {route.key: route for route in routes}
        wanted |= dict.fromkeys(remove)
        for route in wanted.values():
            if route is not None:
                resources.check(route)
        self._must_be_open()
        if not wanted:
            return
        tasks = [asyncio.create_task(self._change(key, route)) for key, route in wanted.items()]
        self._changes.update(tasks)
        for task in tasks:
            task.add_done_callback(self._changes.discard)
        done, late = await asyncio.wait(tasks, timeout=self.patience)
        refusals = [words for task in done if (words := task.result()) is not None]
        if refusals:
            raise InvalidInput("\n".join(refusals))
        if late:
            raise Unavailable(
                f"The gateway's Envoy did not confirm {len(late)} of {len(tasks)} addresses within "
                f"{self.patience:.0f} s. What was asked for is kept and reaches it when it answers again."
            )

    @override
    async def traffic(self) -> Traffic:
        self._must_be_open()
        state, before = self._plane.state, self._counted()
        if state is None:
            raise Unavailable("The gateway's Envoy has died and is being started again; nothing can be counted now.")
        found = counters.parse(await self._admin.counters())
        if self._plane.state != state:
            raise Unavailable("The gateway's Envoy was started again while its counters were read.")
        ports = counters.port_traffic(found, [key for key in self._counted() if key in before])
        return Traffic(generation=state.node, ports=ports)

    @override
    async def probe(self, pod_id: str, port: int, path: str = "/") -> int | None:
        """As the seam says; a probe is a visit like any other, and is counted."""
        self._must_be_open()
        return await self._prober.visit(self._listen, f"{route_key(pod_id, port)}.{self._domain}", path)

    @override
    async def reach(self, upstream: Upstream, path: str | None) -> bool:
        return await self._prober.reach(upstream, path)

    @override
    async def check(self) -> str:
        self._must_be_open()
        if self._plane.state is None:
            raise Unavailable(
                f"The gateway's Envoy has died and is not back yet; its log is in {self._directory}. "
                "It is tried again by itself."
            )
        if not await self._admin.serving() or not self._control.synced.is_set():
            raise Unavailable(
                f"The gateway's {self._plane.description} runs and is not ready; its log is in {self._directory}."
            )
        host, port = self._listen
        return f"{self._plane.description} serves {pages.addresses(len(self._routes))} on {host}:{port}."

    @override
    def url(self, pod_id: str, port: int) -> str:
        scheme, suffix = self._public
        return f"{scheme}://{route_key(pod_id, port)}.{self._domain}{suffix}"

    def _must_be_open(self) -> None:
        if not self._open:
            raise Unavailable("The gateway is not open. Start Podkeeper with `podkeeper up`.")

    def _make_directory(self) -> None:
        longest = max(len(str(self._directory / name).encode()) for name in (ADMIN_SOCKET, ADS_SOCKET, WAKE_SOCKET))
        if longest > LONGEST_SOCKET_PATH:
            raise Unavailable(
                f"The gateway cannot keep its sockets in {self._directory}: their paths would have {longest} bytes, "
                f"and {LONGEST_SOCKET_PATH} is the most. Set PODKEEPER_DATA_DIR to a shorter path."
            )
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory.chmod(0o700)
        except OSError as error:
            raise Unavailable(
                f"The gateway cannot use {self._directory}: {error.strerror}. Set PODKEEPER_DATA_DIR to another."
            ) from None

    def _preload(self) -> None:
        for route in list(self._routes.values()):
            try:
                resources.check(route)
            except InvalidInput as error:
                # One bad row must not keep all the others from being served.
                log.error("%s", error)
                del self._routes[route.key]
                continue
            self._control.preload(CDS, resources.clusters(route))
            self._control.preload(SRDS, {route.key: self._scope(route)})

    async def _serving(self, seconds: float) -> bool:
        """Envoy has everything and takes visitors; Unavailable with its last words when it ends instead."""
        died = asyncio.create_task(self._plane.died())
        ready = asyncio.create_task(self._ready())
        done, _ = await asyncio.wait((died, ready), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (died, ready):
            task.cancel()
        if died in done:
            raise died.result()
        return ready in done

    async def _ready(self) -> None:
        await self._control.synced.wait()
        while not await self._admin.serving():  # noqa: ASYNC110 - another process, there is nothing to wait on
            await asyncio.sleep(0.01)

    async def _let_go(self) -> None:
        self._open = False
        for task in list(self._changes):
            task.cancel()
        await self._control.stop()
        await self._wake.stop()
        await self._prober.close()
        await self._admin.close()

    def _counted(self) -> set[str]:
        """Pod ports whose every counter this Envoy has confirmed to keep."""
        return {
            route.key
            for route in resources.carrying(self._routes.values())
            if self._control.holds(SRDS, route.key)
            and all(self._control.holds(CDS, name) for name in resources.cluster_names(route.key))
        }

    def _scope(self, route: Route) -> resources.Document:
        https = self._public[0] == "https"
        return resources.scope(route, self._domain, https=https, rev=self._revs.get(route.key, 0))

    async def _change(self, key: str, route: Route | None) -> str | None:
        """One pod port becomes this; None, or why Envoy refused. Goes on when nobody waits for it any more."""
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            former = self._routes.get(key)
            try:
                await self._settle(key, route)
            except Refused as refused:
                words = f"gateway: {key} was refused by Envoy and stays as it was: {_shorter(str(refused))}"
                log.warning("%s", words)
                await self._restore(key, former)
                return words
            if route is None:
                self._routes.pop(key, None)
                self._revs.pop(key, None)
            else:
                self._routes[key] = route
            return None

    async def _settle(self, key: str, route: Route | None, *, sweep: bool = False) -> None:
        """Clusters before the scope that points at them, and after it on the way down; each step is confirmed.

        `sweep`: Envoy may hold what it should not, so everything that is not wanted is dropped by name.
        """
        clusters = {} if route is None else resources.clusters(route)
        if clusters:
            await self._control.change(CDS, clusters)
        if route is not None:
            await self._control.change(SRDS, {key: self._scope(route)})
        elif sweep or self._control.wants(SRDS, key):
            await self._control.change(SRDS, {}, [key])
        unwanted = [name for name in resources.cluster_names(key) if name not in clusters]
        unwanted = [name for name in unwanted if sweep or self._control.wants(CDS, name)]
        if unwanted:
            await self._control.change(CDS, {}, unwanted)

    async def _restore(self, key: str, former: Route | None) -> None:
        self._revs[key] = self._revs.get(key, 0) + 1
        try:
            await self._settle(key, former, sweep=True)
        except Refused as refused:
            log.error("Envoy refuses the former state of %s as well: %s", key, refused)


def _shorter(words: str) -> str:
    """Envoy's words; when it quotes the whole message first, only what it says about it."""
    text = " ".join(words.split())
    return text if len(text) <= 300 else "…" + text[-300:]
