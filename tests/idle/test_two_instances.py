"""Two instances at once: the second stays out; and should two ever decide at once, the row is moved once."""

import asyncio
from pathlib import Path

import pytest

from core.app import running
from core.errors import AlreadyRunning
from core.model import Status
from core.progress import Board
from core.reaper import Reaper
from core.store import Store
from core.witness import Witness
from tests.houses import FakeHouse, fake_house


async def test_a_second_house_on_the_same_data_says_so_and_stays_out(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data") as home:
        with pytest.raises(AlreadyRunning):
            async with running(home.house.settings, engine=home.engine, gateway=home.gateway, now=home.clock):
                pass


async def test_two_reapers_at_once_stop_a_pod_once(home: FakeHouse) -> None:
    pod = await home.started(warning="0")
    store = await Store.open(home.house.settings.database, home.house.settings.data_dir / "registry.key")
    other = Reaper(store, Witness(store, home.gateway, home.engine), home.house.launcher, Board())
    home.clock.forward(hours=1)
    await asyncio.gather(home.house.reaper.tick(home.clock()), other.tick(home.clock()))
    assert (await home.after(pod)).status is Status.EXITED
    kinds = [e.kind for e in await store.events(0, pod_id=pod.id)]
    await store.close()
    assert kinds.count("pod.idle_stop") == 1
    assert kinds.count("pod.exited") == 1
