"""The house of a world: the real parts, as the composition root joins them, on the world's engine and gateway."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from core.launcher import Launcher, Terms
from core.model import Caller
from core.progress import Board
from core.reaper import Reaper
from core.reconciler import Reconciler
from core.service import Keeping, People, PodService, Templates, Volumes
from core.settings import Settings
from core.store import Store
from core.templates import Catalog
from core.witness import Witness
from tests.simulator.parts import Clock, SimEngine, SimGateway


@dataclass
class House:
    """The real parts, joined."""

    store: Store
    launcher: Launcher
    reaper: Reaper
    reconciler: Reconciler
    pods: PodService
    keeping: Keeping
    volumes: Volumes
    caller: Caller


async def open_house(directory: Path, engine: SimEngine, gateway: SimGateway, clock: Clock, catalog: Catalog) -> House:
    """On the database in the directory, a new one or that of the house before."""
    settings = Settings(data_dir=directory, max_pods_per_user=10_000)
    store = await Store.open(settings.database, directory / "key")
    board, terms = Board(), Terms(patience=0.0001, drain=timedelta(), tcp_ports=range(30000, 40000))
    launcher = Launcher(store, engine, gateway, board, clock, terms)
    witness = Witness(store, gateway, engine)
    volumes, templates = Volumes(store, engine, clock), Templates(store, catalog, clock)
    pods = PodService(settings, store, engine, gateway, launcher, templates, volumes, board, clock)
    return House(
        store=store,
        launcher=launcher,
        reaper=Reaper(store, witness, launcher, board),
        reconciler=Reconciler(store, engine, launcher),
        pods=pods,
        keeping=Keeping(store, pods, witness, board, clock),
        volumes=volumes,
        caller=await People(store, settings, clock).local("terminal"),
    )
