"""Ports of a running pod, given and taken without a restart, and what a pod gets made up for it; on the fakes."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from typing_extensions import override

from core.engines.fake import FakeEngine, Script
from core.errors import Conflict, Forbidden, InvalidInput, NoCapacity, Unavailable
from core.gateway.base import Route
from core.gateway.fake import FakeGateway
from core.model import Pod, Status
from core.service import Ports, StartRequest
from tests.houses import FakeHouse, fake_house


def ports(home: FakeHouse) -> Ports:
    return home.house.services.ports


async def urls(home: FakeHouse, pod: Pod) -> dict[str, str | None]:
    found = await home.pods.get(await home.local(), pod.id)
    return {p.port: p.url for p in home.pods.urls(found)}


async def test_a_port_gets_an_address_and_loses_it_while_the_pod_runs(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    changed = await ports(home).expose(me, pod.name, "9000")
    assert changed.run == pod.run
    assert (await urls(home, pod))["9000/http"] == f"http://{pod.id}-9000.proxy.localhost:8080"
    assert home.gateway.routes[f"{pod.id}-9000"].state == "live"
    assert await ports(home).expose(me, pod.name, "9000/http") == changed
    await ports(home).unexpose(me, pod.name, "9000")
    assert list(await urls(home, pod)) == ["8080/http"]
    assert f"{pod.id}-9000" not in home.gateway.routes
    assert home.gateway.routes[f"{pod.id}-8080"].state == "live"


async def test_an_exposed_port_is_watched_and_outlives_a_stop(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started(idle="30m", warning="0")
    await ports(home).expose(me, pod.id, "9000")
    home.clock.forward(minutes=29)
    home.gateway.count(pod.id, 9000, completed=1, succeeded=1)
    await home.tick()
    home.clock.forward(minutes=29)
    await home.tick()
    assert (await home.after(pod)).status is Status.RUNNING
    await home.pods.stop(me, pod.id)
    await home.after(pod)
    await home.pods.resume(me, pod.id)
    await home.after(pod)
    assert home.gateway.routes[f"{pod.id}-9000"].state == "live"


@pytest.mark.parametrize("port", ["", "0", "65536", "http", "80/udp", "8 0", "٨٠", "80/http/x", "x" * 10_000])
async def test_what_is_no_port_is_told(home: FakeHouse, port: str) -> None:
    pod = await home.started()
    with pytest.raises(InvalidInput, match=r"port: .* is not a port\. Write 1 to 65535"):
        await ports(home).expose(await home.local(), pod.id, port)


async def test_what_cannot_be_exposed_says_why(home: FakeHouse) -> None:
    owner = await home.member("U1")
    pod = await home.started(owner)
    with pytest.raises(Forbidden):
        await ports(home).expose(await home.member("U2"), pod.id, "9000")
    with pytest.raises(Conflict, match="PODKEEPER_TCP_PORTS"):
        await ports(home).expose(owner, pod.id, "22/tcp")
    with pytest.raises(Conflict, match="has port 8080 already"):
        await ports(home).expose(owner, pod.id, "8080/tcp")
    with pytest.raises(InvalidInput, match="has no port 9000 with an address"):
        await ports(home).unexpose(owner, pod.id, "9000")
    for n in range(19):
        await ports(home).expose(owner, pod.id, str(9000 + n))
    with pytest.raises(Conflict, match="20 ports, which is the most"):
        await ports(home).expose(owner, pod.id, "9999")
    await home.pods.stop(owner, pod.id)
    await home.after(pod)
    with pytest.raises(Conflict, match="is already stopped"):
        await ports(home).expose(owner, pod.id, "9999")


async def test_a_port_that_the_gateway_refuses_is_not_exposed(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.refusing[f"{pod.id}-9000"] = "no"
    with pytest.raises(InvalidInput, match="was refused by Envoy"):
        await ports(home).expose(await home.local(), pod.id, "9000")
    assert list(await urls(home, pod)) == ["8080/http"]
    exposed, back = (await home.house._store.events(0))[-2:]  # pyright: ignore[reportPrivateUsage]
    assert (exposed.kind, back.kind, back.actor) == ("pod.exposed", "pod.unexposed", "worker")
    assert "was refused by Envoy" in back.data["reason"]


async def test_two_ports_exposed_at_once_are_both_there_or_one_is_told(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    answers = await asyncio.gather(
        *(ports(home).expose(me, pod.id, str(port)) for port in (9000, 9001)), return_exceptions=True
    )
    done = [a for a in answers if isinstance(a, Pod)]
    assert done
    assert all(isinstance(a, Pod | Conflict) for a in answers)
    there = {p.number for p in (await home.pods.get(me, pod.id)).spec.ports}
    assert len(there) == 1 + len(done)
    assert {key for key in home.gateway.routes if key.startswith(pod.id)} == {f"{pod.id}-{n}" for n in there}


async def test_a_stop_that_comes_while_a_port_is_exposed_leaves_no_open_address(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    await asyncio.gather(ports(home).expose(me, pod.id, "9000"), home.pods.stop(me, pod.id), return_exceptions=True)
    assert (await home.after(pod)).status is Status.EXITED
    assert {str(r.state) for key, r in home.gateway.routes.items() if key.startswith(pod.id)} == {"sleeping"}


async def test_a_tcp_port_that_another_program_listens_on_is_taken_last(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", tcp_ports=(30000, 30001)) as home:
        home.gateway.occupied = {30000}
        me = await home.local()
        first, last = await home.started(), await home.started()
        await ports(home).expose(me, first.id, "22/tcp")
        await ports(home).expose(me, last.id, "22/tcp")
        assert [(await home.pods.get(me, pod.id)).listens for pod in (first, last)] == [{22: 30001}, {22: 30000}]


async def test_tcp_ports_get_ports_of_the_gateway_and_keep_them(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", tcp_ports=(30000, 30001)) as home:
        me = await home.local()
        pod = await home.started()
        await ports(home).expose(me, pod.id, "22/tcp")
        assert (await urls(home, pod))["22/tcp"] == "tcp://127.0.0.1:30000"
        other = await home.started()
        await ports(home).expose(me, other.id, "22/tcp")
        await home.pods.stop(me, pod.id)
        await home.after(pod)
        with pytest.raises(NoCapacity, match="PODKEEPER_TCP_PORTS"):
            await ports(home).expose(me, other.id, "23/tcp")
        assert sorted(await urls(home, other)) == ["22/tcp", "8080/http"]
        await home.pods.resume(me, pod.id)
        assert (await home.after(pod)).listens == {22: 30000}
        await ports(home).unexpose(me, pod.id, "22")
        await ports(home).expose(me, other.id, "23/tcp")
        assert (await home.pods.get(me, other.id)).listens == {22: 30001, 23: 30000}


async def test_a_start_again_makes_a_terminated_pod_anew_on_its_network_volume(home: FakeHouse) -> None:
    me = await home.local()
    volume = await home.house.services.volumes.create(me, "data")
    pod = await home.started(name="trainer", network_volume="data", idle="30m", warning="0", env={"A": "b"})
    home.clock.forward(minutes=30)
    await home.tick()
    ended = await home.after(pod)
    assert ended.status is Status.TERMINATED
    assert "nobody used it for 30m" in (ended.reason or "")
    anew = await home.pods.settled(me, (await home.pods.again(me, pod.id)).id, 10)
    assert anew.id != pod.id
    assert (anew.name, anew.status, anew.spec) == ("trainer", Status.RUNNING, pod.spec)
    assert anew.spec.network_volume == volume.id
    with pytest.raises(Conflict, match="is taken by"):
        await home.pods.again(me, pod.id)


async def test_a_start_again_resumes_what_was_only_stopped(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    await home.pods.stop(me, pod.id)
    await home.after(pod)
    assert (await home.pods.again(me, pod.id)).id == pod.id


async def test_each_new_pod_gets_its_own_token_and_only_its_owner_is_told(home: FakeHouse) -> None:
    owner, other = await home.member("U1"), await home.member("U2")
    one = await home.started(owner, template="jupyter")
    two = await home.started(owner, template="jupyter")
    tokens = [home.pods.secrets(owner, pod) for pod in (one, two)]
    assert all(len(value) >= 24 for found in tokens for value in found.values())
    assert tokens[0] != tokens[1]
    assert home.engine.orders[0].environment.items() >= tokens[0].items()
    assert home.pods.secrets(other, one) == home.pods.secrets(await home.local(), one) == {}
    await home.pods.stop(owner, one.id)
    await home.after(one)
    await home.pods.resume(owner, one.id)
    assert home.pods.secrets(owner, await home.after(one)) == tokens[0]


async def test_a_pod_that_has_been_stopped_for_long_is_proposed_for_deletion_once(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started(volume="1g")
    await home.pods.stop(me, pod.id)
    stopped = await home.after(pod)
    after = home.house.settings.forget_after
    assert await home.house.reaper.propose(home.clock.forward(days=13), after) == ()
    assert await home.house.reaper.propose(home.clock.forward(days=1), after - after) == ()
    assert await home.house.reaper.propose(home.clock(), after) == (pod.id,)
    assert await home.house.reaper.propose(home.clock.forward(days=30), after) == ()
    assert (await home.after(pod)).status is stopped.status is Status.EXITED


async def test_a_tcp_pod_starts_where_the_gateway_has_no_port_to_give_and_has_no_address(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", engine=FakeEngine(script=Script.OK)) as home:
        pod = await home.pods.settled(
            me := await home.local(), (await home.pods.start(me, StartRequest(template="ubuntu"))).id, 10
        )
        assert pod.status is Status.RUNNING
        assert all(url is None for port, url in (await urls(home, pod)).items() if port.endswith("tcp"))


class Late(FakeGateway):
    """While `late`, what is asked for reaches the data plane after whoever asked has given up, as the seam says."""

    late = False

    @override
    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        await super().apply(routes, remove)
        if self.late:
            raise Unavailable("What was asked for is kept, and reaches it when it answers again.")


async def test_a_change_that_the_gateway_confirms_late_stands_in_the_row_too(tmp_path: Path) -> None:
    gateway = Late()
    async with fake_house(tmp_path / "data", gateway=gateway, tcp_ports=(30000, 30001)) as home:
        me = await home.local()
        pod = await home.started()
        for port in ("9000/http", "22/tcp"):
            gateway.late = True
            with pytest.raises(Unavailable, match="is kept"):
                await ports(home).expose(me, pod.id, port)
            gateway.late = False
            # Else somebody could come in by a port that nobody watches.
            found = await home.pods.get(me, pod.id)
            assert {f"{pod.id}-{n}" for n in found.watched} == set(gateway.routes)
            gateway.late = True
            with pytest.raises(Unavailable, match="is kept"):
                await ports(home).unexpose(me, pod.id, port.partition("/")[0])
            gateway.late = False
            # Else its counters would be missing for ever, and the pod never stop.
            found = await home.pods.get(me, pod.id)
            assert {f"{pod.id}-{n}" for n in found.watched} == set(gateway.routes)
        # The gateway may listen there still.
        other = await home.started()
        assert (await ports(home).expose(me, other.id, "22/tcp")).listens == {22: 30001}


async def test_a_change_of_ports_does_not_end_the_start_of_a_later_run(home: FakeHouse) -> None:
    pod = await home.started()
    home.engine.script = Script.SLOW_START
    await home.pods.restart(await home.local(), pod.id)
    await home.engine.waiting.wait()
    changing = asyncio.create_task(home.house.launcher.reroute(pod))
    asyncio.get_running_loop().call_later(0.05, home.engine.proceed.set)
    async with asyncio.timeout(5):
        await changing
    after = await home.after(pod)
    assert (after.run, after.status) == (pod.run + 1, Status.RUNNING)


async def test_a_change_of_ports_that_is_overtaken_before_it_began_comes_to_an_end(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    home.engine.script = Script.SLOW_START
    await home.pods.restart(me, pod.id)
    await home.engine.waiting.wait()
    changing = asyncio.create_task(home.house.launcher.reroute(pod))
    await home.pods.stop(me, pod.id)
    home.engine.proceed.set()
    assert (await home.after(pod)).status is Status.EXITED
    async with asyncio.timeout(5):
        await changing


async def test_a_claim_that_was_left_behind_is_given_back_at_the_next_start(tmp_path: Path) -> None:
    async with fake_house(tmp_path / "data", tcp_ports=(30000,)) as home:
        me, store = await home.local(), home.house._store  # pyright: ignore[reportPrivateUsage]
        pod = await home.started()
        await store.claim(pod.id, "tcp", ["30000"], 1)  # as when we are killed before the row names it
        await home.pods.restart(me, pod.id)
        await home.after(pod)
        assert await store.claimed("tcp") == {}


class Slow(FakeGateway):
    """Takes its time to remove something."""

    def __init__(self) -> None:
        super().__init__()
        self.removing = asyncio.Event()
        self.go = asyncio.Event()

    @override
    async def apply(self, routes: Iterable[Route], remove: Iterable[str] = ()) -> None:
        if remove:
            self.removing.set()
            await self.go.wait()
        await super().apply(routes, remove)


async def test_nothing_is_to_listen_on_a_port_of_the_gateway_before_the_last_one_has_gone(tmp_path: Path) -> None:
    gateway = Slow()
    async with fake_house(tmp_path / "data", gateway=gateway, tcp_ports=(30000, 30001)) as home:
        me = await home.local()
        pod, other = await home.started(), await home.started()
        await ports(home).expose(me, pod.id, "22/tcp")
        taking = asyncio.create_task(ports(home).unexpose(me, pod.id, "22"))
        await gateway.removing.wait()
        giving = asyncio.create_task(ports(home).expose(me, pod.id, "23/tcp"))
        # Time enough for it to go wrong.
        assert (await ports(home).expose(me, other.id, "22/tcp")).listens == {22: 30001}
        assert (f"{pod.id}-22" in gateway.routes, f"{pod.id}-23" in gateway.routes) == (True, False)
        gateway.go.set()
        await asyncio.gather(taking, giving)
        assert gateway.routes[f"{pod.id}-23"].listen == 30000
        assert f"{pod.id}-22" not in gateway.routes


async def test_a_start_leaves_a_port_of_the_gateway_that_is_not_in_the_range_any_more(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with fake_house(tmp_path / "data", engine=engine, tcp_ports=(30000,)) as home:
        me = await home.local()
        pod = await home.started()
        await ports(home).expose(me, pod.id, "22/tcp")
        await home.pods.stop(me, pod.id)
        await home.after(pod)
    async with fake_house(tmp_path / "data", engine=engine, tcp_ports=(31000,)) as home:
        await home.pods.resume(await home.local(), pod.id)
        assert (await home.after(pod)).listens == {22: 31000}


async def test_a_tcp_port_that_had_none_gets_a_port_of_the_gateway_once_there_are_some(tmp_path: Path) -> None:
    engine = FakeEngine()
    async with fake_house(tmp_path / "data", engine=engine) as home:
        me = await home.local()
        pod = await home.started(template="ubuntu")
        with pytest.raises(Conflict, match="PODKEEPER_TCP_PORTS"):
            await ports(home).expose(me, pod.id, "22/tcp")
    async with fake_house(tmp_path / "data", engine=engine, tcp_ports=(30000,)) as home:
        changed = await ports(home).expose(await home.local(), pod.id, "22/tcp")
        assert (changed.listens, changed.spec.ports) == ({22: 30000}, pod.spec.ports)
        assert home.gateway.routes[f"{pod.id}-22"].listen == 30000


async def test_what_an_admin_starts_again_stays_its_owners(home: FakeHouse) -> None:
    owner, admin = await home.member("U1"), await home.local()
    await home.house.services.volumes.create(owner, "data")
    pod = await home.started(owner, template="jupyter", name="book", network_volume="data")
    await home.pods.terminate(owner, pod.id)
    await home.after(pod)
    anew = await home.pods.again(admin, pod.id)
    assert (anew.owner, anew.owner_name) == (pod.owner, pod.owner_name)
    assert home.pods.secrets(admin, anew) == {}
    await home.after(anew)


async def test_a_pod_whose_address_cannot_be_closed_is_stopped_all_the_same(home: FakeHouse) -> None:
    me = await home.local()
    pod = await home.started()
    home.gateway.refusing[f"{pod.id}-8080"] = "no"
    await home.pods.stop(me, pod.id)
    async for event in home.pods.tail("test"):
        if event.kind == "pod.stop_failed":
            break
    assert await home.engine.list() == ()
    home.gateway.refusing.clear()
    assert (await home.after(pod)).status is Status.EXITED
