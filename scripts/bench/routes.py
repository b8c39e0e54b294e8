"""The bench's routes: one pod port from its starting page to live, beside 10 others, 1,000 and 10,000."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from core.gateway.base import Route, RouteState
from core.gateway.envoy import EnvoyGateway
from core.model import Upstream
from scripts.bench.figures import Row, Samples, Section
from scripts.bench.visit import until_answered
from tests.core.gateway.parts import DOMAIN, Site, a_pod, a_site, live, other

FEW, MANY = 10, (1000, 10_000)
LIMITS = {50: 10.0, 99: 100.0}
_NOTE = """
An Envoy for each number of live pod ports; all run at once and take turns. From the call of `Gateway.apply`, as it is
made when the engine says that the pod is ready.
"""


@dataclass
class _Door:
    """A gateway that carries some pod ports already."""

    site: Site
    gateway: EnvoyGateway
    upstream: Upstream
    applied: list[float]
    answered: list[float]

    async def turn(self, number: int) -> None:
        """One more pod port goes live: until Envoy has acknowledged it, and until it answers. Then it is removed."""
        loop = asyncio.get_running_loop()
        pod_id = f"new{number}"
        await self.gateway.apply([other(pod_id, RouteState.STARTING)])
        begun = loop.time()
        await self.gateway.apply([live(pod_id, self.upstream)])
        self.applied.append(loop.time() - begun)
        answered = await until_answered(("127.0.0.1", self.site.port), f"{pod_id}-80.{DOMAIN}", b"bench")
        self.answered.append(answered - begun)
        await self.gateway.apply((), [f"{pod_id}-80"])


async def measure(times: int) -> list[Section]:
    """All gateways run at once and take turns."""
    async with AsyncExitStack() as stack:
        pod = await stack.enter_async_context(a_pod("bench"))
        doors: list[_Door] = []
        for count in (FEW, *MANY):
            site = await stack.enter_async_context(a_site())
            gateway = site.gateway()
            await gateway.open(_others(count, pod.upstream))
            doors.append(_Door(site, gateway, pod.upstream, [], []))
        for number in range(times):
            for door in doors if number % 2 else reversed(doors):
                await door.turn(number)
    few, *many = doors
    rows: list[Row] = []
    for count, door in zip(MANY, many, strict=True):
        applied = _named("`Gateway.apply(LIVE)` until Envoy's acknowledgement", count, door.applied)
        answered = _named("the same, until the first right answer", count, door.answered)
        rows.append(Row(applied, _few(few.applied)))
        rows.append(Row(answered, _few(few.answered), limits=LIMITS))
    return [Section.of_rows("Ready to reachable", rows, _NOTE)]


def _others(count: int, upstream: Upstream) -> Iterator[Route]:
    return (live(f"other{number}", upstream) for number in range(count))


def _named(name: str, count: int, seconds: list[float]) -> Samples:
    return Samples.of_seconds(f"{name}, beside {count:,} other pod ports", seconds)


def _few(seconds: list[float]) -> Samples:
    return Samples.of_seconds(f"beside {FEW}", seconds)
