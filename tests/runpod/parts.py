"""Two Podkeepers: the second is the cloud of the first, by its API at `/v2`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from core.engines.runpod import Account, Pace, RunPodEngine
from tests.e2e.parts import TOKEN, Place, RealHouse

BRISK = Pace(
    looks=0.2,
    ticks=0.5,
    stale=0.5,
    retry=0.02,
    timeout=5.0,
    strikes=0.5,
    searches=4,
    stop=30.0,
    start=60.0,
    lag=2.0,
    late=5.0,
    lines=0.5,
)
"""As fast as a test may ask a server on this machine."""


def account(base_url: str, proxy: str, **more: Any) -> Account:
    """Of a Podkeeper on this machine."""
    return Account(key=TOKEN, base_url=base_url, proxy=proxy, data_centers=("LOCAL",), **more)


def engine(cloud: Place, base_url: str | None = None, *, https: bool = False) -> RunPodEngine:
    """One whose cloud is the Podkeeper at that place; `base_url`: by way of another address."""
    proxy = f"{'https' if https else 'http'}://proxy.localhost:{cloud.site.port}"
    return RunPodEngine(account(base_url or cloud.url, proxy), pace=BRISK)


@asynccontextmanager
async def two_houses(
    first: Place, cloud: Place, base_url: str | None = None, **settings: Any
) -> AsyncIterator[RealHouse]:
    """The first of them, with its faces; the second is served at `cloud`."""
    async with first.served(engine=engine(cloud, base_url), **settings) as home:
        yield home
