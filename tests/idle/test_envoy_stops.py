"""Engines that are away, stops that fail or come too late, and strangers, with the real Envoy."""

from contextlib import AsyncExitStack, aclosing

import aiohttp

from core.engines.base import Order
from core.model import Status
from tests.helpers import until
from tests.idle.envoy_house import WEB, EnvoyHouse, EnvoyPlace


async def test_engine_outage_a_witness_that_cannot_speak_stops_nobody(place: EnvoyPlace) -> None:
    place.template("busy", idle={"busy_above": {"cpu": "20%"}})
    async with place.house() as house:
        pod = await house.up("busy")
        assert (await house.later(minutes=25)).warned == (pod.id,)
        place.engine.down = True
        assert (await house.later(minutes=1)).withdrawn == (pod.id,)
        for _ in range(5):
            seen = await house.later(hours=1)
            assert (seen.unseen, seen.warned, seen.stopping) == ((pod.id,), (), ())
        assert "cannot see: its cpu share missing since 14:26" in await house.why(pod)
        assert (await house.ask(pod, "/status/404")).status == 404
        place.engine.down = False
        assert (await house.later(minutes=1)).warned == (pod.id,)
        assert (await house.later(minutes=5)).stopping == (pod.id,)
        assert (await house.look(pod)).status is Status.EXITED


async def test_engine_outage_no_answer_and_half_an_answer_end_no_pod(house: EnvoyHouse) -> None:
    pods = [await house.up() for _ in range(2)]
    house.place.engine.down = True
    assert (await house.house.reconciler.tick(house.place.clock())).ended == ()
    house.place.engine.down = False
    house.place.engine.unlisted.add(pods[0].id)
    mended = await house.house.reconciler.tick(house.place.clock())
    await house.house.launcher.idle()
    assert (mended.ended, mended.orphans) == ((), ())
    for pod in pods:
        assert (await house.ask(pod)).status == 200
        assert (await house.look(pod)).status is Status.RUNNING


async def test_stop_fails_it_stays_stopping_behind_a_closed_door_is_told_once_and_is_repeated(
    house: EnvoyHouse,
) -> None:
    pod = await house.up()
    await house.later(minutes=25)
    house.place.engine.stop_fails = True
    house.place.clock.forward(minutes=5)
    assert (await house.tick()).stopping == (pod.id,)
    await until(lambda: house.told(pod, "pod.stop_failed"))
    for _ in range(3):
        house.place.clock.forward(hours=1)
        assert (await house.tick()).looked == 0
    assert (await house.look(pod)).status is Status.STOPPING
    assert (await house.ask(pod)).gateway == "sleeping"
    assert [found.running for found in await house.place.engine.list()] == [True]
    house.place.engine.stop_fails = False
    await house.house.launcher.idle()
    assert (await house.look(pod)).status is Status.EXITED
    assert await house.kinds(pod) == ["pod.idle_warning", "pod.idle_stop", "pod.stop_failed", "pod.exited"]


async def test_request_between_decision_and_stop_keeps_the_pod_and_its_door_opens_again(house: EnvoyHouse) -> None:
    pod = await house.up()
    await house.later(minutes=25)
    answers: list[int] = []

    async def visit() -> None:
        answers.append((await house.ask(pod)).status)

    house.gateway.before_closing = visit
    assert (await house.later(minutes=5)).stopping == (pod.id,)
    assert answers == [200]
    assert (await house.look(pod)).status is Status.RUNNING
    assert (await house.ask(pod)).status == 200
    seen = await house.later(minutes=1)
    assert (seen.in_use, seen.withdrawn) == ((pod.id,), (pod.id,))
    await house.runs_out(pod)


async def test_request_between_decision_and_stop_a_stream_that_begins_then_is_not_cut(house: EnvoyHouse) -> None:
    pod = await house.up()
    await house.later(minutes=25)
    async with AsyncExitStack() as stack:
        streams: list[aiohttp.ClientResponse] = []

        async def visit() -> None:
            opened = house.place.site.opened(f"{pod.id}-{WEB}", "/events")
            streams.append(await stack.enter_async_context(opened))
            assert await streams[0].content.readuntil(b"\n\n") == b"data: first\n\n"

        house.gateway.before_closing = visit
        assert (await house.later(minutes=5)).stopping == (pod.id,)
        assert (await house.look(pod)).status is Status.RUNNING
        house.place.server.release.set()
        assert await streams[0].content.read() == b"data: second\n\n"


async def test_request_between_decision_and_stop_who_comes_to_the_closed_door_is_not_answered_and_does_not_keep_it(
    house: EnvoyHouse,
) -> None:
    pod = await house.up()
    await house.later(minutes=25)
    seen: list[str | None] = []

    async def knock() -> None:
        page = await house.ask(pod, accept="text/html")
        assert "The page goes to it by itself" in page.text
        seen.append(page.gateway)

    house.gateway.after_closing = knock
    await house.later(minutes=5)
    assert (await house.look(pod)).status is Status.EXITED
    assert [*seen, (await house.ask(pod)).gateway] == ["starting", "sleeping"]


async def test_started_outside_an_orphan_gets_no_route_is_halted_and_harms_no_pod(house: EnvoyHouse) -> None:
    pod = await house.up()
    stranger = pod.model_copy(update={"id": "stranger000000", "name": "stranger"})
    async with aclosing(house.place.engine.start(Order(pod=stranger, address="10.255.9.9"))) as steps:
        async for _ in steps:
            pass
    assert (await house.ask(stranger)).gateway == "unknown"
    seen = await house.later(minutes=1)
    assert (seen.looked, seen.stopping) == (1, ())
    mended = await house.house.reconciler.tick(house.place.clock())
    await house.house.launcher.idle()
    assert (mended.orphans, mended.ended) == ((stranger.id,), ())
    assert {i.pod_id: i.running for i in await house.place.engine.list()} == {pod.id: True, stranger.id: False}
    assert [event.kind for event in await house.store.events(0, pod_id=stranger.id)] == ["pod.orphan"]
    assert (await house.ask(stranger)).gateway == "unknown"
    assert set((await house.traffic()).ports) == {f"{pod.id}-{WEB}"}
    assert (await house.ask(pod)).status == 200
    assert await house.kinds(pod) == []
