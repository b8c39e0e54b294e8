"""The pictures one by one: `python -m scripts.pictures.album PROGRAM FOLDER`, run inside `enclosed`."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.pictures import story
from scripts.pictures.browser import Page, browsing
from scripts.pictures.drawn import drawn
from tests.second_opinion.emulator import ANA, GENERAL, ZONE
from tests.second_opinion.stage import Stage, staged
from tests.second_opinion.window import Seen

_TIDY = (Path(__file__).parent / "tidy.js").read_text()
_MARGIN = 12
"""Around what a picture is of."""


class Album:
    """Takes pictures of a stage into a folder."""

    def __init__(self, stage: Stage, page: Page, folder: Path) -> None:
        self._stage = stage
        self._page = page
        self._folder = folder

    async def messages(self, name: str, where: str, title: str, *seen: Seen) -> None:
        """These, the last ones of a channel; `where`: its name in local-slack's sidebar."""
        await self._go(where, ".msg")
        await self._take(name, ".main", title, seen)

    async def home(self, name: str) -> None:
        """Ana's home tab."""
        page = await self._stage.window.visit(ANA)
        await self._go("Podkeeper", ".home .blocks")
        await self._take(name, ".main", "Podkeeper", [page])

    async def form(self, name: str, template: str) -> None:
        """The form that lies open, with this template chosen."""
        await self._go("general", ".modal")
        await self._page.run(f"document.querySelector('.modal select').value = {json.dumps(template)}")
        await self._take(name, ".modal", "", [])

    async def _go(self, where: str, selector: str) -> None:
        """To a line of the sidebar, on a fresh page: nothing is left of what was done to it for the last picture."""
        await self._page.load(self._stage.base)
        item = f"[...document.querySelectorAll('.sidebar-item')].find(i => i.innerText.includes({json.dumps(where)}))"
        await self._page.until(item)
        await self._page.run(f"{item}.click()")
        await self._page.until(f"document.querySelector({json.dumps(selector)})")

    async def _take(self, name: str, element: str, title: str, seen: Sequence[Seen]) -> None:
        now = self._stage.home.clock().timestamp()
        extra = [html for one in seen for html in drawn(one.blocks)]
        await self._page.run(f"({_TIDY})({now}, {json.dumps(title)}, {len(seen)}, {json.dumps(extra)})")
        picture = await self._page.picture(element, _MARGIN)
        (self._folder / f"{name}.png").write_bytes(picture)
        print(f"{name}.png, {len(picture) // 1000} kB")


async def _all(album: Album, stage: Stage) -> None:
    await story.month(stage)
    await album.messages("channel", "general", "# general", *await story.morning(stage))
    await story.noon(stage)
    await album.home("home")
    await stage.window.type(ANA, GENERAL, "/pod start --idle 1h --env EPOCHS=3")
    await stage.window.until(lambda: stage.window.forms, "the form")
    await album.form("form", "training")
    await stage.window.close(ANA)
    await album.messages("warning", "Ana", "Podkeeper", await stage.warned())
    await album.messages("cost", "general", "# general", await stage.ask("/pod cost"))


async def _main(program: Path, folder: Path) -> None:
    # A helper of the browser that is not quite gone may still write into its profile.
    with tempfile.TemporaryDirectory(prefix="pk-pictures-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        profile = place / "chromium"
        profile.mkdir()
        async with (
            staged(program, place, story.engine(), story.gateway(), **story.settings(place)) as stage,
            browsing(profile, ZONE) as page,
        ):
            await _all(Album(stage, page, folder), stage)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), Path(sys.argv[2])))
