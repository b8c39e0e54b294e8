"""Envoy and the control plane come and go; visitors should not notice."""

import asyncio
import json
import os
import signal
import socket
import stat
from functools import partial
from pathlib import Path

import pytest

from core.errors import InvalidInput, Unavailable
from core.gateway.base import Route, RouteState
from core.gateway.envoy import EnvoyGateway
from core.model import Upstream
from tests.core.gateway.parts import PodServer, Site, a_pod, live, other
from tests.helpers import free_port, until


async def test_a_detached_envoy_serves_on_and_is_adopted_with_its_counters(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    await gateway.apply([other("def", RouteState.SLEEPING)])
    await site.get("abc-80")
    before, pid = await gateway.traffic(), site.pid
    await gateway.detach()
    assert (await site.get("abc-80")).status == 200
    asleep = await site.get("def-80", accept="text/html")
    assert (asleep.status, asleep.gateway) == (503, "sleeping")

    again = site.gateway()
    await again.open([live("abc", pod.upstream), other("def", RouteState.SLEEPING)])
    after = await again.traffic()
    assert (site.pid, after.generation) == (pid, before.generation)
    assert after.ports["abc-80"].completed == 2
    assert "/pod resume" in (await site.get("def-80", accept="text/html")).text


async def test_a_socket_stays_open_over_an_adoption(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    async with site.socket("abc-80") as visitor:
        await gateway.detach()
        again = site.gateway()
        await again.open([live("abc", pod.upstream)])
        await visitor.send("hello")
        assert await visitor.recv() == "pod: hello"
        assert (await again.traffic()).ports["abc-80"].upgraded == 1


async def test_what_changed_while_nobody_was_there_is_so_when_open_returns(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    async with a_pod("other") as another:
        await gateway.apply([live("gone", pod.upstream), live("sleeps", pod.upstream), live("moves", pod.upstream)])
        await gateway.detach()
        again = site.gateway()
        await again.open(
            [
                live("abc", pod.upstream),
                other("sleeps", RouteState.SLEEPING),
                live("moves", another.upstream),
                live("new", another.upstream),
            ]
        )
        assert (await site.get("abc-80")).body["pod"] == "pod"
        assert (await site.get("gone-80")).status == 404
        assert (await site.get("sleeps-80")).gateway == "sleeping"
        assert (await site.get("moves-80")).body["pod"] == "other"
        assert (await site.get("new-80")).body["pod"] == "other"
        assert set((await again.traffic()).ports) == {"abc-80", "moves-80", "new-80"}


async def test_other_settings_start_another_envoy(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    generation, pid = (await gateway.traffic()).generation, site.pid
    await gateway.detach()
    site.port = free_port()
    again = site.gateway()
    await again.open([live("abc", pod.upstream)])
    assert (await again.traffic()).generation != generation
    assert site.pid != pid
    assert not Path(f"/proc/{pid}").exists()
    assert (await site.get("abc-80")).status == 200


async def test_an_envoy_without_a_state_file_is_ended_and_not_left_behind(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    pid = site.pid
    await gateway.detach()
    (site.directory / "gateway.json").unlink()
    await site.gateway().open([live("abc", pod.upstream)])
    assert not Path(f"/proc/{pid}").exists()
    assert (await site.get("abc-80")).status == 200


async def test_a_state_file_with_a_pid_that_is_not_envoy_does_no_harm(site: Site, pod: PodServer) -> None:
    state = {"pid": os.getpid(), "node": "n", "bootstrap": "b", "version": "v"}
    (site.directory / "gateway.json").write_text(json.dumps(state))
    await site.gateway().open([live("abc", pod.upstream)])
    assert (await site.get("abc-80")).status == 200


async def test_a_killed_envoy_is_back_at_once_with_all_routes(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    await gateway.apply([other("def", RouteState.SLEEPING)])
    await site.get("abc-80")
    before, pid = await gateway.traffic(), site.pid
    for _ in range(2):
        os.kill(site.pid, signal.SIGKILL)
        await until(partial(_is_new, gateway, before.generation), 5)
        before = await gateway.traffic()
        assert (await site.get("abc-80")).status == 200
        assert (await site.get("def-80")).gateway == "sleeping"
        assert "serves 2 addresses" in await gateway.check()
    assert site.pid != pid


async def test_nothing_is_counted_as_zero_while_envoy_is_down(gateway: EnvoyGateway, site: Site) -> None:
    generation = (await gateway.traffic()).generation
    await site.get("abc-80")
    os.kill(site.pid, signal.SIGKILL)

    async def counted_anew() -> bool:
        try:
            found = await gateway.traffic()
        except Unavailable:
            return False
        assert not found.ports or found.generation != generation or found.ports["abc-80"].completed == 1
        return bool(found.ports) and found.generation != generation

    await until(counted_anew)


async def test_a_change_while_envoy_is_away_is_kept_and_confirmed_when_it_is_back(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    os.kill(site.pid, signal.SIGKILL)
    await gateway.apply([live("new", pod.upstream)], ["abc-80"])
    assert (await site.get("new-80")).status == 200
    assert (await site.get("abc-80")).status == 404


class Impatient(EnvoyGateway):
    patience = 0.5


async def test_a_hanging_envoy_is_told_within_the_deadline_and_gets_it_later(site: Site, pod: PodServer) -> None:
    gateway = site.gateway(kind=Impatient)
    await gateway.open([live("abc", pod.upstream)])
    pid = site.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable, match="did not confirm 1 of 1 addresses"):
            await gateway.apply([live("new", pod.upstream)])
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(lambda: _answers(site, "new-80"))
    await gateway.apply([live("new", pod.upstream)])


async def test_a_refused_address_in_open_does_not_keep_the_others_away(site: Site, pod: PodServer) -> None:
    gateway = site.gateway()
    good = [live(f"good{n}", pod.upstream) for n in range(5)]
    await gateway.open([*good[:2], live("bad", Upstream(host="not.an.ip", port=1)), *good[2:]])
    for route in good:
        assert (await site.get(route.key)).status == 200
    assert (await site.get("bad-80")).gateway == "unreached"
    assert set((await gateway.traffic()).ports) == {route.key for route in good}
    with pytest.raises(InvalidInput, match=r"bad-80 was refused.*not\.an\.ip"):
        await gateway.apply([live("bad", Upstream(host="not.an.ip", port=1))])
    await gateway.apply([live("bad", pod.upstream)])
    assert (await site.get("bad-80")).status == 200


async def test_after_a_refusal_everything_still_changes(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    bad = Upstream(host="not.an.ip", port=1)
    await site.get("abc-80")
    with pytest.raises(InvalidInput) as caught:
        await gateway.apply([live("abc", bad), live("new", bad), live("def", pod.upstream)])
    assert {"abc-80", "new-80"} == {line.split()[1] for line in str(caught.value).splitlines()}
    assert (await site.get("abc-80")).status == 200
    assert (await site.get("new-80")).status == 404
    assert (await gateway.traffic()).ports["abc-80"].completed == 2
    await gateway.apply([other("abc", RouteState.SLEEPING), live("new", pod.upstream)], ["def-80"])
    assert (await site.get("abc-80")).gateway == "sleeping"
    assert (await site.get("new-80")).status == 200
    assert (await site.get("def-80")).status == 404


async def test_what_cannot_be_a_host_name_is_refused_before_anything_is_done(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    for pod_id in ("ABC", "a.b", "a|b", "", "x" * 64, "-a"):
        with pytest.raises(InvalidInput, match="cannot be a web address"):
            await gateway.apply([live("new", pod.upstream), live(pod_id, pod.upstream)])
    assert (await site.get("new-80")).status == 404


async def test_many_changes_at_once_and_of_the_same_address_end_in_the_last(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    many = [live(f"p{n}", pod.upstream) for n in range(100)]
    sleeping = [other(f"p{n}", RouteState.SLEEPING) for n in range(100)]
    await asyncio.gather(
        gateway.apply(many), gateway.apply(sleeping), gateway.apply(many), gateway.apply(sleeping[:50])
    )
    assert (await site.get("p3-80")).gateway == "sleeping"
    assert (await site.get("p77-80")).status == 200
    assert len((await gateway.traffic()).ports) == 51


async def test_a_flapping_address_never_fails_a_visitor(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    states = [live("abc", pod.upstream), live("abc", pod.upstream, state=RouteState.CLOSING)]
    done = asyncio.Event()
    seen: set[tuple[int, str | None]] = set()

    async def visit() -> None:
        while not done.is_set():
            answer = await site.get("abc-80")
            seen.add((answer.status, answer.gateway))

    visitor = asyncio.create_task(visit())
    for n in range(60):
        asleep: list[Route] = [other("abc", RouteState.SLEEPING)]
        await gateway.apply(asleep if n % 3 == 2 else [states[n % 3]])
    done.set()
    await visitor
    assert seen <= {(200, None), (503, "starting"), (503, "sleeping")}


async def test_a_taken_port_is_named_with_the_setting(site: Site) -> None:
    named = rf"127\.0\.0\.1:{site.port}.*PODKEEPER_GATEWAY_LISTEN"
    with socket.create_server(("127.0.0.1", site.port)), pytest.raises(Unavailable, match=named):
        await site.gateway().open([])
    assert not (site.directory / "gateway.json").exists()


async def test_a_missing_binary_is_named_with_the_setting(site: Site, tmp_path: Path) -> None:
    for binary in (tmp_path / "none", Path("/bin/true")):
        gateway = EnvoyGateway(site.directory, ("127.0.0.1", site.port), "x.localhost", ("http", ""), binary=binary)
        with pytest.raises(Unavailable, match="PODKEEPER_ENVOY"):
            await gateway.open([])


async def test_a_directory_too_long_for_sockets_is_refused(site: Site) -> None:
    gateway = EnvoyGateway(site.directory / ("d" * 90), ("127.0.0.1", site.port), "x.localhost", ("http", ""))
    with pytest.raises(Unavailable, match="PODKEEPER_DATA_DIR"):
        await gateway.open([])


async def test_the_administration_is_for_this_user_only_and_says_little(gateway: EnvoyGateway, site: Site) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (site.directory, site.directory / "admin.sock")}
    assert modes == {site.directory.name: 0o700, "admin.sock": 0o600}
    reader, writer = await asyncio.open_unix_connection(site.directory / "admin.sock")
    writer.write(b"POST /quitquitquit HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b" 403 " in await reader.readline()
    writer.close()


async def test_envoy_gets_none_of_our_environment(gateway: EnvoyGateway, site: Site) -> None:
    assert b"PATH" not in Path(f"/proc/{site.pid}/environ").read_bytes()


async def test_close_ends_envoy(gateway: EnvoyGateway, site: Site) -> None:
    pid = site.pid
    await gateway.close()
    assert not Path(f"/proc/{pid}").exists()
    assert list(site.directory.glob("*.sock")) == []
    with pytest.raises(Unavailable):
        await gateway.traffic()


async def _is_new(gateway: EnvoyGateway, generation: str) -> bool:
    try:
        found = await gateway.traffic()
    except Unavailable:
        return False
    return found.generation != generation and bool(found.ports)


async def _answers(site: Site, host: str) -> bool:
    return (await site.get(host)).status == 200
