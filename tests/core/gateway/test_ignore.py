"""Requests that are served and not counted as use, on a real Envoy."""

import pytest

from core.errors import InvalidInput
from core.gateway.base import Route, RouteState
from core.gateway.envoy import EnvoyGateway
from core.gateway.ignore import matches
from core.model import Ignore, PortTraffic
from tests.core.gateway.parts import PodServer, Site, other

RULES = Ignore(paths=("/health", "/deep/er/"), agents=("UptimeRobot", "kube-probe/"), methods=("head",))


def ruled(pod: PodServer, ignore: Ignore = RULES, state: RouteState = RouteState.LIVE) -> Route:
    return Route(pod_id="abc", port=80, state=state, upstream=pod.upstream, ignore=ignore)


async def traffic(gateway: EnvoyGateway) -> PortTraffic:
    return (await gateway.traffic()).ports["abc-80"]


async def test_what_fits_a_rule_is_served_and_counted_apart(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    await gateway.apply([ruled(pod)])
    asked = [
        ("/health", "GET", "curl"),
        ("/health?full=1", "GET", "curl"),
        ("/health/live", "POST", "curl"),
        ("/deep/er", "GET", "curl"),
        ("/deep/er/x", "GET", "curl"),
        ("/", "GET", "Mozilla/5.0 (compatible; UPTIMErobot/2.0)"),
        ("/x", "GET", "kube-probe/1.30"),
        ("/", "HEAD", "curl"),
    ]
    for number, (path, method, agent) in enumerate(asked, 1):
        assert (await site.get("abc-80", path, method, user_agent=agent)).status == 200
        assert await traffic(gateway) == PortTraffic(ignored=number), (path, method, agent)
    asked = [
        ("/healthy", "GET", "curl"),
        ("/Health", "GET", "curl"),
        ("/x/health", "GET", "kube"),
        ("/", "OPTIONS", ""),
    ]
    for number, (path, method, agent) in enumerate(asked, 1):
        assert (await site.get("abc-80", path, method, user_agent=agent)).status == 200
        found = await traffic(gateway)
        assert (found.completed, found.succeeded, found.ignored) == (number, number, 8), (path, method, agent)


async def test_an_ignored_socket_is_open_and_not_counted_as_one(
    gateway: EnvoyGateway, site: Site, pod: PodServer
) -> None:
    await gateway.apply([ruled(pod, Ignore(paths=("/socket",)))])
    async with site.socket("abc-80") as socket:
        await socket.send("hello")
        assert await socket.recv() == "pod: hello"
        assert await traffic(gateway) == PortTraffic(ignored=1)


async def test_the_root_is_everything(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    await gateway.apply([ruled(pod, Ignore(paths=("/",)))])
    assert [(await site.get("abc-80", path)).status for path in ("/", "/a/b?c")] == [200, 200]
    assert await traffic(gateway) == PortTraffic(ignored=2)


async def test_rules_come_and_go_without_a_dropped_request(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    for number in range(1, 4):
        await gateway.apply([ruled(pod)])
        assert (await site.get("abc-80", "/health")).status == 200
        assert (await traffic(gateway)).completed == number - 1
        await gateway.apply([ruled(pod, Ignore())])
        assert (await site.get("abc-80", "/health")).status == 200
        assert (await traffic(gateway)).completed == number


async def test_rules_are_gone_with_the_pod_and_back_with_it(gateway: EnvoyGateway, site: Site, pod: PodServer) -> None:
    await gateway.apply([ruled(pod)])
    await site.get("abc-80", "/health")
    await gateway.apply([ruled(pod, state=RouteState.CLOSING)])
    assert (await site.get("abc-80", "/health")).gateway == "starting"
    assert await traffic(gateway) == PortTraffic(ignored=1)
    await gateway.apply([other("abc", RouteState.SLEEPING)])
    assert (await site.get("abc-80", "/health")).gateway == "sleeping"
    await gateway.apply([ruled(pod)])
    assert (await site.get("abc-80", "/health")).status == 200
    before = await traffic(gateway)
    await gateway.detach()
    again = site.gateway()
    await again.open([ruled(pod)])
    assert (await site.get("abc-80", "/health")).status == 200
    assert await traffic(again) == PortTraffic(ignored=before.ignored + 1)


@pytest.mark.parametrize(
    "rules",
    [
        *(Ignore(paths=(path,)) for path in ("", "health", "/a?b", "/a#b", "/a b", "/ä", "/a\n", "/" + "x" * 256, "*")),
        *(Ignore(agents=(agent,)) for agent in ("", " ", "a\nb", "ü", "x" * 257, " a")),
        *(Ignore(methods=(method,)) for method in ("", "GET POST", ":", "GÉT", "x" * 257)),
    ],
)
async def test_what_cannot_be_a_rule_is_refused(rules: Ignore) -> None:
    with pytest.raises(InvalidInput, match=r"idle\.ignore: .* is not a"):
        matches(rules)


@pytest.mark.parametrize("path", ["//", "/a//", "/%", "/a'(b)", "/~user/*", "/" + "x" * 255])
async def test_every_rule_that_we_take_envoy_takes(gateway: EnvoyGateway, pod: PodServer, path: str) -> None:
    await gateway.apply([ruled(pod, Ignore(paths=(path,), agents=(path, "("), methods=("M-SEARCH",)))])
