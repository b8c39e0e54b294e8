"""A whole house on the fake engine and the fake gateway, with a real SQLite file and the clock in the hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.app import House, running
from core.engines.fake import FakeEngine
from core.gateway.fake import FakeGateway
from core.model import Caller, Pod
from core.service import PodService, StartRequest
from core.settings import Settings


class HandClock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **span: float) -> datetime:
        """Move on by a timedelta of these arguments."""
        self.time += timedelta(**span)
        return self.time


@dataclass
class FakeHouse:
    """The running house with its fakes at hand."""

    house: House
    engine: FakeEngine
    gateway: FakeGateway
    clock: HandClock

    @property
    def pods(self) -> PodService:
        """The pod service."""
        return self.house.services.pods

    async def local(self) -> Caller:
        """The person at the keyboard, an admin."""
        return await self.house.services.people.local("terminal")

    async def member(self, user: str = "U1") -> Caller:
        """A Slack user who is no admin."""
        return await self.house.services.people.slack("T1", user, user.lower())

    async def started(self, caller: Caller | None = None, template: str = "hello", **options: Any) -> Pod:
        """Start a pod and wait until its start is over."""
        caller = caller or await self.local()
        pod = await self.pods.start(caller, StartRequest(template=template, **options))
        return await self.pods.settled(caller, pod.id, 10)

    async def after(self, pod: Pod) -> Pod:
        """The pod once nothing is done to it any more."""
        await self.house.launcher.idle()
        return await self.pods.get(await self.local(), pod.id)

    async def tick(self) -> None:
        """One tick of the reaper at the hand clock's time, and whatever it sets off."""
        await self.house.reaper.tick(self.clock())
        await self.house.launcher.idle()


@asynccontextmanager
async def fake_house(
    data_dir: Path, engine: FakeEngine | None = None, gateway: FakeGateway | None = None, **settings: Any
) -> AsyncIterator[FakeHouse]:
    """Open it; the same engine and gateway may be given to a second one, to stand for a restart."""
    engine, gateway, clock = engine or FakeEngine(), gateway or FakeGateway(), HandClock()
    given = Settings(data_dir=data_dir, reaper_interval=timedelta(days=1), **settings)
    async with running(given, engine=engine, gateway=gateway, now=clock, patience=0.01) as house:
        yield FakeHouse(house, engine, gateway, clock)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[FakeHouse]:
    """A fresh fake house."""
    async with fake_house(tmp_path / "data") as opened:
        yield opened
