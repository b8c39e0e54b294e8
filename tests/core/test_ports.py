"""Ports of a running pod, given and taken without a restart, and what a pod gets made up for it; on the fakes."""

import asyncio
from pathlib import Path

import pytest

from core.engines.fake import FakeEngine, Script
from core.errors import Conflict, Forbidden, InvalidInput, NoCapacity, Unavailable
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


async def test_a_gateway_that_is_away_exposes_nothing(home: FakeHouse) -> None:
    pod = await home.started()
    home.gateway.failing = Unavailable("away")
    with pytest.raises(Unavailable):
        await ports(home).expose(await home.local(), pod.id, "9000")
    home.gateway.failing = None
    assert list(await urls(home, pod)) == ["8080/http"]
