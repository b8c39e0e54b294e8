"""Slack's words: what Slack did to the text that somebody typed, and how our text is made safe for it."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime

from core.errors import InvalidInput

MAX_COMMAND = 8000
"""Characters of a whole command; what is longer does not belong into a chat line."""

_ENTITIES = {"amp": "&", "lt": "<", "gt": ">"}
_MARKUP = re.compile(r"<([^<>]*)>|&(amp|lt|gt);")
_CHARACTER = re.compile(r"&(?:amp|lt|gt);|.", re.DOTALL)
_INVISIBLE = frozenset("\u200b\u2060\ufeff\u00ad")
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def typed(text: str) -> str:
    """What the person typed, from what Slack made of it: links, mentions and `&amp;` taken back.

    InvalidInput for what nobody types on purpose: control characters, and characters that turn the writing direction.
    """
    if len(text) > MAX_COMMAND:
        raise InvalidInput(
            f"That command is {len(text):,} characters long; at most {MAX_COMMAND:,} are read. Nothing was done."
        )
    plain = _MARKUP.sub(_unmark, text)
    clean = "".join(char for char in plain if char not in _INVISIBLE)
    for char in clean:
        if char in _REORDERING or (unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\n\r"):
            raise InvalidInput(
                f"The command holds a character that cannot be seen (U+{ord(char):04X}). Type it again without it."
            )
    return clean


def _unmark(found: re.Match[str]) -> str:
    if found[2] is not None:
        return _ENTITIES[found[2]]
    inside, bar, label = found[1].partition("|")
    inside, label = (_MARKUP.sub(_unmark, part) for part in (inside, label))
    if inside[:1] in ("@", "#"):
        return f"{inside[0]}{label}" if label else inside
    if inside[:1] == "!":
        return label if label else f"@{inside[1:]}"
    if bar and (inside.rstrip("/").endswith(label.rstrip("/")) and label):
        return label
    return inside


def escape(text: str) -> str:
    """Text that Slack shows as it is: no mention, no link, no channel comes out of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """A name in backticks; what would end them early is replaced."""
    flat = " ".join(text.split())
    return f"`{escape(flat.replace('`', 'ˋ'))}`"


def capital(text: str) -> str:
    """As a sentence begins."""
    return text[:1].upper() + text[1:]


def clock(at: datetime) -> str:
    """A time of day, in the reader's own zone."""
    return f"<!date^{int(at.timestamp())}^{{time}}|{at.astimezone(UTC):%H:%M} UTC>"


def moment(at: datetime) -> str:
    """A day and a time, in the reader's own zone; Slack says "today" and "tomorrow"."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


FENCE = 2800
"""Characters that a code block holds."""


def fence(text: str, limit: int = FENCE) -> str:
    """Lines in a code block; of what is too long the end is kept, for that is where the trouble is."""
    clean = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    safe = escape(clean.replace("```", "ˋˋˋ"))
    if len(safe) > limit:
        safe = "…" + "".join(reversed(_fitting(reversed(_CHARACTER.findall(safe)), limit - 1)))
    return f"```\n{safe}\n```"


def clip(text: str, limit: int) -> str:
    """Text of at most `limit` characters; a cut is visible and never leaves half an escape."""
    if len(text) <= limit:
        return text
    return "".join(_fitting(_CHARACTER.findall(text), limit - 1)) + "…"


def _fitting(characters: Iterable[str], limit: int) -> list[str]:
    """The first of them, escapes whole, until `limit` is reached."""
    found: list[str] = []
    length = 0
    for character in characters:
        length += len(character)
        if length > limit:
            break
        found.append(character)
    return found
