"""A small cloud for many cases: a Podkeeper without containers behind its real `/v2`, with faults on the way."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette

import api
from core.app import House, running
from core.engines.fake import FakeEngine
from core.engines.runpod import Pace, RunPodEngine
from core.gateway.fake import FakeGateway
from core.model import Caller, Gpu, Pod, Status
from core.service import PodService, StartRequest
from core.settings import Settings
from tests.e2e.parts import TOKEN
from tests.helpers import until
from tests.houses import FakeHouse, HandClock, fake_house
from tests.runpod.faults import FaultProxy
from tests.runpod.parts import account
from tests.web import served

QUICK = Pace(
    looks=0.05,
    ticks=0.1,
    stale=0.1,
    retry=0.01,
    timeout=1.0,
    strikes=0.2,
    searches=4,
    stop=5.0,
    start=5.0,
    lag=0.5,
    late=1.0,
    lines=0.2,
)
PROXY = "https://proxy.cloud.test"
TEMPLATES = {
    "web": {"image": "docker.io/test/web:1", "ports": ["8080/http"]},
    "gpu": {"image": "docker.io/test/gpu:1", "ports": ["8080/http", "22/tcp"], "gpu": "L4", "volume": "20g"},
    "bare": {"image": "docker.io/test/bare:1"},
}


@dataclass
class Cloud:
    """Both houses, and what lies between them."""

    house: House
    engine: RunPodEngine
    gateway: FakeGateway
    clock: HandClock
    there: FakeHouse
    proxy: FaultProxy
    behind: str
    """The address of the cloud, past the proxy."""

    @property
    def pods(self) -> PodService:
        """Of the first house."""
        return self.house.services.pods

    @property
    def installation(self) -> str:
        """Of the first house; its marks carry it."""
        return self.house._store.installation  # pyright: ignore[reportPrivateUsage]

    async def me(self) -> Caller:
        """An admin of the first house."""
        return await self.house.services.people.local("terminal")

    async def begun(self, template: str = "web", **options: Any) -> Pod:
        """A pod whose start is under way."""
        return await self.pods.start(await self.me(), StartRequest(template=template, **options))

    async def started(self, template: str = "web", **options: Any) -> Pod:
        """A pod whose start is over, well or not."""
        return await self.settled(await self.begun(template, **options))

    async def up(self, template: str = "web", **options: Any) -> Pod:
        """A pod that runs."""
        pod = await self.started(template, **options)
        assert pod.status is Status.RUNNING, pod.reason
        return pod

    async def settled(self, pod: Pod, seconds: float = 20) -> Pod:
        """The pod once nothing is under way."""
        found = await self.pods.settled(await self.me(), pod.id, seconds)
        assert not found.status.under_way, found
        return found

    async def look(self, pod: Pod) -> Pod:
        """The row now."""
        return await self.pods.get(await self.me(), pod.id)

    async def stop(self, pod: Pod) -> Pod:
        return await self.settled(await self.pods.stop(await self.me(), pod.id))

    async def resume(self, pod: Pod) -> Pod:
        return await self.settled(await self.pods.resume(await self.me(), pod.id))

    async def restart(self, pod: Pod) -> Pod:
        return await self.settled(await self.pods.restart(await self.me(), pod.id))

    async def terminate(self, pod: Pod) -> Pod:
        return await self.settled(await self.pods.terminate(await self.me(), pod.id))

    async def listed(self) -> list[Pod]:
        """What the cloud has, in any status but TERMINATED."""
        return list(await self.there.pods.list(await self.there.local(), everyone=True))

    async def one(self) -> Pod:
        """The one pod that the cloud has."""
        found = await self.listed()
        assert len(found) == 1, found
        return found[0]

    async def run_there(self) -> list[str]:
        """Ids of those that use compute there."""
        return [pod.id for pod in await self.listed() if pod.status.holds_compute]

    async def reconciled(self, ticks: int = 3) -> None:
        """Some ticks of the reconciler, and what they set off."""
        for _ in range(ticks):
            await self.house.reconciler.tick(self.clock())
            await self.house.launcher.idle()

    async def agree(self) -> None:
        """Nothing runs there that no row of ours says runs, and the other way round; nothing is there twice."""

        async def so() -> bool:
            await self.house.reconciler.tick(self.clock())
            ours = await self.pods.list(await self.me(), everyone=True)
            theirs = {pod.id: pod for pod in await self.listed()}
            run = {(p.ref or "").partition("@")[0] for p in ours if p.status is Status.RUNNING}
            settled = not any(p.status.under_way for p in (*ours, *theirs.values()))
            marked = [name.rpartition("-pk-")[2][:14] for name in (p.name for p in theirs.values())]
            return settled and run == set(await self.run_there()) and len(marked) == len(set(marked))

        await until(so, 20)


@asynccontextmanager
async def cloud(data: Path, *, pace: Pace = QUICK, **settings: Any) -> AsyncIterator[Cloud]:
    """Open both; `settings`: of the first."""
    devices = [Gpu(uuid=f"GPU-{n}", type="NVIDIA L4", memory=24 * 1024**3) for n in range(2)]
    templates = data / "templates"
    templates.mkdir(parents=True)
    for name, keys in TEMPLATES.items():
        (templates / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "description": "For a test."} | keys))
    ours: dict[str, Any] = {"data_dir": data / "ours", "templates_dir": templates}
    given = Settings(**(ours | {"reaper_interval": timedelta(days=1)} | settings))
    gateway, clock = FakeGateway(), HandClock()
    async with AsyncExitStack() as stack:
        fakes = fake_house(data / "theirs", engine=FakeEngine(gpus=devices), max_pods_per_user=1000)
        there = await stack.enter_async_context(fakes)
        door = Starlette(routes=api.face(there.house.services, TOKEN))
        behind = await stack.enter_async_context(served(door))
        proxy = FaultProxy(behind)
        between = await stack.enter_async_context(proxy.running())
        engine = RunPodEngine(account(between, PROXY), pace=pace)
        first = running(given, engine=engine, gateway=gateway, now=clock, patience=0.05)
        yield Cloud(await stack.enter_async_context(first), engine, gateway, clock, there, proxy, behind)
