"""Strange host names, and names that mean something inside the gateway."""

import pytest

from core.gateway.base import RouteState
from core.gateway.envoy import EnvoyGateway
from tests.core.gateway.http2 import http2
from tests.core.gateway.parts import DOMAIN, PodServer, Site, live, other

NAMES = [
    "admin",
    "wake",
    "inside",
    "ads",
    "pods",
    "tcp|abc-80",
    "rq|abc-80",
    "ws|abc-80",
    "unix:admin.sock",
    "admin.sock",
]
SECRETS = (
    "/stats",
    "/stats/prometheus?usedonly",
    "/server_info",
    "/config_dump",
    "/quitquitquit",
    "/ready",
    "/keepalive/x",
)


@pytest.mark.parametrize(
    "host",
    [
        "{pod}:80",
        "{pod}:{port}",
        "{pod}:99999",
        "{pod}.",
        "{pod}.:8443",
        "{POD}",
        "{POD}.:1",
    ],
)
async def test_these_are_the_pod(gateway: EnvoyGateway, site: Site, host: str) -> None:
    pod = f"abc-80.{DOMAIN}"
    assert (await site.get(host.format(pod=pod, POD=pod.upper(), port=site.port))).body["pod"] == "pod"


@pytest.mark.parametrize(
    "host",
    [
        "[::1]",
        "[::1]:8080",
        "::1.",
        "127.0.0.1:80",
        "x" * 300 + ".",
        f"{'x' * 300}.{DOMAIN}",
        f"{'x.' * 150}{DOMAIN}",
        f".{DOMAIN}",
        f"abc-80..{DOMAIN}",
        f"abc-80.{DOMAIN}.evil.example",
        f"abc-80.{DOMAIN}@evil.example",
        f"abc-080.{DOMAIN}",
        f"abc-80{DOMAIN}",
        f"abc.{DOMAIN}",
        f"2s56cp0pof1rmt-8080.{DOMAIN}",
        DOMAIN,
    ],
)
async def test_these_are_nobody(gateway: EnvoyGateway, site: Site, host: str) -> None:
    answer = await site.get(host, accept="text/html")
    assert (answer.status, answer.gateway) == (404, "unknown")
    assert answer.text == "There is nothing at this address.\n"


async def test_what_is_no_host_at_all_is_a_bad_request(gateway: EnvoyGateway, site: Site) -> None:
    for host in (f"evil.example/abc-80.{DOMAIN}", f"ws|abc-80.{DOMAIN}", f"a b.{DOMAIN}"):
        assert (await site.get(host)).status == 400


async def test_the_inside_of_the_gateway_is_no_host(gateway: EnvoyGateway, site: Site) -> None:
    await gateway.apply([other("def", RouteState.SLEEPING)])
    for name in NAMES:
        for host in (f"{name}.", f"{name}:80", f"{name}.{DOMAIN}", f"{name}-80.{DOMAIN}"):
            for path in SECRETS:
                answer = await site.get(host, path)
                assert (answer.status, answer.gateway) in ((404, "unknown"), (400, "refused")), (host, path)


async def test_the_administration_is_not_reached_by_way_of_a_pod(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    await gateway.apply([live("admin", pod.upstream), other("wake", RouteState.SLEEPING)])
    for path in SECRETS:
        assert (await site.get("admin-80", path)).body["pod"] == "pod"
        assert (await site.get("wake-80", path)).gateway == "sleeping"


async def test_a_host_over_http_2_is_as_one_over_http_1(gateway: EnvoyGateway, site: Site) -> None:
    for authority, wanted in (
        (f"ABC-80.{DOMAIN}.:8443", b'"pod": "pod"'),
        ("[::1]:80", b"nothing at this address"),
        (f"admin.{DOMAIN}", b"nothing at this address"),
    ):
        async with http2(site.port) as visitor:
            visitor.ask(method="GET", scheme="http", authority=authority, path="/")
            assert wanted in await visitor.until(wanted)
