"""What every gateway promises."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from core.errors import InvalidInput, Unavailable
from core.gateway.base import Gateway, Route, RouteState
from core.gateway.fake import FakeGateway
from core.gateway.wake import stopped
from core.model import Ignore, PortTraffic, Upstream
from tests.core.gateway.parts import PodServer, Site, a_call, a_pod, a_site, live, other, tcp
from tests.helpers import free_port, until

STATES = [RouteState.STARTING, RouteState.LIVE, RouteState.CLOSING, RouteState.SLEEPING]


class World(ABC):
    """A gateway, a pod that answers, and visitors."""

    gateway: Gateway
    upstream: Upstream
    public_port: int

    @abstractmethod
    async def visit(self, key: str, status: int, *, method: str = "GET") -> None:
        """One visitor, answered with this status by the pod. HEAD is what a test's rules ignore."""

    @abstractmethod
    def calling(self, route: Route) -> AbstractAsyncContextManager[None]:
        """A TCP client who has said something and stays for as long as this is."""

    @abstractmethod
    def staying(self, key: str) -> AbstractAsyncContextManager[None]:
        """A visitor whose request is open for as long as this is."""

    @abstractmethod
    def refused(self, pod_id: str) -> Route:
        """A route for this pod that the data plane says no to."""


class EnvoyWorld(World):
    def __init__(self, site: Site, pod: PodServer) -> None:
        self.gateway, self.upstream, self.public_port = site.gateway(), pod.upstream, site.port
        self._site, self._pod = site, pod

    async def visit(self, key: str, status: int, *, method: str = "GET") -> None:
        assert (await self._site.get(key, f"/status/{status}", method)).status == status

    @asynccontextmanager
    async def calling(self, route: Route) -> AsyncIterator[None]:
        assert route.listen is not None
        async with a_call(route.listen) as caller:
            # The pod's server speaks HTTP; to a TCP port that is a text like any other.
            assert (await caller.say("hello\r\n\r")).startswith("HTTP/1.")
            yield

    @asynccontextmanager
    async def staying(self, key: str) -> AsyncIterator[None]:
        request = asyncio.create_task(self._site.get(key, "/wait"))
        await self._pod.waiting.wait()
        yield
        self._pod.release.set()
        await request

    def refused(self, pod_id: str) -> Route:
        return live(pod_id, Upstream(host="not.an.ip", port=80))


class FakeWorld(World):
    def __init__(self) -> None:
        self.gateway = self._fake = FakeGateway(public=("http", ":8123"))
        self.upstream, self.public_port = Upstream(host="10.0.0.1", port=80), 8123

    async def visit(self, key: str, status: int, *, method: str = "GET") -> None:
        pod_id = key.split("-")[0]
        if method == "HEAD":
            self._fake.count(pod_id, 80, ignored=1)
        else:
            self._fake.count(pod_id, 80, completed=1, succeeded=int(status < 400), bytes=100)

    @asynccontextmanager
    async def calling(self, route: Route) -> AsyncIterator[None]:
        self._fake.count(route.pod_id, route.port, upgrades=1, upgraded=1, upgraded_bytes=100)
        yield
        self._fake.count(route.pod_id, route.port, upgraded=-1)

    @asynccontextmanager
    async def staying(self, key: str) -> AsyncIterator[None]:
        self._fake.count(key.split("-")[0], 80, in_flight=1)
        yield
        self._fake.count(key.split("-")[0], 80, in_flight=-1, completed=1, succeeded=1)

    def refused(self, pod_id: str) -> Route:
        self._fake.refusing[f"{pod_id}-80"] = "no"
        return live(pod_id, self.upstream)


