"""A walk on a real RunPod account, about two minutes and a cent: `python -m scripts.check_runpod [--image --port]`.

Starts one small CPU pod, visits it through the gateway, reads its log, stops, resumes and terminates it. However that
ends, everything that it made is deleted, and looked for once more. RUNPOD_API_KEY is the account's; CHECK_RUNPOD_MOST
(0.25) is the most that the pod may cost, in US dollars an hour.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml

from core.app import House, running
from core.engines.runpod import Account, Pace, RunPodEngine
from core.engines.runpod.client import Api
from core.engines.runpod.marks import Marks
from core.engines.runpod.shapes import GONE, PodShape, read_list
from core.errors import InvalidInput, PodError
from core.gateway.pages import GATEWAY_HEADER
from core.model import Action, Caller, Pod, Status
from core.parts import runpod_account
from core.service import StartRequest
from core.settings import Settings
from core.units import format_money

IMAGE, PORT = "docker.io/library/nginx:alpine", 80
MOST = 0.25
CLEARING = 120.0
"""Seconds that the clearing up may take."""
_LOOKS = 3
"""In a row that must find nothing: a pod whose creation was not answered may come into the list late."""
_NAME = "check"


class Failed(Exception):
    """The walk did not come to its end; the text says why."""


@dataclass(frozen=True)
class Plan:
    """What is walked."""

    image: str = IMAGE
    port: int = PORT
    most: float = MOST
    """US dollars an hour."""
    deadline: float = 300.0
    """Seconds, without the clearing up."""
    pace: Pace = field(default_factory=Pace)


class _Engine(RunPodEngine):
    """Remembers whose things are to be cleared up."""

    installation: str | None = None

    async def open(self, installation: str) -> None:
        self.installation = installation
        await super().open(installation)


class Walk:
    """The one pod, and what is done with it."""

    def __init__(self, house: House, plan: Plan, since: float) -> None:
        self._house = house
        self._pods = house.services.pods
        self._plan = plan
        self._since = since
        self.spending = False
        """From now on there may be something at RunPod."""

    async def all(self) -> str:
        """Every step; the figures of it."""
        me = await self._house.services.people.local("terminal")
        price = await self._price(me)
        began, self.spending = time.monotonic(), True
        pod = await self._becomes(me, await self._pods.start(me, StartRequest(template=_NAME)), Status.RUNNING)
        await self._visit(pod)
        first = time.monotonic() - began
        lines = (await self._pods.logs(me, pod.id, 20)).splitlines()
        self._say(f"its log has {len(lines)} lines" + (f", the last: {lines[-1][:60]}" if lines else ""))
        again = ""
        if Action.STOP in pod.actions:
            await self._becomes(me, await self._pods.stop(me, pod.id), Status.EXITED)
            asked = time.monotonic()
            pod = await self._becomes(me, await self._pods.resume(me, pod.id), Status.RUNNING)
            await self._visit(pod)
            again = f" and {time.monotonic() - asked:.0f} s after the resume"
        else:
            self._say("RunPod does not let it be stopped, so it is not resumed either")
        await self._becomes(me, await self._pods.terminate(me, pod.id), Status.TERMINATED)
        cost = format_money(price * (time.monotonic() - began) / 3600)
        return f"answered {first:.0f} s after the start{again}; it cost {cost} at most"

    async def _price(self, me: Caller) -> float:
        spec = await self._pods.plan(me, StartRequest(template=_NAME))
        price, longest = spec.price_per_hour, self._plan.deadline + CLEARING
        if price is None or price > self._plan.most:
            raise Failed(
                f"the cheapest CPU pod costs {'nobody knows what' if price is None else format_money(price)} an hour, "
                f"and the most is {format_money(self._plan.most)} (CHECK_RUNPOD_MOST). Nothing was started."
            )
        self._say(
            f"starting one pod of {spec.image} with {spec.cpu:g} vCPUs, for {format_money(price)} an hour: at most "
            f"{format_money(price * longest / 3600)} in the {longest / 60:.0f} minutes that this may take"
        )
        return price

    async def _becomes(self, me: Caller, pod: Pod, status: Status) -> Pod:
        """The pod once it has come to rest, if it has that status then."""
        pod = await self._pods.settled(me, pod.id, self._plan.deadline)
        if pod.status is not status:
            raise Failed(f"it is {pod.status} and not {status}: {pod.reason or 'no reason was given'}")
        self._say(f"{status}" + (f", {pod.reason}" if pod.reason and status is not Status.RUNNING else ""))
        return pod

    async def _visit(self, pod: Pod) -> None:
        """Through the gateway, as a browser does."""
        url = self._pods.urls(pod)[0].url or ""
        host, port = self._house.settings.gateway_listen
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer = await client.get(f"http://{host}:{port}/", headers={"Host": url.partition("://")[2]})
        if answer.is_error or GATEWAY_HEADER in answer.headers:
            raise Failed(f"{url} answers {answer.status_code}")
        self._say(f"{url} answers {answer.status_code}, {len(answer.content)} bytes")

    def _say(self, what: str) -> None:
        say(self._since, what)


class Broom:
    """Deletes what carries the mark of an installation, by RunPod's API alone, which nothing of ours can break."""

    def __init__(self, account: Account, installation: str, pace: Pace) -> None:
        self._api = Api(account, pace)
        self._marks = Marks(installation)
        self._pace = pace

    async def sweep(self) -> int:
        """How many there were; returns when none has been there for some looks. Failed when some may be left."""
        gone: set[str] = set()
        quiet, words = 0, "it does not answer"
        try:
            async with asyncio.timeout(CLEARING):
                while True:
                    try:
                        found = await self._found()
                        for one in found:
                            gone.add(one)
                            await self._api.delete(f"pods/{one}")
                        quiet = 0 if found else quiet + 1
                        words = f"it still lists {', '.join(sorted(found))}"
                    except PodError as error:
                        quiet, words = 0, str(error)
                    if quiet >= _LOOKS:
                        return len(gone)
                    await asyncio.sleep(self._pace.looks)
        except TimeoutError:
            raise Failed(
                f"RunPod may still have a pod of this walk ({words}). LOOK IN RUNPOD'S CONSOLE for a name that ends in "
                f"{self._marks.installation}, and terminate it: it costs money."
            ) from None
        finally:
            await self._api.close()

    async def _found(self) -> set[str]:
        pods = read_list(PodShape, await self._api.get("pods"), "pods")
        return {one.id for one in pods if one.status != GONE and self._marks.of(one.name, one.env) is not None}


