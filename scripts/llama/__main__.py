"""The llama walk's entry: `python -m scripts.llama IMAGE`, an image that serves llama.cpp on port 8080."""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

import bot
from core.app import House, running
from core.engines.docker import DockerEngine
from core.model import Pod, Status
from core.settings import Settings
from scripts.llama.stream import Generation, chat
from tests.bot.conftest import ANA, GENERAL, populate
from tests.helpers import free_port, until
from tests.parts import docker, sweep
from tests.slack_double import SlackDouble

IDLE = 4
"""Seconds without traffic after which the pod stops."""
_TEMPLATE = """
name: llama-template
description: A small Gemma on llama.cpp, made for this walk.
image: {image}
ports: ["8080/http"]
cpu: 1
memory: 2g
ready: {{port: 8080, path: /health, timeout: 5m}}
"""


class _Engine(DockerEngine):
    """Remembers whose things are to be swept up."""

    installation: str | None = None

    async def open(self, installation: str) -> None:
        self.installation = installation
        await super().open(installation)


@asynccontextmanager
async def _opened(image: str, slack: SlackDouble) -> AsyncIterator[House]:
    """The real house, with its Slack face, on a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="pk-llama-"))  # short: sockets are in it
    (home / "templates").mkdir()
    (home / "templates" / "llama-template.yaml").write_text(_TEMPLATE.format(image=image))
    given: dict[str, Any] = {"data_dir": home / "data", "templates_dir": home / "templates"}
    given |= {"gateway_listen": ("127.0.0.1", free_port()), "reaper_interval": timedelta(seconds=0.5)}
    given |= {"slack_bot_token": SecretStr(slack.bot_token), "slack_app_token": SecretStr(slack.app_token)}
    engine = _Engine()
    try:
        async with running(Settings(**given, slack_api_url=slack.api_url), engine=engine) as house:
            assert not house.problems, house.problems
            face = bot.face(house.services, house.settings)
            assert face is not None
            async with face.running():
                yield house
    finally:
        if engine.installation is not None:
            sweep(engine.installation)
        shutil.rmtree(home)


class Walk:
    """What a person does, and what they see."""

    def __init__(self, slack: SlackDouble, house: House) -> None:
        self._slack = slack
        self._house = house
        self._proxy = "{}:{}".format(*house.settings.gateway_listen)

    async def start(self) -> tuple[Pod, str]:
        """By Slack, up to the address."""
        _say(f"/pod start llama-template --idle {IDLE}s")
        ack = await self._slack.command(ANA, GENERAL, "/pod", f"start llama-template --idle {IDLE}s")
        assert ack.ok, ack.error
        begun = time.monotonic()
        [post] = await self._slack.until(lambda: self._slack.messages(GENERAL), what="for the live message")
        over = ("is running", "has failed")
        await self._slack.until(lambda: any(words in post.screen for words in over), 300, "for the start")
        assert "is running" in post.screen, post.screen
        [pod] = await self._pods()
        [port] = self._house.services.pods.urls(pod)
        assert port.url is not None
        assert port.url in post.screen
        _say(f"running after {time.monotonic() - begun:.1f} s: {port.url}")
        return pod, port.url.removeprefix("http://")

    async def generate(self, pod: Pod, host: str) -> Generation:
        """A short answer to see how fast it is, then one of well over twice the idle timeout."""
        short = await chat(self._proxy, host, "Say hello.", 24)
        rate = (len(short.arrivals) - 1) / short.lasted
        tokens = min(6000, int(rate * IDLE * 2.5))
        _say(f"hello in {short.first:.2f} s, {rate:.0f} tokens/s; now {tokens} tokens, about {IDLE * 2.5:.0f} s")
        long = await chat(self._proxy, host, "Tell me a long story about a lighthouse.", tokens)
        _say(f"it begins: {' '.join(long.text.split())[:90]}…")
        assert long.done, "the stream broke off"
        assert long.finish == "length", long.finish
        assert long.lasted > 1.5 * IDLE, f"{long.lasted:.1f} s is no longer than the idle timeout"
        assert long.reads > len(long.arrivals) / 2, f"{len(long.arrivals)} tokens came in {long.reads} lots"
        assert long.first < long.lasted / 2, "nothing came before most of it was made"
        assert long.longest_gap < IDLE / 2, f"nothing came for {long.longest_gap:.1f} s"
        [now] = await self._pods()
        assert (now.status, now.run) == (Status.RUNNING, pod.run), now.reason
        return long

    async def idle_stop(self, host: str) -> Pod:
        """Silence, the stop, the message, and what a visitor gets then."""
        _say("silence …")

        async def stopped() -> Pod | None:
            [pod] = await self._pods()
            return pod if pod.status is not Status.RUNNING and not pod.status.under_way else None

        pod = await until(stopped, 60)
        assert pod is not None
        assert pod.status is Status.EXITED, pod.reason
        told = await self._slack.until(lambda: self._slack.directs(ANA), what="for the message to the owner")
        _say(f"the owner is told: {' '.join(told[-1].text.split())} [{'] ['.join(told[-1].buttons)}]")
        assert "Start again" in told[-1].buttons
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{self._proxy}/v1/models", headers={"Host": host}) as answer,
        ):
            assert answer.status == 503, answer.status
        assert docker("ps", "-aq", "--filter", f"label=podkeeper.pod={pod.id}") == ""
        return pod

    async def _pods(self) -> tuple[Pod, ...]:
        local = await self._house.services.people.local("terminal")
        return await self._house.services.pods.list(local, everyone=True)


async def walk(image: str) -> str:
    """The whole of it; the line that sums it up."""
    async with SlackDouble(burst=20) as slack:
        populate(slack)
        async with _opened(image, slack) as house:
            for sentence in await house.describe():
                _say(sentence)
            person = Walk(slack, house)
            pod, host = await person.start()
            told = await person.generate(pod, host)
            last = time.time() - (time.monotonic() - told.arrivals[-1])
            ended = await person.idle_stop(host)
        assert slack.complaints == [], slack.complaints
    assert ended.ended_at is not None
    return (
        f"llama: first token {told.first:.2f} s, {len(told.arrivals)} tokens over {told.lasted:.1f} s with an idle "
        f"timeout of {IDLE} s, stopped {ended.ended_at.timestamp() - last:.1f} s after the last one"
    )


def _say(what: str) -> None:
    print(f"  {what}", flush=True)


if __name__ == "__main__":
    print(asyncio.run(walk(sys.argv[1])))