@pytest.fixture(params=["fake", "envoy"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            yield FakeWorld()
        else:
            yield EnvoyWorld(await stack.enter_async_context(a_site()), await stack.enter_async_context(a_pod()))


def in_state(pod_id: str, state: RouteState, upstream: Upstream) -> Route:
    carries = state in (RouteState.LIVE, RouteState.CLOSING)
    return live(pod_id, upstream, state=state) if carries else other(pod_id, state)


async def test_the_address_shown_to_people_is_made_of_pod_port_and_domain(world: World) -> None:
    assert world.gateway.url("abc", 8080) == f"http://abc-8080.proxy.localhost:{world.public_port}"


async def test_the_address_of_a_tcp_port_is_made_of_the_gateways_own(world: World) -> None:
    assert world.gateway.tcp_url(30022) == "tcp://127.0.0.1:30022"


async def test_a_gateway_that_is_not_open_says_so(world: World) -> None:
    for asked in (world.gateway.apply([]), world.gateway.traffic(), world.gateway.check()):
        with pytest.raises(Unavailable, match="not open"):
            await asked


async def test_only_a_live_pod_is_reached_by_a_probe(world: World) -> None:
    await world.gateway.open([in_state(state.value, state, world.upstream) for state in STATES])
    reached = {state: await world.gateway.probe(state.value, 80) for state in STATES}
    assert reached == {state: 200 if state is RouteState.LIVE else None for state in STATES}
    assert await world.gateway.probe("nobody", 80) is None


async def test_a_route_goes_through_all_states_and_away(world: World) -> None:
    await world.gateway.open([])
    for state in (*STATES, RouteState.LIVE):
        await world.gateway.apply([in_state("abc", state, world.upstream)])
        assert await world.gateway.probe("abc", 80) == (200 if state is RouteState.LIVE else None)
    await world.gateway.apply([], ["abc-80"])
    assert await world.gateway.probe("abc", 80) is None


async def test_setting_and_removing_twice_is_as_once(world: World) -> None:
    await world.gateway.open([])
    for _ in range(2):
        await world.gateway.apply([live("abc", world.upstream), other("def", RouteState.SLEEPING)])
        assert await world.gateway.probe("abc", 80) == 200
    for _ in range(2):
        await world.gateway.apply([], ["abc-80", "def-80", "never-80"])
        assert await world.gateway.probe("abc", 80) is None


async def test_a_carrying_route_that_nobody_visited_counts_zero_and_others_are_not_there(world: World) -> None:
    await world.gateway.open([in_state(state.value, state, world.upstream) for state in STATES])
    traffic = await world.gateway.traffic()
    assert traffic.ports == {"live-80": PortTraffic(), "closing-80": PortTraffic()}


async def test_what_sleeps_or_is_removed_is_not_counted_any_more(world: World) -> None:
    await world.gateway.open([live("abc", world.upstream), live("def", world.upstream)])
    await world.gateway.apply([other("abc", RouteState.SLEEPING)], ["def-80"])
    assert (await world.gateway.traffic()).ports == {}


async def test_requests_are_counted_by_how_they_ended(world: World) -> None:
    await world.gateway.open([live("abc", world.upstream), live("def", world.upstream)])
    for status in (200, 204, 404, 500):
        await world.visit("abc-80", status)
    traffic = await until(lambda: _counted(world.gateway, "abc-80", 4))
    assert (traffic.completed, traffic.succeeded, traffic.in_flight) == (4, 2, 0)
    assert traffic.bytes > 0
    assert (await world.gateway.traffic()).ports["def-80"] == PortTraffic()


async def test_an_open_request_is_in_flight_until_it_ends(world: World) -> None:
    await world.gateway.open([live("abc", world.upstream)])
    async with world.staying("abc-80"):
        assert (await world.gateway.traffic()).ports["abc-80"].in_flight == 1
    traffic = await until(lambda: _counted(world.gateway, "abc-80", 1))
    assert (traffic.in_flight, traffic.succeeded) == (0, 1)


async def test_ignored_requests_are_counted_apart(world: World) -> None:
    rules = Ignore(paths=("/health",), agents=("Robot",), methods=("HEAD",))
    await world.gateway.open([live("abc", world.upstream).model_copy(update={"ignore": rules})])
    for method in ("HEAD", "GET", "HEAD"):
        await world.visit("abc-80", 200, method=method)
    traffic = await until(lambda: _counted(world.gateway, "abc-80", 1))
    assert (traffic.succeeded, traffic.ignored) == (1, 2)


async def test_a_rule_that_no_request_could_fit_is_refused(world: World) -> None:
    await world.gateway.open([live("abc", world.upstream)])
    for rules in (Ignore(paths=("health",)), Ignore(paths=("/a?b",)), Ignore(agents=("",)), Ignore(methods=("",))):
        with pytest.raises(InvalidInput, match=r"idle\.ignore"):
            await world.gateway.apply([live("abc", world.upstream).model_copy(update={"ignore": rules})])
    assert await world.gateway.probe("abc", 80) == 200


async def test_a_tcp_connection_is_counted_as_an_upgraded_one(world: World) -> None:
    route = tcp("abc", world.upstream, free_port())
    await world.gateway.open([])
    await world.gateway.apply([route])
    assert (await world.gateway.traffic()).ports == {"abc-22": PortTraffic()}
    async with world.calling(route):
        await world.gateway.apply([tcp("abc", world.upstream, route.listen or 0, RouteState.CLOSING)])
        found = (await world.gateway.traffic()).ports["abc-22"]
        assert (found.upgrades, found.upgraded, found.completed, found.in_flight) == (1, 1, 0, 0)
        assert found.upgraded_bytes > 0
    found = await until(lambda: _hung_up(world.gateway, "abc-22"))
    assert (found.upgrades, found.succeeded, found.bytes) == (1, 0, 0)
    assert await world.gateway.probe("abc", 22) is None


async def test_a_tcp_port_that_does_not_run_is_not_counted(world: World) -> None:
    listen = free_port()
    await world.gateway.open([tcp("abc", world.upstream, listen)])
    for state in (RouteState.SLEEPING, RouteState.STARTING):
        await world.gateway.apply([tcp("abc", None, listen, state)])
        assert (await world.gateway.traffic()).ports == {}
    await world.gateway.apply([tcp("abc", world.upstream, listen)])
    assert set((await world.gateway.traffic()).ports) == {"abc-22"}
    await world.gateway.apply([], ["abc-22"])
    assert (await world.gateway.traffic()).ports == {}


async def test_the_guest_and_the_door_inside_may_be_set_before_and_after_open_and_twice(world: World) -> None:
    inside = ("127.0.0.1", free_port())
    for _ in range(2):
        world.gateway.welcome(stopped)
        await world.gateway.listen_inside(inside)
    await world.gateway.open([live("abc", world.upstream)])
    for address in (inside, inside, None, None, ("127.0.0.1", free_port())):
        world.gateway.welcome(stopped)
        await world.gateway.listen_inside(address)
    assert (await world.gateway.traffic()).ports == {"abc-80": PortTraffic()}


async def test_a_closing_route_lets_what_is_open_end_and_counts_it(world: World) -> None:
    await world.gateway.open([live("abc", world.upstream)])
    generation = (await world.gateway.traffic()).generation
    async with world.staying("abc-80"):
        await world.gateway.apply([live("abc", world.upstream, state=RouteState.CLOSING)])
        traffic = await world.gateway.traffic()
        assert traffic.ports["abc-80"].in_flight == 1
        assert traffic.generation == generation
    assert (await until(lambda: _counted(world.gateway, "abc-80", 1))).succeeded == 1


async def test_a_refused_route_leaves_the_others_and_its_own_former_state(world: World) -> None:
    await world.gateway.open([live("abc", world.upstream)])
    with pytest.raises(InvalidInput, match="abc-80 was refused"):
        await world.gateway.apply([world.refused("abc"), live("def", world.upstream)])
    assert await world.gateway.probe("abc", 80) == 200
    assert await world.gateway.probe("def", 80) == 200
    assert set((await world.gateway.traffic()).ports) == {"abc-80", "def-80"}


async def test_reach_asks_the_pod_itself(world: World) -> None:
    await world.gateway.open([])
    assert await world.gateway.reach(world.upstream, "/")
    assert await world.gateway.reach(world.upstream, None)
    if isinstance(world.gateway, FakeGateway):
        world.gateway.unreached.add("127.0.0.1")
    assert not await world.gateway.reach(Upstream(host="127.0.0.1", port=free_port()), None)


async def test_check_says_in_a_sentence_that_it_works(world: World) -> None:
    await world.gateway.open([live("abc", world.upstream)])
    assert "serves 1 address" in await world.gateway.check()


async def _counted(gateway: Gateway, key: str, completed: int) -> PortTraffic | None:
    found = (await gateway.traffic()).ports[key]
    return found if found.completed == completed else None


async def _hung_up(gateway: Gateway, key: str) -> PortTraffic | None:
    found = (await gateway.traffic()).ports[key]
    return None if found.upgraded else found
