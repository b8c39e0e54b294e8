"""What is use and what is noise, through the real Envoy: busy but silent, noisy but idle, long streams, slow starts."""

import asyncio
import secrets
from datetime import timedelta

from core.engines.fake import Script
from core.model import Status
from tests.core.gateway.parts import Caller, a_call
from tests.helpers import until
from tests.idle.envoy_house import SSH, WEB, EnvoyHouse, EnvoyPlace


async def test_busy_but_silent_a_request_without_a_byte_keeps_the_pod_until_it_is_answered(house: EnvoyHouse) -> None:
    pod = await house.up()
    request = asyncio.create_task(house.ask(pod, "/wait"))
    await house.place.server.waiting.wait()
    for _ in range(4):
        assert (await house.later(minutes=29)).in_use == (pod.id,)
    assert "busy: 1 request in flight on 80 since 14:29" in await house.why(pod)
    house.place.server.release.set()
    assert (await request).status == 200
    assert (await house.later(minutes=29)).in_use == (pod.id,)
    await house.runs_out(pod)


async def test_busy_but_silent_words_on_one_websocket_keep_the_pod_and_no_request_is_made(house: EnvoyHouse) -> None:
    pod = await house.up()
    async with house.place.site.socket(f"{pod.id}-{WEB}") as socket:
        for _ in range(4):
            await socket.send(secrets.token_hex(2000))  # it is compressed on its way
            await socket.recv()
            assert (await house.later(minutes=29)).in_use == (pod.id,)
        found = (await house.traffic()).ports[f"{pod.id}-{WEB}"]
        assert (found.in_flight, found.upgraded) == (0, 1)
        await house.runs_out(pod)


async def test_long_stream_without_new_requests_a_film_keeps_the_pod_for_hours(house: EnvoyHouse) -> None:
    pod = await house.up()
    async with house.place.site.opened(f"{pod.id}-{WEB}", "/drops") as answer:
        for _ in range(12):
            house.place.server.drop.set()
            await answer.content.readexactly(1000)
            assert (await house.later(minutes=29)).in_use == (pod.id,)
        assert (await house.look(pod)).last_active_at == house.place.clock()
    await until(lambda: _closed(house, f"{pod.id}-{WEB}"))
    assert (await house.later(minutes=1)).in_use == (pod.id,)
    await house.runs_out(pod)


async def test_long_stream_forgotten_an_event_stream_without_a_byte_counts_for_two_hours(house: EnvoyHouse) -> None:
    pod = await house.up()
    async with house.place.site.opened(f"{pod.id}-{WEB}", "/events") as answer:
        assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
        await house.later(seconds=1)
        for _ in range(4):
            assert (await house.later(minutes=29)).in_use == (pod.id,)
        assert (await house.later(minutes=4)).in_use == ()
        assert "1 in flight on 80 without a byte for long (does not count)" in await house.why(pod)
        await house.runs_out(pod, idle=timedelta(minutes=4))


async def test_noisy_but_idle_pings_monitors_scanners_and_silent_tabs_keep_nothing_awake(place: EnvoyPlace) -> None:
    place.template("watched", idle={"ignore": {"paths": ["/health"], "agents": ["Monitor"], "methods": ["HEAD"]}})
    async with place.house() as house:
        pinged, silent, scanned, used = [await house.up() for _ in range(4)]
        watched = await house.up("watched")
        site = place.site
        async with site.socket(f"{pinged.id}-{WEB}") as ping, site.socket(f"{silent.id}-{WEB}"):

            async def noise() -> None:
                await ping.send("ping")
                await ping.recv()
                for number in range(4):
                    assert (await house.ask(scanned, f"/status/{404 + number % 2 * 99}")).status >= 404
                assert (await house.ask(watched, "/health")).status == 200
                assert (await house.ask(watched, user_agent="Acme-Monitor/2")).status == 200
                assert (await house.ask(watched, method="HEAD")).status == 200
                assert (await house.ask(used)).status == 200

            idle = {pinged.id, silent.id, scanned.id, watched.id}
            seen = await house.every_minute(30, noise)
            assert {pod_id for tick in seen for pod_id in tick.in_use} == {used.id}
            assert [set(tick.warned) for tick in seen] == [set()] * 24 + [idle] + [set()] * 5
            assert [set(tick.stopping) for tick in seen] == [set()] * 29 + [idle]
            assert (await house.look(used)).status is Status.RUNNING


async def test_noisy_but_idle_why_names_what_does_not_count(place: EnvoyPlace) -> None:
    place.template("watched", idle={"ignore": {"paths": ["/health"]}})
    async with place.house() as house:
        pod = await house.up("watched")
        async with place.site.socket(f"{pod.id}-{WEB}") as socket:
            await house.later(minutes=1)
            await house.ask(pod, "/health")
            await house.ask(pod, "/status/404")
            await socket.send("ping")
            await socket.recv()
            words = await house.why(pod)
        assert "1 hardly talking WebSocket open on 80 since 14:01 (does not count)" in words
        assert "1 refused on 80 (does not count), 1 ignored on 80" in words
        assert words.endswith("warning at 14:25, stop at 14:30")


async def test_noisy_but_idle_a_silent_tcp_connection_stops_with_its_pod_and_bytes_on_it_keep_it(
    place: EnvoyPlace,
) -> None:
    place.template("shell", ports=[f"{SSH}/tcp"], ready={"port": SSH})
    async with place.house() as house:
        pod = await house.up("shell")
        async with a_call(place.listen) as caller:
            for _ in range(3):
                await _talk(caller)
                assert (await house.later(minutes=29)).in_use == (pod.id,)
            await house.runs_out(pod)
            assert await caller.cut()


async def _talk(caller: Caller) -> None:
    assert (await caller.say("x" * 2000)).startswith("pod: x")


async def _closed(house: EnvoyHouse, key: str) -> bool:
    return (await house.traffic()).ports[key].in_flight == 0


async def test_slow_start_the_time_before_it_is_ready_is_no_idleness_and_who_waits_there_is_no_use(
    house: EnvoyHouse,
) -> None:
    house.place.engine.script = Script.SLOW_START
    pod = await house.begun()
    await house.place.engine.waiting.wait()
    for _ in range(4):
        assert (await house.ask(pod)).gateway == "starting"
        assert (await _tick_later(house)).looked == 0
    assert (await house.look(pod)).status is Status.STARTING
    house.place.engine.proceed.set()
    await house.house.launcher.idle()
    found = await house.look(pod)
    assert (found.status, found.ready_at) == (Status.RUNNING, house.place.clock())
    assert (await house.later()).in_use == ()
    await house.runs_out(pod)


async def _tick_later(house: EnvoyHouse):
    house.place.clock.forward(hours=1)
    return await house.tick()
