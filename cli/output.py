"""How the terminal speaks: results on stdout, everything else on stderr."""

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console


class Failed(Exception):
    """What was asked for could not be done; the text is for the person at the keyboard."""


def out() -> Console:
    """Where results go; no colours and no cut lines when it is no terminal."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    """Where progress and remarks go."""
    return Console(stderr=True, highlight=False)


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
