"""Pods that stand behind somebody else's proxy: found by name, spoken to by TLS, believed by their certificate."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from core.gateway.envoy import EnvoyGateway
from core.model import Upstream
from tests.core.gateway.certificates import Pair
from tests.core.gateway.parts import DOMAIN, PodServer, Site, live
from tests.helpers import until

NAME = f"theirs0pod-80.{DOMAIN}"
HOST = f"abc-80.{DOMAIN}"


class Elsewhere:
    """A pod behind a certificate; `called` are the names that it was asked for in TLS."""

    def __init__(self, folder: Path, pair: Pair) -> None:
        self.pod = PodServer("elsewhere")
        self.pod.lies = False
        self.called: list[str | None] = []
        self.pair = pair
        self.ca, key = pair.write(folder)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(self.ca, key)
        self._tls.sni_callback = lambda _, name, __: self.called.append(name)

    @property
    def upstream(self) -> Upstream:
        return Upstream(host="127.0.0.1", port=self.pod.upstream.port, name=NAME, tls=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Elsewhere"]:
        await self.pod.start(self._tls)
        try:
            yield self
        finally:
            await self.pod.stop()


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Elsewhere]:
    async with Elsewhere(tmp_path, Pair()).running() as found:
        yield found


@pytest.fixture
async def remote(site: Site, elsewhere: Elsewhere) -> EnvoyGateway:
    """Open, with the pod elsewhere live as `abc-80`."""
    made = site.gateway(ca=elsewhere.ca)
    await made.open([live("abc", elsewhere.upstream)])
    return made


async def test_it_is_asked_by_its_own_name_and_told_by_which_people_came(
    remote: EnvoyGateway, site: Site, elsewhere: Elsewhere
) -> None:
    answer = await site.get("abc-80", "/x?y=1")
    assert answer.status == 200
    headers = answer.body["headers"]
    assert headers["host"] == f"{NAME}:{elsewhere.upstream.port}"
    assert headers["x-forwarded-host"] == HOST
    assert answer.body["path"] == "/x?y=1"
    assert set(elsewhere.called) == {NAME}
    traffic = (await remote.traffic()).ports["abc-80"]
    assert (traffic.completed, traffic.succeeded) == (1, 1)


@pytest.mark.parametrize(
    ("origin", "arrives"),
    [
        (f"http://{HOST}:8080", "own"),
        (f"https://{HOST}", "own"),
        ("https://evil.example", "https://evil.example"),
        (f"https://{HOST}.evil.example", f"https://{HOST}.evil.example"),
        (f"https://x{HOST}", f"https://x{HOST}"),
        ("null", "null"),
        (None, None),
    ],
)
async def test_only_the_origin_of_its_own_pages_is_renamed(
    remote: EnvoyGateway, site: Site, elsewhere: Elsewhere, origin: str | None, arrives: str | None
) -> None:
    answer = await site.get("abc-80", "/", **({"Origin": origin} if origin is not None else {}))
    own = f"https://{NAME}:{elsewhere.upstream.port}"
    assert answer.body["headers"].get("origin") == (own if arrives == "own" else arrives)


async def test_sockets_pass_and_are_counted(remote: EnvoyGateway, site: Site) -> None:
    async with connect(
        f"ws://{HOST}:{site.port}/socket", host="127.0.0.1", port=site.port, proxy=None, origin=f"http://{HOST}"
    ) as socket:
        await socket.send("hello")
        assert await socket.recv() == "elsewhere: hello"
        await until(lambda: _open(remote, 1))
    await until(lambda: _open(remote, 0))


async def _open(gateway: EnvoyGateway, count: int) -> bool:
    return (await gateway.traffic()).ports["abc-80"].upgraded == count


@pytest.mark.parametrize(
    "pair",
    [lambda: Pair(name="*.elsewhere.example"), lambda: Pair(name=f"other-80.{DOMAIN}")],
    ids=["another domain", "another pod"],
)
async def test_a_certificate_of_another_name_is_not_believed(
    site: Site, tmp_path: Path, pair: Callable[[], Pair]
) -> None:
    async with Elsewhere(tmp_path, pair()).running() as wrong:
        gateway = site.gateway(ca=wrong.ca)
        await gateway.open([live("abc", wrong.upstream)])
        assert (await site.get("abc-80")).status == 503
        assert not await gateway.reach(wrong.upstream, None)
        assert not await gateway.reach(wrong.upstream, "/")


async def test_a_certificate_of_an_authority_that_nobody_trusts_is_not_believed(
    site: Site, elsewhere: Elsewhere
) -> None:
    gateway = site.gateway()
    await gateway.open([live("abc", elsewhere.upstream)])
    assert (await site.get("abc-80")).status == 503
    assert not await gateway.reach(elsewhere.upstream, "/")


@pytest.mark.parametrize(
    ("path", "reached"),
    [("/", True), ("/status/404", False), ("/status/502", False), ("/status/401", True), (None, True)],
)
async def test_a_proxy_that_takes_every_connection_is_asked_for_an_answer(
    remote: EnvoyGateway, elsewhere: Elsewhere, path: str | None, reached: bool
) -> None:
    assert await remote.reach(elsewhere.upstream, path) is reached


async def test_a_proxy_that_is_not_there_is_not_reached(remote: EnvoyGateway, elsewhere: Elsewhere) -> None:
    await elsewhere.pod.stop()
    assert not await remote.reach(elsewhere.upstream, None)


async def test_a_name_is_looked_up_and_one_that_nobody_knows_answers_503(site: Site, pod: PodServer) -> None:
    found = Upstream(host="localhost", port=pod.upstream.port, name="pod.example")
    gateway = site.gateway()
    await gateway.open([live("abc", found), live("lost", found.model_copy(update={"host": "nobody.invalid"}))])
    answer = await until(lambda: _answered(site), 15)
    assert answer["headers"]["host"] == f"pod.example:{pod.upstream.port}"
    assert (await site.get("lost-80")).status == 503


async def _answered(site: Site) -> dict:
    answer = await site.get("abc-80")
    return answer.body if answer.status == 200 else {}
