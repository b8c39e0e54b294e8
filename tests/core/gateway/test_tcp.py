"""TCP ports of pods, on a real Envoy."""

import asyncio
import os
import signal
import socket

import pytest

from core.errors import InvalidInput
from core.gateway.base import RouteState
from core.gateway.envoy import EnvoyGateway
from core.model import PortTraffic, Upstream
from tests.core.gateway.parts import Site, a_call, an_echo, live, other, refused, tcp
from tests.helpers import free_port, until


async def counted(gateway: EnvoyGateway, key: str = "ssh-22") -> PortTraffic:
    return (await gateway.traffic()).ports[key]


async def test_a_connection_is_carried_and_counted_as_an_upgraded_one(gateway: EnvoyGateway) -> None:
    listen = free_port()
    async with an_echo() as echo:
        await gateway.apply([tcp("ssh", echo, listen)])
        assert await counted(gateway) == PortTraffic()
        async with a_call(listen) as caller:
            await until(lambda: _open(gateway, 1))
            silent = await counted(gateway)
            assert silent == PortTraffic(upgrades=1, upgraded=1)
            assert await caller.say("hello") == "pod: hello"
            assert await counted(gateway) == PortTraffic(upgrades=1, upgraded=1, upgraded_bytes=6 + 11)
        await until(lambda: _open(gateway, 0))
        assert (await counted(gateway)).upgrades == 1


@pytest.mark.parametrize("state", [RouteState.SLEEPING, RouteState.STARTING, None])
async def test_connections_are_cut_at_once_when_the_pod_is_not_to_be_reached(
    gateway: EnvoyGateway, state: RouteState | None
) -> None:
    listen = free_port()
    async with an_echo() as echo:
        for _ in range(2):
            await gateway.apply([tcp("ssh", echo, listen)])
            async with a_call(listen) as caller:
                assert await caller.say("hello") == "pod: hello"
                if state is None:
                    await gateway.apply([], ["ssh-22"])
                else:
                    await gateway.apply([tcp("ssh", None, listen, state)])
                assert await asyncio.wait_for(caller.cut(), 0.5)
            await until(lambda: refused(listen))
            assert "ssh-22" not in (await gateway.traffic()).ports


async def test_a_closing_port_is_carried_on(gateway: EnvoyGateway) -> None:
    listen = free_port()
    async with an_echo() as echo:
        await gateway.apply([tcp("ssh", echo, listen)])
        async with a_call(listen) as caller:
            await caller.say("hello")
            await gateway.apply([tcp("ssh", echo, listen, RouteState.CLOSING)])
            assert await caller.say("still") == "pod: still"
            async with a_call(listen) as another:
                assert await another.say("me too") == "pod: me too"
                await until(lambda: _open(gateway, 2))
            await gateway.apply([tcp("ssh", echo, listen)])
            assert await caller.say("again") == "pod: again"


async def test_the_pod_may_move_under_its_port(gateway: EnvoyGateway) -> None:
    listen = free_port()
    async with an_echo("one") as one, an_echo("two") as two:
        await gateway.apply([tcp("ssh", one, listen)])
        await gateway.apply([tcp("ssh", two, listen)])
        async with a_call(listen) as caller:
            assert await caller.say("who") == "two: who"


async def test_a_taken_port_is_refused_by_name_and_the_former_one_stays(gateway: EnvoyGateway, site: Site) -> None:
    listen = free_port()
    async with an_echo() as echo:
        await gateway.apply([tcp("ssh", echo, listen)])
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            async with a_call(listen) as caller:
                await caller.say("hello")
                with pytest.raises(InvalidInput, match=rf"ssh-22 was refused.*127\.0\.0\.1:{port}.*already in use"):
                    await gateway.apply([tcp("ssh", echo, port)])
                with pytest.raises(InvalidInput, match=rf"new-22 was refused.*127\.0\.0\.1:{port}.*already in use"):
                    await gateway.apply([tcp("new", echo, port)])
                with pytest.raises(InvalidInput, match=r"new-22 was refused.*duplicate address"):
                    await gateway.apply([tcp("new", echo, listen)])
                assert await caller.say("still") == "pod: still"
            assert [gateway.vacant(n) for n in (port, listen)] == [False, False]
        assert gateway.vacant(port)
        assert (await counted(gateway)).upgrades == 1
        assert "new-22" not in (await gateway.traffic()).ports
        await gateway.apply([tcp("new", echo, port)])
        async with a_call(port) as caller:
            assert await caller.say("hello") == "pod: hello"
        assert (await site.get("abc-80")).status == 200


