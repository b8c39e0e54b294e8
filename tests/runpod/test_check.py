"""`make check-runpod`, with a second Podkeeper in place of the real account; what it leaves there, however it ends."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import api
from core.engines.fake import Script
from core.errors import Unavailable
from core.settings import Settings
from scripts.check_runpod import Broom, Failed, Plan, check, main
from tests.e2e.parts import TOKEN, Place
from tests.helpers import until
from tests.houses import FakeHouse, fake_house
from tests.parts import Images
from tests.runpod.cloud import QUICK
from tests.runpod.parts import BRISK, account
from tests.web import served

ROOT = Path(__file__).parents[2]
NOWHERE = "http://proxy.localhost:9"
"""Where no pod answers."""


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Of the Podkeeper that is the account."""
    made = Place()
    try:
        yield made
    finally:
        await made.close()


def _settings(url: str, **more: Any) -> Settings:
    given = {"engine": "runpod", "runpod_api_key": TOKEN, "runpod_api_base_url": url, "runpod_proxy_url": NOWHERE}
    return Settings(**(given | more))


async def test_a_pod_is_walked_through_its_life_on_docker(
    place: Place, busybox_image: Images, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place.served() as theirs:
        # What somebody has set for their own Podkeeper is not touched.
        monkeypatch.setenv("PODKEEPER_DATABASE_URL", "postgresql+asyncpg://nowhere/pods")
        monkeypatch.setenv("PODKEEPER_DATA_DIR", "/nowhere")
        proxy = f"http://proxy.localhost:{place.site.port}"
        plan = Plan(image=busybox_image.web, port=8080, pace=BRISK)
        told = await check(_settings(place.url, runpod_proxy_url=proxy), plan)
        assert (await theirs.pods.list(await theirs.me(), everyone=True)) == ()
        ended = await theirs.pods.list(await theirs.me(), everyone=True, ended=True)
    steps = [line.partition(" s  ")[2] for line in capsys.readouterr().out.splitlines()]
    wanted = (
        rf"starting one pod of {busybox_image.web} with 2 vCPUs, for \$0\.00 an hour: at most \$0\.00 in the 7 minutes",
        "RUNNING",
        r"http://\w{14}-8080\.proxy\.localhost:\d+ answers 200, \d+ bytes",
        "its log has 0 lines",
        "EXITED, stopped by local admin",
        "RUNNING",
        "http://.* answers 200",
        "TERMINATED, terminated by local admin",
        "looked again: nothing is left",
    )
    assert [step for step, words in zip(steps, wanted, strict=True) if not re.match(words, step)] == []
    assert re.fullmatch(
        r"check-runpod: answered \d+ s after the start and \d+ s after the resume; it cost \$0\.00 at most; "
        r"\d+ s in all, and nothing is left at RunPod",
        told,
    )
    assert [pod.name.startswith("check-1-pk-") for pod in ended] == [True]


# on the fake engine: how it ends badly


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[FakeHouse]:
    """The account, without containers."""
    async with fake_house(tmp_path / "theirs") as opened:
        yield opened


@pytest.fixture
async def url(there: FakeHouse) -> AsyncIterator[str]:
    """Where its API is."""
    async with served(Starlette(routes=api.face(there.house.services, TOKEN))) as address:
        yield address


async def _left(there: FakeHouse) -> Iterable[str]:
    return [pod.name for pod in await there.pods.list(await there.local(), everyone=True)]


async def test_a_pod_that_fails_is_told_and_nothing_is_left(there: FakeHouse, url: str) -> None:
    there.engine.script = Script.EXITS
    with pytest.raises(Failed, match="it is ERROR and not RUNNING"):
        await check(_settings(url), Plan(image="x/y:1", pace=QUICK))
    assert await _left(there) == []


async def test_the_deadline_ends_it_and_nothing_is_left(there: FakeHouse, url: str) -> None:
    with pytest.raises(Failed, match="not through within 4 s"):
        await check(_settings(url), Plan(image="x/y:1", pace=QUICK, deadline=4))
    assert there.engine.orders, "a pod was made"
    assert await _left(there) == []


async def test_a_pod_that_nobody_else_deletes_is_deleted_at_the_end(
    there: FakeHouse, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    marked = "check-1-pk-2s56cp0pof1rmt-3f9c01d2a4b6"
    for name in (marked, "somebody-elses"):
        await there.started(name=name)
    broom = Broom(account(url, "http://proxy.localhost"), "3f9c01d2a4b6", QUICK)
    assert await broom.sweep() == 1
    assert await _left(there) == ["somebody-elses"]


async def test_what_may_be_left_is_said_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.check_runpod.CLEARING", 0.5)
    broom = Broom(account("http://127.0.0.1:9", "http://proxy.localhost"), "3f9c01d2a4b6", QUICK)
    with pytest.raises(Failed, match="LOOK IN RUNPOD'S CONSOLE for a name that ends in 3f9c01d2a4b6"):
        await broom.sweep()


async def test_a_pod_that_costs_too_much_is_not_started() -> None:
    async def cpus(_: Request) -> JSONResponse:
        cheapest = {"id": "cpu3c", "vcpu": {"min": 2, "max": 32}, "price": {"securePerVcpu": 0.15}}
        return JSONResponse({"cpus": [cheapest, cheapest | {"id": "cpu5c", "price": {"securePerVcpu": 0.2}}]})

    async def pods(request: Request) -> JSONResponse:
        assert request.method == "GET", "nothing is made"
        return JSONResponse({"pods": []})

    routes = [Route("/v2/catalog/cpus", cpus), Route("/v2/pods", pods, methods=["GET", "POST"])]
    async with served(Starlette(routes=routes)) as url:
        with pytest.raises(Failed, match=r"costs \$0\.30 an hour, and the most is \$0\.25 \(CHECK_RUNPOD_MOST\)"):
            await check(_settings(url), Plan(pace=QUICK))


async def test_a_key_that_is_refused_is_told(url: str) -> None:
    with pytest.raises(Unavailable, match="does not accept the key"):
        await check(_settings(url, runpod_api_key="wrong"), Plan(pace=QUICK))


def test_without_a_key_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    assert main([]) == 2
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setenv("RUNPOD_API_KEY", "k")
    monkeypatch.setenv("CHECK_RUNPOD_MOST", "a cent")
    assert main([]) == 2
    assert "CHECK_RUNPOD_MOST: 'a cent' is not a number" in capsys.readouterr().out


async def test_ctrl_c_breaks_it_off_and_nothing_is_left(there: FakeHouse, url: str) -> None:
    """The program as `make` runs it; a second Ctrl-C does not keep it from clearing up."""
    given = os.environ | {"RUNPOD_API_KEY": TOKEN, "RUNPOD_API_BASE_URL": url, "RUNPOD_PROXY_URL": NOWHERE}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.check_runpod", "--image", "x/y:1", cwd=ROOT, env=given, stdout=pipe, stderr=pipe
    )
    await until(lambda: _left(there), 30)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
    out, err = await asyncio.wait_for(process.communicate(), 90)
    said = out.decode()
    assert process.returncode == 130, said + err.decode()
    assert said.endswith("check-runpod: broken off; nothing is left at RunPod\n"), said
    assert await _left(there) == []
