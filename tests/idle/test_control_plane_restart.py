"""Control-plane restart: nothing is lost, and nobody gets a free extra hour (JupyterHub's proxy says "now")."""

from datetime import timedelta
from pathlib import Path

from core.model import Status
from tests.houses import fake_house


async def test_use_that_no_tick_had_seen_is_written_down_at_closing(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data") as first:
        pod = await first.started(warning="0")
        first.clock.forward(minutes=20)
        first.gateway.count(pod.id, 8080, completed=1, succeeded=1)
    async with fake_house(tmp_path / "data", engine=first.engine, gateway=first.gateway) as second:
        second.clock.time = first.clock.time
        second.clock.forward(minutes=29)
        await second.tick()
        assert (await second.after(pod)).status is Status.RUNNING
        second.clock.forward(minutes=1)
        await second.tick()
        assert (await second.after(pod)).status is Status.EXITED


async def test_use_while_it_was_away_is_seen_and_silence_is_too(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data") as first:
        used = await first.started(warning="0")
        silent = await first.started(warning="0")
        await first.tick()
    first.gateway.count(used.id, 8080, completed=1, succeeded=1)
    async with fake_house(tmp_path / "data", engine=first.engine, gateway=first.gateway) as second:
        second.clock.time = first.clock.time
        second.clock.forward(hours=3)
        await second.tick()
        assert (await second.after(used)).status is Status.RUNNING
        assert (await second.after(silent)).status is Status.EXITED


async def test_a_warning_that_was_given_stands_and_is_not_given_again(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data") as first:
        pod = await first.started()
        first.clock.forward(minutes=26)
        await first.tick()
    async with fake_house(tmp_path / "data", engine=first.engine, gateway=first.gateway) as second:
        second.clock.time = first.clock.time
        for _ in range(5):
            second.clock.forward(minutes=1)
            await second.tick()
        assert (await second.after(pod)).status is Status.EXITED
        store = second.house._store  # pyright: ignore[reportPrivateUsage]
        told = [e for e in await store.events(0, pod_id=pod.id) if e.kind == "pod.idle_warning"]
        assert len(told) == 1


async def test_with_the_data_plane_the_warning_is_given_in_full(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data") as first:
        pod = await first.started()
        first.clock.forward(minutes=29)
        await first.tick()
    first.gateway.restart_data_plane()
    async with fake_house(tmp_path / "data", engine=first.engine, gateway=first.gateway) as second:
        second.clock.time = first.clock.time
        second.clock.forward(hours=1)
        await second.tick()
        second.clock.forward(seconds=30)
        await second.tick()
        warned = second.clock()
        while (await second.after(pod)).status is Status.RUNNING:
            second.clock.forward(seconds=30)
            await second.tick()
        assert second.clock() - warned == timedelta(minutes=5)
