"""A dead pod's address never answers with another pod's page, although the two have the same place on the network."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from core.engines.docker import DockerEngine
from core.model import Pod, Status
from tests.e2e.parts import Place, RealHouse, container
from tests.helpers import until
from tests.parts import Images, docker

VISITORS = 6


class OneAddress(DockerEngine):
    """A network with room for one pod."""

    def addresses(self) -> Iterable[str]:
        """The first address only."""
        return [str(min(ipaddress.ip_address(address) for address in super().addresses() or ()))]


async def killed_behind_our_back(home: RealHouse, pod: Pod) -> None:
    await asyncio.to_thread(docker, "kill", container(pod))


async def removed_behind_our_back(home: RealHouse, pod: Pod) -> None:
    await asyncio.to_thread(docker, "rm", "-f", container(pod))


async def stopped(home: RealHouse, pod: Pod) -> None:
    await home.pods.stop(await home.me(), pod.id)


async def terminated(home: RealHouse, pod: Pod) -> None:
    await home.pods.terminate(await home.me(), pod.id)


@asynccontextmanager
async def hammered(home: RealHouse, pod: Pod) -> AsyncIterator[list[tuple[int, str]]]:
    """Many visitors of one address, half of them over connections of their own; what they got."""
    got: list[tuple[int, str]] = []
    over = asyncio.Event()

    async def visit(keep: bool) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=not keep)) as session:
            headers = {"Host": f"{pod.id}-8080.proxy.localhost"}
            while not over.is_set():
                # One that is cut off in the middle, because its pod was killed, has shown nothing.
                with suppress(aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError):
                    async with session.get(f"http://127.0.0.1:{home.site.port}/", headers=headers) as answer:
                        got.append((answer.status, await answer.text()))

    tasks = [asyncio.create_task(visit(bool(n % 2))) for n in range(VISITORS)]
    try:
        yield got
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def _takes_the_place(home: RealHouse, former: Pod) -> Pod:
    """Another pod at the same place on the network, as soon as it is free."""
    while True:
        pod = await home.started("web")
        if pod.status is Status.RUNNING:
            assert pod.upstreams == former.upstreams
            return pod
        assert pod.status is Status.ERROR
        assert "addresses of the pod network are taken" in (pod.reason or "")
        await home.terminate(pod)


@pytest.mark.parametrize(
    ("end", "last"),
    [(killed_behind_our_back, 503), (removed_behind_our_back, 503), (stopped, 503), (terminated, 404)],
)
async def test_a_dead_pods_address_never_shows_another_pods_page(
    end: Callable[[RealHouse, Pod], Awaitable[None]], last: int, place: Place, busybox_image: Images
) -> None:
    place.template("web", busybox_image.web)
    async with place.house(OneAddress()) as home:
        dead = await home.up("web")
        async with hammered(home, dead) as got:
            await until(lambda: len(got) > 3 * VISITORS)
            await end(home, dead)
            other = await _takes_the_place(home, dead)
            seen = len(got)
            await until(lambda: len(got) > seen + 20 * VISITORS)
        assert (await home.ask(other)).text.strip() == other.id
    assert {text.strip() for status, text in got if status == 200} == {dead.id}
    assert {status for status, _ in got[-VISITORS:]} == {last}
    assert not [text for _, text in got if other.id in text]
