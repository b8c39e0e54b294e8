"""The pictures' entry: `python -m scripts.pictures` makes all of them anew."""

import asyncio
import sys
from pathlib import Path

from tests.second_opinion import enclosed
from tests.second_opinion.package import NotAsked, fetch

_PLACE = Path(__file__).parents[2] / "docs" / "slack"


def _main() -> None:
    try:
        program = fetch()
    except NotAsked as reason:
        sys.exit(f"{reason}, so no picture was made.")
    enclosed.check()
    _PLACE.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "scripts.pictures.album", str(program), str(_PLACE)]
    code, said = asyncio.run(enclosed.run(120, *words))
    print(said, end="")
    sys.exit(code)


_main()