async def check(settings: Settings, plan: Plan) -> str:
    """The whole of it; the line that sums it up. Failed or PodError says what went wrong, once all is cleared up."""
    since = time.monotonic()
    assert settings.runpod_api_key is not None, "whoever calls this sees to that"
    account = runpod_account(settings, settings.runpod_api_key.get_secret_value())
    with tempfile.TemporaryDirectory(prefix="pk-check-") as home:  # a short name: sockets are in it
        told = await _walked(_own(settings, Path(home), plan), account, plan, since)
    return f"check-runpod: {told}; {time.monotonic() - since:.0f} s in all, and nothing is left at RunPod"


async def _walked(settings: Settings, account: Account, plan: Plan, since: float) -> str:
    engine, walk = _Engine(account, pace=plan.pace), None
    try:
        async with asyncio.timeout(plan.deadline), running(settings, engine=engine) as house:
            walk = Walk(house, plan, since)
            return await walk.all()
    except TimeoutError:
        raise Failed(f"it was not through within {plan.deadline:.0f} s") from None
    finally:
        if walk is not None and walk.spending and engine.installation is not None:
            left = await Broom(account, engine.installation, plan.pace).sweep()
            say(since, f"{left} that was left is deleted" if left else "looked again: nothing is left at RunPod")


def _own(settings: Settings, home: Path, plan: Plan) -> Settings:
    """The account of these settings, and nothing else of what somebody has set for their own Podkeeper."""
    (home / "templates").mkdir()
    template = {
        "name": _NAME,
        "description": "One small pod for this walk.",
        "image": plan.image,
        "ports": [f"{plan.port}/http"],
        "cpu": 2,
        "memory": "512m",
        "container_disk": "5g",
        "ready": {"port": plan.port, "timeout": f"{plan.deadline:.0f}s"},
        "idle": {"timeout": "0"},
    }
    (home / "templates" / f"{_NAME}.yaml").write_text(yaml.safe_dump(template))
    kept = ("engine", "envoy", "upstream_ca", *(name for name in Settings.model_fields if name.startswith("runpod_")))
    given = {name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()}
    given |= {name: getattr(settings, name) for name in kept}
    given |= {"data_dir": home / "data", "templates_dir": home / "templates", "gateway_listen": ("127.0.0.1", _port())}
    return Settings(**given)


def _port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def say(since: float, what: str) -> None:
    """One step with its time."""
    print(f"{time.monotonic() - since:6.1f} s  {what}", flush=True)


def _plan(arguments: Sequence[str]) -> Plan:
    parser = argparse.ArgumentParser("python -m scripts.check_runpod", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--image", default=IMAGE, help="an image that serves a page")
    parser.add_argument("--port", type=int, default=PORT, help="where it serves it")
    given, most = parser.parse_args(arguments), os.environ.get("CHECK_RUNPOD_MOST") or str(MOST)
    try:
        return Plan(image=given.image, port=given.port, most=float(most))
    except ValueError:
        raise InvalidInput(f"CHECK_RUNPOD_MOST: {most[:20]!r} is not a number of US dollars an hour.") from None


async def _guarded(settings: Settings, plan: Plan) -> str:
    """The first Ctrl-C or SIGTERM breaks the walk off; the clearing up is not broken off by a second one."""
    task, loop = asyncio.ensure_future(check(settings, plan)), asyncio.get_running_loop()
    asked: list[int] = []

    def end() -> None:
        asked.append(1)
        if len(asked) == 1:
            task.cancel()
        print("Broken off: clearing up, which takes some seconds. Leave it running.", file=sys.stderr, flush=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return await task


def main(arguments: Sequence[str]) -> int:
    """0, 1 (it failed), 2 (it was asked wrongly, or there is no key) or 130 (broken off)."""
    if not os.environ.get("RUNPOD_API_KEY"):
        print(
            "RUNPOD_API_KEY is not set: this walks on a real RunPod account, with a key that may read and write pods."
        )
        return 2
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    try:
        print(asyncio.run(_guarded(Settings.load(engine="runpod"), _plan(arguments))))
    except InvalidInput as error:
        print(f"check-runpod: {error}")
        return 2
    except (Failed, PodError) as error:
        print(f"check-runpod: FAILED: {error}")
        return 1
    except asyncio.CancelledError:
        print("check-runpod: broken off; nothing is left at RunPod")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
