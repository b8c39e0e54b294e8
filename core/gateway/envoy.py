"""The gateway on Envoy: routes go in by delta ADS, counters come out of its administration socket."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, ClassVar

import certifi
from starlette.types import ASGIApp
from typing_extensions import override

from core.errors import InvalidInput, Unavailable
from core.gateway import counters, pages, resources
from core.gateway.admin import Admin
from core.gateway.ads import ControlPlane
from core.gateway.base import Gateway, Route
from core.gateway.bootstrap import ADMIN_SOCKET, ADS_SOCKET, WAKE_SOCKET
from core.gateway.dataplane import DataPlane
from core.gateway.listeners import TLS_FILE
from core.gateway.probe import Prober
from core.gateway.process import check_free
from core.gateway.table import RouteTable
from core.gateway.tls import Certificate
from core.gateway.wake import WakeServer
from core.model import Traffic, Upstream, route_key

log = logging.getLogger(__name__)

LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel takes 107."""
START_SECONDS = 60.0
"""Ten thousand pod ports take it ten on a slow machine."""
ADOPT_SECONDS = 10.0


class EnvoyGateway(Gateway):
    """One Envoy for all pods. It keeps serving when this process dies, and is adopted by the next `open`.

    `directory`: its sockets, state and log, for this gateway alone. `public`: scheme and `:port` (or nothing) that
    people see. `binary`: another Envoy than the package's. `tls`: the files of certificate and key, PEM.
    `ca`: the file of the authorities that may vouch for pods spoken to by TLS; None: those that browsers trust.
    """

    patience: ClassVar[float] = 10.0
    """Seconds in which Envoy must have confirmed a change."""
    connections_per_port: ClassVar[int] = resources.CONNECTIONS_PER_PORT
    """One more than these gets a 503 at once, and other ports do not notice."""

    def __init__(
        self,
        directory: Path,
        listen: tuple[str, int],
        domain: str,
        public: tuple[str, str],
        *,
        binary: Path | None = None,
        tls: tuple[Path, Path] | None = None,
        ca: Path | None = None,
    ) -> None:
        trusted = (ca or Path(certifi.where())).absolute()
        self._directory = directory.absolute()
        self._listen = listen
        self._domain = domain
        self._public = public
        self._admin = Admin(self._directory / ADMIN_SOCKET)
        self._plane = DataPlane(self._directory, listen, binary, self._admin, tls=tls is not None)
        self._control = ControlPlane(self._directory / ADS_SOCKET)
        self._table = RouteTable(
            self._control,
            domain,
            listen[0],
            https=public[0] == "https",
            limit=self.connections_per_port,
            ca=str(trusted),
        )
        self._wake = WakeServer(self._directory / WAKE_SOCKET)
        self._certificate = None if tls is None else Certificate(self._directory, tls)
        self._prober = Prober(tls=tls is not None, ca=trusted)
        self._changes: set[asyncio.Task[str | None]] = set()
        self._open = False

    @override
    async def open(self, routes: Iterable[Route]) -> None:
        adopted = False
        try:
            self._make_directory()
            if self._certificate is not None:
                self._certificate.place()
            self._table.preload(routes)
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
        if self._certificate is not None:
            self._certificate.watch()
        self._open = True

    @override
    async def close(self) -> None:
        await self._let_go()
        await self._plane.stop()
        (self._directory / TLS_FILE).unlink(missing_ok=True)

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
        refusals = await self._confirmed([self._table.change(key, route) for key, route in wanted.items()])
        if refusals:
            raise InvalidInput("\n".join(refusals))

    @override
    def welcome(self, app: ASGIApp) -> None:
        self._wake.guest = app

    @override
    async def listen_inside(self, address: tuple[str, int] | None) -> None:
        if not self._open:
            self._table.inside = address
            return
        refusals = await self._confirmed([self._table.listen_inside(address)])
        if refusals and address is not None:
            raise Unavailable(
                f"The gateway cannot listen on {address[0]}:{address[1]}, where pods say that they are in use: "
                f"{refusals[0]}. What it listened on before stays."
            )

    @override
    async def traffic(self) -> Traffic:
        self._must_be_open()
        state, changes, counted = self._plane.state, self._table.changes, self._table.counted()
        if state is None:
            raise Unavailable("The gateway's Envoy has died and is being started again; nothing can be counted now.")
        found = counters.parse(await self._admin.counters())
        if self._plane.state != state:
            raise Unavailable("The gateway's Envoy was started again while its counters were read.")
        if self._table.changes != changes:
            counted &= self._table.counted()
        return Traffic(generation=state.node, ports=counters.port_traffic(found, counted))

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
        return f"{self._plane.description} serves {pages.addresses(len(self._table.routes))} on {host}:{port}."

    @override
    def url(self, pod_id: str, port: int) -> str:
        scheme, suffix = self._public
        return f"{scheme}://{route_key(pod_id, port)}.{self._domain}{suffix}"

    @override
    def tcp_url(self, listen: int) -> str:
        host = self._domain if self._listen[0] in ("0.0.0.0", "::") else self._listen[0]
        return f"tcp://[{host}]:{listen}" if ":" in host else f"tcp://{host}:{listen}"

    @override
    def vacant(self, listen: int) -> bool:
        try:
            check_free((self._listen[0], listen))
        except Unavailable:
            return False
        return True

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

    async def _confirmed(self, changes: Iterable[Coroutine[Any, Any, str | None]]) -> list[str]:
        """Waits until Envoy has answered all of them, and returns its refusals; Unavailable when it takes too long."""
        tasks = [asyncio.create_task(change) for change in changes]
        self._changes.update(tasks)
        for task in tasks:
            task.add_done_callback(self._changes.discard)
        done, late = await asyncio.wait(tasks, timeout=self.patience)
        refusals = [words for task in done if (words := task.result()) is not None]
        if late and not refusals:
            raise Unavailable(
                f"The gateway's Envoy did not confirm {len(late)} of {len(tasks)} addresses within "
                f"{self.patience:.0f} s. What was asked for is kept and reaches it when it answers again."
            )
        return refusals

    async def _let_go(self) -> None:
        self._open = False
        for task in list(self._changes):
            task.cancel()
        await self._control.stop()
        if self._certificate is not None:
            await self._certificate.stop()
        await self._wake.stop()
        await self._prober.close()
        await self._admin.close()
