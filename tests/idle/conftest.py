"""A place for houses on a real Envoy, and one there."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.gateway.process import stop as stop_process
from tests.core.gateway.parts import a_pod, a_site, an_echo
from tests.idle.envoy_house import SSH, WEB, EnvoyHouse, EnvoyPlace, LocalEngine


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[EnvoyPlace]:
    """An empty place with one template, `web`."""
    async with a_site() as site, a_pod() as server, an_echo() as echo:
        made = EnvoyPlace(site, tmp_path, server, LocalEngine({WEB: server.upstream, SSH: echo}))
        made.template("web")
        yield made
        with suppress(OSError):  # an Envoy that a house has left behind
            await stop_process(site.pid)


@pytest.fixture
async def house(place: EnvoyPlace) -> AsyncIterator[EnvoyHouse]:
    """A house there."""
    async with place.house() as opened:
        yield opened
