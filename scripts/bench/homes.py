"""The bench's home tabs: from the visit of somebody with 200 pods to the published page, against one without pods."""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot import SlackFace
from bot.home import MOST
from scripts.bench.figures import Row, Samples, Section
from tests.bot.conftest import ANA, BOB, populate
from tests.houses import fake_house
from tests.slack_double import SlackDouble

PODS = 200
PACE = 0.01
"""Seconds; it keeps two pages of one person apart, which would else be most of this bench's time."""
LIMITS = {50: 100.0}
"""Milliseconds: what a person notices."""
_NOTE = """
From the moment at which Slack sends the event by Socket Mode to the moment at which `views.publish` reaches our double,
before it looks at the page. The pods are running; they are rows in SQLite, with engine and gateway faked. All of
somebody's pods are read, the newest {most} are on the page, and the bytes are those of its JSON: Slack takes 250,000.
The baseline is the page of somebody without pods in the same house, so what is above it is the price of the pods.
"""


class _Calls(list[tuple[str, dict[str, Any]]]):
    """What the double was asked for; also when the last page came, and its view."""

    came = 0.0
    view: object = None

    def append(self, call: tuple[str, dict[str, Any]]) -> None:
        """At once when it comes: the double then takes its time to look at the page."""
        super().append(call)
        if call[0] == "views.publish":
            self.came, self.view = time.perf_counter(), call[1]["view"]


async def measure(times: int) -> list[Section]:
    """Both people's visits in turn."""
    seconds: dict[str, list[float]] = {ANA: [], BOB: []}
    sizes: dict[str, int] = {}
    async with _house() as (slack, calls):
        for _ in range(times + 1):
            for user in seconds:
                seconds[user].append(await _visit(slack, calls, user))
                sizes[user] = len(json.dumps(calls.view).encode())
        assert f"and {PODS - MOST} more" in slack.homes[ANA].screen
    name = f"`app_home_opened` to `views.publish`, {PODS} pods ({sizes[ANA]:,} bytes)"
    measured = Samples.of_seconds(name, seconds[ANA][1:])  # the first of each is not counted
    baseline = Samples.of_seconds(f"no pods ({sizes[BOB]:,} bytes)", seconds[BOB][1:])
    return [Section.of_rows("Home tab", [Row(measured, baseline, limits=LIMITS)], _NOTE.format(most=MOST))]


@asynccontextmanager
async def _house() -> AsyncIterator[tuple[SlackDouble, _Calls]]:
    """The pods run before the face opens, so that it has nothing to tell of their starts meanwhile."""
    with tempfile.TemporaryDirectory(prefix="pk-bench-") as folder:
        async with SlackDouble() as slack:
            populate(slack)
            slack.calls = calls = _Calls()
            given = {"slack_api_url": slack.api_url, "slack_app_token": slack.app_token, "slack_signing_secret": None}
            async with fake_house(Path(folder), max_pods_per_user=PODS, **given) as home:
                owner = await home.member(ANA)
                for _ in range(PODS):  # in turn: all at once takes longer
                    await home.started(owner)
                face = SlackFace(home.house.services, home.house.settings, slack.bot_token, PACE)
                async with face.running():
                    yield slack, calls


async def _visit(slack: SlackDouble, calls: _Calls, user: str) -> float:
    before = slack.published
    begun = time.perf_counter()
    await slack.visit_home(user)
    await slack.until(lambda: slack.published > before)
    assert slack.published == before + 1
    await asyncio.sleep(4 * PACE)  # or the next page would wait for this one's pace
    return calls.came - begun
