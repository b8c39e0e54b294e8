"""The composition root: from settings to a running house, and the clock that drives its ticks."""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

from core.engines.base import Engine
from core.errors import AlreadyRunning, PodError, Unavailable
from core.gateway.base import Gateway
from core.launcher import Launcher, Terms, routes_of
from core.model import Status
from core.parts import envoy_gateway, make_data_dir, named_engine
from core.progress import Board
from core.reaper import Reaper
from core.reconciler import Reconciler
from core.service import (
    Confirmations,
    Costs,
    Inventory,
    Keeping,
    Logins,
    Notes,
    People,
    PodService,
    Ports,
    Registries,
    Services,
    Shares,
    Templates,
    Tokens,
    Volumes,
    Waking,
)
from core.settings import Settings
from core.store import Store
from core.templates import Catalog
from core.ticks import Ticks
from core.wake import WakeApp
from core.witness import Witness

log = logging.getLogger("podkeeper")

EVENTS_KEPT = timedelta(days=90)


def utcnow() -> datetime:
    """The one clock of the house."""
    return datetime.now(UTC)


class House:
    """What runs: the services for the faces, and how it is with the parts."""

    def __init__(
        self,
        settings: Settings,
        services: Services,
        store: Store,
        engine: Engine,
        gateway: Gateway,
        reaper: Reaper,
        reconciler: Reconciler,
        launcher: Launcher,
    ) -> None:
        self.settings = settings
        self.services = services
        self.reaper = reaper
        self.reconciler = reconciler
        self.launcher = launcher
        self._store = store
        self._engine = engine
        self._gateway = gateway

    @property
    def problems(self) -> tuple[str, ...]:
        """What was left out at start, a sentence each."""
        return self.services.templates.files.problems

    async def missing(self) -> list[str]:
        """What is not usable now, a sentence each; empty when all is ready."""
        found: list[str] = []
        for check in (self._store.last_event, self._engine.check, self._gateway.check):
            try:
                await check()
            except PodError as error:
                found.append(str(error))
        return found

    async def describe(self) -> list[str]:
        """One sentence each about engine and gateway."""
        found: list[str] = []
        for check in (self._engine.check, self._gateway.check):
            try:
                found.append(await check())
            except PodError as error:
                found.append(str(error))
        return found

    async def listen_inside(self) -> None:
        """Let pods reach their keep-alive address, on their own network, where the engine has one."""
        try:
            address = await self._engine.inside()
            await self._gateway.listen_inside((address, self.settings.keepalive_port) if address is not None else None)
        except PodError as error:
            log.warning("pods cannot reach their keep-alive addresses now: %s", error)

    async def running_pods(self) -> int:
        """How many pods hold compute."""
        return len(await self._store.pods(status={s for s in Status if s.holds_compute}))


