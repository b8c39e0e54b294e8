"""What passes through the gateway, and how it is counted."""

import asyncio

from core.gateway.base import RouteState
from core.gateway.envoy import EnvoyGateway
from core.model import PortTraffic, Upstream
from tests.core.gateway.parts import DOMAIN, PodServer, Site, live, other
from tests.helpers import free_port, until


async def port_traffic(gateway: EnvoyGateway, key: str = "abc-80") -> PortTraffic:
    return (await gateway.traffic()).ports[key]


async def test_a_request_reaches_the_pod_with_path_and_query(gateway: EnvoyGateway, site: Site) -> None:
    answer = await site.get("abc-80", "/a%20b?c=d")
    assert (answer.status, answer.body["pod"], answer.body["path"]) == (200, "pod", "/a%20b?c=d")


async def test_the_host_matches_in_any_case_with_any_port_and_a_trailing_dot(gateway: EnvoyGateway, site: Site) -> None:
    for host in (f"ABC-80.Proxy.LocalHost:{site.port}", f"abc-80.{DOMAIN}.", f"Abc-80.{DOMAIN}.:8443"):
        assert (await site.get(host)).status == 200, host


async def test_a_visitor_cannot_speak_for_the_gateway(gateway: EnvoyGateway, site: Site) -> None:
    forged = {
        "x_forwarded_for": "6.6.6.6",
        "x_forwarded_host": "evil",
        "x_forwarded_proto": "gopher",
        "x_forwarded_prefix": "/evil",
        "x_forwarded_scheme": "gopher",
        "x_forwarded_ssl": "on",
        "x_forwarded_user": "evil",
        "forwarded": "for=6.6.6.6",
        "x_real_ip": "6.6.6.6",
        "x_gw_pod": "other-80",
        "x_envoy_original_dst_host": "6.6.6.6:22",
        "x_envoy_max_retries": "99",
        "x_envoy_peer_metadata": "evil",
        "x_envoy_upstream_rq_timeout_ms": "1",
        "x_mine": "stays",
    }
    headers = (await site.get("abc-80", **forged)).body["headers"]
    assert headers["x-mine"] == "stays"
    assert headers["x-forwarded-proto"] == "http"
    assert not {"forwarded", "x-real-ip", "x-gw-pod"} & headers.keys()
    ours = {"x-forwarded-for", "x-forwarded-proto", "x-envoy-external-address"}
    assert {name for name in headers if name.startswith(("x-forwarded", "x-envoy"))} == ours
    assert "6.6.6.6" not in str(headers)


async def test_a_pod_cannot_pass_for_the_gateway(gateway: EnvoyGateway, site: Site) -> None:
    assert (await site.get("abc-80")).gateway is None
    assert await gateway.probe("abc", 80) == 200


