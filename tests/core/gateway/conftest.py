"""A pod that answers and a place for a gateway."""

from collections.abc import AsyncIterator

import pytest

from core.gateway.envoy import EnvoyGateway
from tests.core.gateway.parts import PodServer, Site, a_pod, a_site, live


@pytest.fixture
async def pod() -> AsyncIterator[PodServer]:
    async with a_pod() as server:
        yield server


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as found:
        yield found


@pytest.fixture
async def gateway(site: Site, pod: PodServer) -> EnvoyGateway:
    """Open, with the pod live as `abc-80`."""
    made = site.gateway()
    await made.open([live("abc", pod.upstream)])
    return made