def spare_the_collector() -> None:
    """For a process that does nothing but serve, once it has opened: what is there then stays.

    Python would else go through all of it again and again, which with thousands of pods takes a third of a tick.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    engine: Engine | None = None,
    gateway: Gateway | None = None,
    now: Callable[[], datetime] = utcnow,
    uptime: Callable[[], float] | None = None,
    patience: float = 1.0,
) -> AsyncGenerator[House]:
    """Open every room in order, drive the ticks, and close in reverse; pods keep running.

    `uptime`: seconds of a clock that nobody sets and that stands while the machine sleeps; where only `now` is given,
    it goes as `now` does.

    AlreadyRunning when another process leads on this data; Unavailable when the database or the gateway cannot be
    opened. An engine that is down is waited for: `missing()` says so meanwhile.
    """
    make_data_dir(settings.data_dir)
    if uptime is None:
        uptime = time.monotonic if now is utcnow else lambda: now().timestamp()
    engine = engine or named_engine(settings)
    gateway = gateway or envoy_gateway(settings)
    async with AsyncExitStack() as stack:
        store = await Store.open(settings.database, settings.data_dir / "registry.key")
        stack.push_async_callback(store.close)
        if not await store.lead():
            where, variable = settings.data_dir, "PODKEEPER_DATA_DIR"
            if settings.database_url is not None:
                where, variable = "the database of PODKEEPER_DATABASE_URL", "PODKEEPER_DATABASE_URL"
            raise AlreadyRunning(
                f"A Podkeeper is already running on {where}. Use that one, stop it first, or give this one another "
                f"{variable}."
            )
        await engine.open(store.installation)
        stack.push_async_callback(engine.close)
        rows = await store.pods(status=frozenset(Status) - {Status.TERMINATED})
        house = _compose(settings, store, engine, gateway, now, patience)
        gateway.welcome(WakeApp(house.services.waking, house.services.keeping, now))
        await house.listen_inside()
        await gateway.open([route for pod in rows for route in routes_of(pod)])
        stack.push_async_callback(gateway.close)
        stack.push_async_callback(house.launcher.close)
        stack.push_async_callback(house.services.shares.close)
        await house.reconciler.tick(now(), alone=True)
        stack.push_async_callback(_last_look, house, now, uptime)
        watcher = asyncio.create_task(_watch(engine, house.reconciler), name="engine changes")
        stack.push_async_callback(_end, watcher)
        ticks = _ticks(settings, store, house, now, uptime)
        ticks.start()
        stack.push_async_callback(ticks.close)
        yield house


def _compose(
    settings: Settings, store: Store, engine: Engine, gateway: Gateway, now: Callable[[], datetime], patience: float
) -> House:
    board = Board()
    terms = Terms(
        patience=patience,
        drain=settings.drain,
        tcp_ports=() if engine.features.direct_tcp else settings.tcp_ports,
        keepalive_port=settings.keepalive_port,
    )
    launcher = Launcher(store, engine, gateway, board, now, terms)
    witness = Witness(store, gateway, engine)
    files = Catalog.load(settings.templates_dir, settings.idle_timeout, settings.idle_warning)
    templates = Templates(store, files, now)
    volumes = Volumes(store, engine, now)
    pods = PodService(settings, store, engine, gateway, launcher, templates, volumes, board, now)
    services = Services(
        pods=pods,
        keeping=Keeping(store, pods, witness, board, now),
        costs=Costs(store, now),
        confirmations=Confirmations(store, now),
        ports=Ports(store, engine, gateway, launcher, pods, board, terms, now),
        shares=Shares(engine, witness),
        inventory=Inventory(store, engine),
        waking=Waking(store, engine, pods, board, now),
        volumes=volumes,
        registries=Registries(store, now),
        people=People(store, settings, now),
        tokens=Tokens(store, settings, now),
        logins=Logins(store, settings, now),
        notes=Notes(store),
        templates=templates,
        now=now,
    )
    reaper = Reaper(store, witness, launcher, board)
    return House(settings, services, store, engine, gateway, reaper, Reconciler(store, engine, launcher), launcher)


def _ticks(
    settings: Settings, store: Store, house: House, now: Callable[[], datetime], uptime: Callable[[], float]
) -> Ticks:
    ticks = Ticks(store.lead)
    ticks.every(settings.reaper_interval, "reaper", lambda: house.reaper.tick(now(), uptime()))
    ticks.every(timedelta(seconds=60), "reconciler", lambda: house.reconciler.tick(now()))
    ticks.every(timedelta(seconds=60), "keep-alive address", house.listen_inside)
    ticks.every(timedelta(hours=1), "proposals", lambda: house.reaper.propose(now(), settings.forget_after))
    ticks.every(timedelta(seconds=5), "leases", house.launcher.renew)
    ticks.every(timedelta(days=1), "old events", lambda: store.forget_events(now() - EVENTS_KEPT))
    return ticks


async def _watch(engine: Engine, reconciler: Reconciler) -> None:
    while True:
        try:
            async with aclosing(engine.changes()) as changes:
                async for pod_id in changes:
                    try:
                        await reconciler.look(pod_id)
                    except PodError as error:
                        log.warning("pod %s: %s", pod_id, error)
        except Exception:
            log.exception("following what the engine tells broke; it is begun again")
        await asyncio.sleep(1)


async def _last_look(house: House, now: Callable[[], datetime], uptime: Callable[[], float]) -> None:
    """What was used until now is written down before the counters go with the gateway."""
    with contextlib.suppress(Unavailable):
        await house.reaper.tick(now(), uptime(), act=False)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
