"""The walk: `python -m tests.second_opinion.walk PROGRAM`, run by the test inside `enclosed`.

Every step is believed only when local-slack shows it. Limits, time and rights are left to our double.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.second_opinion.emulator import ANA, GENERAL
from tests.second_opinion.stage import Stage, staged
from tests.second_opinion.window import Seen


async def walk(stage: Stage) -> None:
    """From the first word to a pod that is kept."""
    await _words(stage)
    card = await _start(stage)
    await _answers(stage)
    await _home(stage, card)
    await _form(stage)
    await _warning(stage)
    _record(stage)


async def _words(stage: Stage) -> None:
    told = await stage.ask("/pod help")
    assert "/pod start" in told.screen, told.screen
    assert "/pod keep" in told.screen, told.screen
    assert stage.window.messages(GENERAL) == [], "help is for the one who asks"


async def _start(stage: Stage) -> Seen:
    card = await stage.started("/pod start hello --name demo")
    assert "-8080.proxy.localhost:8080" in card.screen, card.screen
    assert f"Started by <@{ANA}>" in card.screen, card.screen
    assert list(card.buttons) == ["Open", "Keep 1 h", "Stop"]
    assert stage.window.messages(GENERAL) == [card], "a start is one message"
    return card


async def _answers(stage: Stage) -> None:
    told = await stage.ask("/pod list")
    for word in ("demo", "RUNNING", "hello", "-8080.proxy.localhost:8080"):
        assert word in told.screen, told.screen
    told = await stage.ask("/pod show demo")
    assert "owner ana" in told.screen, told.screen
    told = await stage.ask("/pod why demo")
    assert "`demo`: idle 0s of 30m" in told.screen, told.screen


async def _home(stage: Stage, card: Seen) -> None:
    """The home tab follows what is pressed on the message."""
    page = await stage.window.visit(ANA)
    assert "*`demo`* RUNNING" in page.screen, page.screen
    assert list(page.buttons) == ["Open", "Keep 1 h", "Stop", "Start a pod…", "Help"]
    await stage.window.press(ANA, card, "Keep 1 h")
    await stage.window.shows(card, "kept until")
    await stage.window.press(ANA, card, "Stop")
    await stage.window.shows(card, "`demo` is stopped")
    await stage.window.until(lambda: "EXITED" in stage.window.homes[ANA].screen, "the end on the home tab")
    assert stage.window.messages(GENERAL) == [card], "a stop is told in the same message"


async def _form(stage: Stage) -> None:
    await stage.window.type(ANA, GENERAL, "/pod start")
    [form] = await stage.window.until(lambda: stage.window.forms, "the form")
    assert form.body["title"]["text"] == "Start a pod"
    before = len(stage.window.messages(GENERAL))
    await stage.window.submit(
        ANA,
        {
            "template": {"type": "static_select", "selected_option": {"value": "hello"}},
            "name": {"type": "plain_text_input", "value": "formed"},
        },
    )
    [card] = await stage.window.until(lambda: stage.window.messages(GENERAL)[before:], "a message for the form")
    await stage.window.shows(card, "`formed` is running")


async def _warning(stage: Stage) -> None:
    warning = await stage.warned()
    assert "`formed` will be stopped at <!date^" in warning.screen, warning.screen
    assert "Nobody used it for 26m" in warning.screen, warning.screen
    assert {"Keep 1 h", "Stop now", "Why?"} <= set(warning.buttons), list(warning.buttons)
    await stage.window.press(ANA, warning, "Keep 1 h")
    await stage.window.shows(warning, "`formed` is kept until")
    assert stage.window.directs(ANA) == [warning], "a warning is one message"
    told = await stage.ask("/pod cost")
    assert "Your pods in November" in told.screen, told.screen
    assert "in November*: 26m" in told.screen, told.screen


def _record(stage: Stage) -> None:
    """local-slack notes as `internal` what it refused and what was not acknowledged."""
    log = stage.window.log
    assert [entry for entry in log if entry["direction"] == "internal"] == []
    sent = [entry for entry in log if entry["direction"] == "to_bot" and entry["kind"] != "socket"]
    acknowledged = [entry for entry in log if entry["kind"] == "ack"]
    assert len(sent) == len(acknowledged) > 0, (len(sent), len(acknowledged))


async def _main(program: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="pk-walk-") as folder:
        async with staged(program, Path(folder)) as stage:
            await walk(stage)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
