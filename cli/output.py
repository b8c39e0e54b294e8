"""How the terminal speaks: results on stdout, everything else on stderr."""

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


class Failed(Exception):
    """What was asked for could not be done; the text is for the person at the keyboard."""


def out() -> "Console":
    """Where tables go: as wide as the terminal; elsewhere as wide as they need, a line each."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 4000)


def say(text: str) -> None:
    """A result, as one line on stdout."""
    sys.stdout.write(f"{plain(text)}\n")


def plain(text: object) -> str:
    """Text that moves no cursor and rings no bell, whoever wrote it."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def complain(text: str) -> None:
    """One paragraph on stderr, wrapped to the terminal where it is one."""
    clean = plain(text.rstrip())
    if sys.stderr.isatty():
        width = min(shutil.get_terminal_size().columns, 110)
        lines = clean.splitlines()
        clean = "\n".join(textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) for line in lines)
    sys.stderr.write(f"{clean}\n")


def print_json(document: Mapping[str, Any]) -> None:
    """The one JSON document of `--json`."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def when(text: str | None, now: datetime | None = None) -> str:
    """An ISO time as `12 min ago` or `in 4 min`; empty for None."""
    if text is None:
        return ""
    seconds = (datetime.fromisoformat(text) - (now or datetime.now(UTC))).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= size:
            return f"in {seconds / size:.0f} {unit}" if seconds > 0 else f"{-seconds / size:.0f} {unit} ago"
    return f"in {seconds:.0f} s" if seconds > 0 else f"{-seconds:.0f} s ago"
