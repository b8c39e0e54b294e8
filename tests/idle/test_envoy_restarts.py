"""Restarts of the gateway and of the control plane, clocks that jump, and two houses at once, with the real Envoy."""

import asyncio
import os
import signal
from datetime import timedelta

import pytest

from core.errors import AlreadyRunning
from core.model import Status
from tests.helpers import until
from tests.idle.envoy_house import WARNING, WEB, EnvoyHouse, EnvoyPlace


async def test_gateway_restart_a_killed_envoy_stops_nobody_and_the_warning_is_given_again_in_full(
    house: EnvoyHouse,
) -> None:
    pod = await house.up()
    assert (await house.later(minutes=25)).warned == (pod.id,)
    generation = (await house.traffic()).generation
    os.kill(house.place.site.pid, signal.SIGKILL)
    await house.counting(pod, generation)
    seen = await house.later(minutes=6)  # a minute after its end
    assert (seen.unseen, seen.withdrawn, seen.stopping) == ((pod.id,), (pod.id,), ())
    assert (await house.later(seconds=1)).warned == (pod.id,)
    assert (await house.later(seconds=WARNING.seconds - 1)).stopping == ()
    assert (await house.later(seconds=1)).stopping == (pod.id,)
    stopped = await house.look(pod)
    assert (stopped.status, stopped.last_active_at) == (Status.EXITED, pod.ready_at)
    assert (await house.ask(pod)).gateway == "sleeping"


async def test_gateway_restart_what_goes_on_through_the_new_envoy_is_seen_at_the_first_look(house: EnvoyHouse) -> None:
    pod = await house.up()
    for _ in range(5):
        await house.ask(pod)
    await house.later(minutes=1)
    generation = (await house.traffic()).generation
    os.kill(house.place.site.pid, signal.SIGKILL)
    await house.counting(pod, generation)
    request = asyncio.create_task(house.ask(pod, "/wait"))
    await house.place.server.waiting.wait()
    assert (await house.later(hours=1)).in_use == (pod.id,)
    house.place.server.release.set()
    await request
    assert (await house.later(minutes=1)).in_use == (pod.id,)
    await house.runs_out(pod)


async def test_gateway_restart_an_envoy_that_stays_away_stops_nobody_however_long(house: EnvoyHouse) -> None:
    pod = await house.up()
    generation, document = (await house.traffic()).generation, house.place.site.directory / "bootstrap.json"
    document.unlink()
    document.mkdir()  # it cannot be started again
    os.kill(house.place.site.pid, signal.SIGKILL)
    await until(lambda: _missing(house))
    for _ in range(9):
        seen = await house.later(hours=1)
        assert (seen.unseen, seen.warned, seen.stopping) == ((pod.id,), (), ())
    assert "cannot see: the traffic on 80 missing since 15:00" in await house.why(pod)
    document.rmdir()
    await house.counting(pod, generation)
    assert (await house.later(seconds=30)).unseen == (pod.id,)
    assert (await house.later(seconds=30)).warned == (pod.id,)
    await house.runs_out(pod, idle=timedelta(minutes=25), warned=True)


async def _missing(house: EnvoyHouse) -> bool:
    return any("is not back yet" in said for said in await house.house.missing())


async def test_control_plane_restart_the_counters_go_on_and_there_is_no_free_hour(place: EnvoyPlace) -> None:
    async with place.house() as first:
        pod, before = await first.up(), await first.traffic()
        await first.ask(pod)
        await first.later(minutes=1)
        await first.later(minutes=20)
        first.gateway.stays = True
    place.clock.forward(minutes=4)
    async with place.house() as second:
        assert (await second.traffic()).generation == before.generation
        await second.runs_out(pod, idle=timedelta(minutes=24))


async def test_control_plane_restart_a_warning_before_it_stands_and_ends_on_time(place: EnvoyPlace) -> None:
    async with place.house() as first:
        pod = await first.up()
        assert (await first.later(minutes=25)).warned == (pod.id,)
        first.gateway.stays = True
    place.clock.forward(minutes=2)
    async with place.house() as second:
        await second.runs_out(pod, idle=timedelta(minutes=27), warned=True)
        assert await second.kinds(pod) == ["pod.idle_warning", "pod.idle_stop", "pod.exited"]


async def test_control_plane_restart_a_visit_while_nobody_looked_is_use(place: EnvoyPlace) -> None:
    async with place.house() as first:
        pod = await first.up()
        await first.later(minutes=20)
        first.gateway.stays = True
    place.clock.forward(minutes=20)
    assert (await place.site.get(f"{pod.id}-{WEB}")).status == 200
    async with place.house() as second:
        assert (await second.later()).in_use == (pod.id,)
        await second.runs_out(pod)


async def test_control_plane_restart_with_envoy_the_stored_use_stands_and_a_full_warning_is_given(
    place: EnvoyPlace,
) -> None:
    async with place.house() as first:
        pod = await first.up()
        first.place.clock.forward(minutes=10)
        await first.ask(pod)  # written down by the look at closing
        used = place.clock()
    place.clock.forward(hours=2)
    async with place.house() as second:
        assert (await second.look(pod)).last_active_at == used
        assert (await second.later()).unseen == (pod.id,)
        assert (await second.later(seconds=30)).warned == (pod.id,)
        await second.runs_out(pod, idle=timedelta(minutes=25), warned=True)


@pytest.mark.parametrize("days", [1, -1])
async def test_clock_jumps_a_day_on_the_wall_that_nobody_lived_moves_no_end(house: EnvoyHouse, days: int) -> None:
    pod = await house.up()
    await house.later(minutes=20)
    house.place.clock.jump(days=days)
    await house.runs_out(pod, idle=timedelta(minutes=20))


@pytest.mark.parametrize("hours", [8, -8])
async def test_clock_jumps_after_a_warning_make_it_neither_shorter_nor_longer(house: EnvoyHouse, hours: int) -> None:
    pod = await house.up()
    assert (await house.later(minutes=25)).warned == (pod.id,)
    house.place.clock.jump(hours=hours)
    assert (await house.later(minutes=2)).stopping == ()
    await house.runs_out(pod, idle=timedelta(minutes=27), warned=True)


async def test_missed_ticks_one_late_tick_warns_and_only_then_stops(house: EnvoyHouse) -> None:
    silent, used = await house.up(), await house.up()
    await house.ask(used)
    late = await house.later(hours=3)
    assert (late.warned, late.stopping, late.in_use) == ((silent.id,), (), (used.id,))
    await house.runs_out(silent, idle=timedelta(minutes=25), warned=True)
    assert (await house.look(used)).status is Status.RUNNING


async def test_two_instances_at_once_the_second_is_refused_and_neither_envoy_nor_pods_notice(
    house: EnvoyHouse,
) -> None:
    pod, before, envoy = await house.up(), await house.traffic(), house.place.site.pid
    await house.later(minutes=20)
    with pytest.raises(AlreadyRunning, match="already running"):
        async with house.place.house():
            pass
    assert (house.place.site.pid, await house.traffic()) == (envoy, before)
    assert await house.house.missing() == []
    await house.runs_out(pod, idle=timedelta(minutes=20))