async def test_a_port_may_turn_from_tcp_to_web_and_back(gateway: EnvoyGateway, site: Site) -> None:
    listen = free_port()
    async with an_echo() as echo:
        for _ in range(2):
            await gateway.apply([tcp("ssh", echo, listen)])
            assert (await site.get("ssh-22")).status == 404
            async with a_call(listen) as caller:
                assert await caller.say("hello") == "pod: hello"
            await gateway.apply([other("ssh", RouteState.STARTING, 22)])
            assert (await site.get("ssh-22")).gateway == "starting"
            await until(lambda: refused(listen))


async def test_open_connections_survive_an_adoption_and_what_changed_meanwhile_is_so(
    gateway: EnvoyGateway, site: Site
) -> None:
    stays, goes, new = free_port(), free_port(), free_port()
    async with an_echo() as echo:
        await gateway.apply([tcp("ssh", echo, stays), tcp("gone", echo, goes)])
        async with a_call(stays) as caller, a_call(goes) as leaving:
            await caller.say("hello")
            await leaving.say("hello")
            await gateway.detach()
            assert await caller.say("alone") == "pod: alone"
            again = site.gateway()
            await again.open([tcp("ssh", echo, stays), tcp("new", echo, new)])
            assert await caller.say("still") == "pod: still"
            assert (await counted(again)).upgrades == 1
            assert await leaving.cut()
        await until(lambda: refused(goes))
        async with a_call(new) as caller:
            assert await caller.say("hello") == "pod: hello"
        assert set((await again.traffic()).ports) == {"ssh-22", "new-22"}


async def test_a_port_taken_while_envoy_was_away_does_not_keep_the_others(gateway: EnvoyGateway, site: Site) -> None:
    ports = [free_port() for _ in range(3)]
    async with an_echo() as echo:
        with socket.create_server(("127.0.0.1", ports[1])):
            await gateway.close()
            again = site.gateway()
            await again.open([tcp(f"ssh{n}", echo, port) for n, port in enumerate(ports)])
            for port in (ports[0], ports[2]):
                async with a_call(port) as caller:
                    assert await caller.say("hello") == "pod: hello"
            assert set((await again.traffic()).ports) == {"ssh0-22", "ssh2-22"}


async def test_a_killed_envoy_listens_again(gateway: EnvoyGateway, site: Site) -> None:
    listen = free_port()
    async with an_echo() as echo:
        await gateway.apply([tcp("ssh", echo, listen)])
        os.kill(site.pid, signal.SIGKILL)
        await gateway.apply([live("new", echo)])
        async with a_call(listen) as caller:
            assert await caller.say("hello") == "pod: hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_the_address_of_a_tcp_port_can_be_opened(site: Site, host: str) -> None:
    gateway = site.gateway(host=host)
    assert gateway.tcp_url(30022) == f"tcp://{'proxy.localhost' if host == '0.0.0.0' else host}:30022"
    listen = free_port()
    async with an_echo() as echo:
        await gateway.open([tcp("ssh", echo, listen)])
        async with a_call(listen) as caller:
            assert await caller.say("hello") == "pod: hello"


async def test_nothing_listening_in_the_pod_ends_the_connection(gateway: EnvoyGateway) -> None:
    listen = free_port()
    await gateway.apply([tcp("ssh", Upstream(host="127.0.0.1", port=free_port()), listen)])
    async with a_call(listen) as caller:
        assert await caller.cut()
    assert (await counted(gateway)).upgraded_bytes == 0


async def _open(gateway: EnvoyGateway, count: int) -> bool:
    return (await counted(gateway)).upgraded == count