async def test_events_arrive_as_they_are_sent(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    async with site.opened("abc-80", "/events") as answer:
        assert await answer.content.readuntil(b"\n\n") == b"data: first\n\n"
        assert (await port_traffic(gateway)).in_flight == 1
        pod.release.set()
        assert await answer.content.readuntil(b"\n\n") == b"data: second\n\n"
        assert await answer.read() == b""
    await until(lambda: _quiet(gateway))


async def test_bytes_are_counted_while_a_stream_is_open(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    async with site.opened("abc-80", "/drops") as answer:
        seen = -1
        for _ in range(5):
            pod.drop.set()
            await answer.content.readexactly(1000)
            found = await port_traffic(gateway)
            assert (found.in_flight, found.completed) == (1, 1)
            assert found.bytes >= seen + 1000
            assert await port_traffic(gateway) == found
            seen = found.bytes


async def test_a_silent_websocket_is_upgraded_and_not_in_flight(gateway: EnvoyGateway, site: Site) -> None:
    async with site.socket("abc-80") as socket:
        before = await port_traffic(gateway)
        assert (before.upgrades, before.upgraded, before.in_flight, before.completed) == (1, 1, 0, 0)
        await socket.send("hello")
        assert await socket.recv() == "pod: hello"
        after = await port_traffic(gateway)
        assert after.upgraded_bytes > before.upgraded_bytes
        assert after.bytes == 0
    await until(lambda: _quiet(gateway))
    assert (await port_traffic(gateway)).upgrades == 1


async def test_an_upgrade_that_the_pod_does_not_grant_is_a_plain_request(gateway: EnvoyGateway, site: Site) -> None:
    ask = {"connection": "upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
    for status in (404, 500):
        assert (await site.get("abc-80", f"/status/{status}", **ask)).status == status
    found = await port_traffic(gateway)
    assert (found.completed, found.succeeded, found.upgrades, found.upgraded) == (2, 0, 0, 0)


async def test_a_big_upload_in_chunks_passes_as_it_comes(gateway: EnvoyGateway, site: Site) -> None:
    async def chunks():
        for _ in range(64):
            yield bytes(1 << 20)

    url, host = f"http://127.0.0.1:{site.port}/upload", {"Host": f"abc-80.{DOMAIN}"}
    async with site.session.post(url, data=chunks(), headers=host) as answer:
        assert await answer.json() == {"size": 64 << 20, "chunked": True}
    assert (await port_traffic(gateway)).bytes >= 64 << 20


async def test_http_2_in_the_clear_passes(gateway: EnvoyGateway, site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    settings = b"\0\0\0\4\0\0\0\0\0"
    authority = f"abc-80.{DOMAIN}".encode()
    # HPACK: indexed GET, http and /, then :authority (static name 1) as a literal.
    block = b"\x82\x86\x84\x01" + bytes([len(authority)]) + authority
    head = len(block).to_bytes(3, "big") + b"\1\5\0\0\0\1" + block
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + head)
    read = b""
    async with asyncio.timeout(5):
        while b'"pod": "pod"' not in read:
            read += await reader.read(65536)
    writer.close()
    await writer.wait_closed()


async def test_nothing_listening_in_the_pod_is_told_by_the_gateway(site: Site, pod: PodServer) -> None:
    gateway = site.gateway()
    await gateway.open([live("abc", pod.upstream)])
    await pod.stop()
    page = await site.get("abc-80", accept="text/html")
    assert (page.status, page.gateway, page.headers["retry-after"]) == (503, "unreached", "2")
    assert 'http-equiv="refresh"' in page.text
    program = await site.get("abc-80", accept="application/json")
    assert (program.status, program.body["status"]) == (503, 503)
    assert await gateway.probe("abc", 80) is None
    found = await port_traffic(gateway)
    assert (found.succeeded, found.in_flight, found.bytes) == (0, 0, 0)


async def test_a_pod_that_hangs_up_is_not_taken_for_an_answer(site: Site) -> None:
    from tests.core.gateway.parts import live

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    port = free_port()
    async with await asyncio.start_server(hang_up, "127.0.0.1", port):
        gateway = site.gateway()
        await gateway.open([live("abc", Upstream(host="127.0.0.1", port=port))])
        assert (await site.get("abc-80")).gateway == "refused"
        assert await gateway.probe("abc", 80) is None


async def test_a_starting_pod_has_a_page_that_tries_again(gateway: EnvoyGateway, site: Site) -> None:
    await gateway.apply([other("abc", RouteState.STARTING)])
    page = await site.get("abc-80", accept="text/html,*/*")
    assert (page.status, page.gateway, page.headers["cache-control"]) == (503, "starting", "no-store")
    assert (page.headers["retry-after"], page.headers["content-type"]) == ("2", "text/html; charset=utf-8")
    assert 'http-equiv="refresh"' in page.text
    program = await site.get("abc-80", method="POST", accept="*/*")
    assert (program.status, program.headers["content-type"]) == (503, "application/problem+json")
    assert program.body["status"] == 503


async def test_a_sleeping_pod_tells_browsers_how_to_start_it(gateway: EnvoyGateway, site: Site) -> None:
    await gateway.apply([other("abc", RouteState.SLEEPING)])
    page = await site.get("abc-80", accept="text/html,*/*")
    assert (page.status, page.gateway, page.headers["cache-control"]) == (503, "sleeping", "no-store")
    assert "/pod resume abc<" in page.text
    assert "podkeeper pod resume abc<" in page.text
    assert int(page.headers["retry-after"]) > 0


async def test_a_sleeping_pod_tells_programs_to_come_back(gateway: EnvoyGateway, site: Site) -> None:
    await gateway.apply([other("abc", RouteState.SLEEPING)])
    for method in ("GET", "POST", "DELETE", "PROPFIND"):
        program = await site.get("abc-80", method=method, accept="application/json")
        assert (program.status, program.headers["content-type"]) == (503, "application/problem+json")
        assert int(program.headers["retry-after"]) > 0
        assert program.body["title"] == "Pod is stopped"
    upgrade = await site.get("abc-80", connection="upgrade", upgrade="WebSocket", sec_websocket_version="13")
    assert (upgrade.status, upgrade.gateway, upgrade.body["status"]) == (503, "sleeping", 503)


async def test_a_strange_host_learns_nothing(gateway: EnvoyGateway, site: Site) -> None:
    for host in ("nobody-80", f"x.abc-80.{DOMAIN}", "abc-80.other.example", f"abc-81.{DOMAIN}", "wake.x", "127.0.0.1"):
        answer = await site.get(host, accept="text/html")
        assert (answer.status, answer.gateway) == (404, "unknown"), host
        assert answer.text == "There is nothing at this address.\n"


async def test_an_open_socket_and_an_open_request_survive_falling_asleep(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    async with site.socket("abc-80") as socket:
        request = asyncio.create_task(site.get("abc-80", "/wait"))
        await pod.waiting.wait()
        await gateway.apply([other("abc", RouteState.SLEEPING)])
        assert (await site.get("abc-80")).gateway == "sleeping"
        await socket.send("still")
        assert await socket.recv() == "pod: still"
        pod.release.set()
        assert (await request).text == "pod"


async def _quiet(gateway: EnvoyGateway) -> bool:
    found = await port_traffic(gateway)
    return found.in_flight == found.upgraded == 0
