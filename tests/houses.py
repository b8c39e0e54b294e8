"""A whole house on the fake engine and the fake gateway, with a real SQLite file and the clock in the hand."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core.app import House, running
from core.engines.base import Features, Order, Step
from core.engines.fake import FakeEngine
from core.errors import BalanceUsedUp
from core.gateway.fake import FakeGateway
from core.model import Caller, Pod
from core.service import PodService, StartRequest
from core.settings import Settings

REMARK = "This engine ends a request after 100 s; its own <address> is open."


class LimitedEngine(FakeEngine):
    """One whose limits are told at each start."""

    features: ClassVar[Features] = FakeEngine.features.model_copy(update={"remark": REMARK})


class PoorEngine(FakeEngine):
    """One that starts nothing while its account has no credit."""

    credit = False

    async def start(self, order: Order) -> AsyncGenerator[Step]:
        """As the fake, if somebody pays."""
        if not self.credit:
            raise BalanceUsedUp("The balance is used up: you have <$0>. An admin must add credit first.")
        async for step in super().start(order):
            yield step


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
    engine.now = clock
    given = Settings(data_dir=data_dir, reaper_interval=timedelta(days=1), **settings)
    async with running(given, engine=engine, gateway=gateway, now=clock, patience=0.01) as house:
        yield FakeHouse(house, engine, gateway, clock)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[FakeHouse]:
    """A fresh fake house."""
    async with fake_house(tmp_path / "data") as opened:
        yield opened
