"""Sizes and durations as people write them: `512m`, `8g`, `30m`, `1h30m`."""

import re
from datetime import timedelta
from functools import lru_cache

from core.errors import InvalidInput

_SIZES = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"^([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?$|^([0-9]+)b$", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"([0-9]+)([dhms])", re.IGNORECASE | re.ASCII)
_LONGEST = 64
"""Characters of a duration."""
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
MAX_BYTES = 1 << 50
MAX_DURATION = timedelta(days=366)


def shorten(text: str, limit: int = 60) -> str:
    """Quote what somebody typed, so that 10 kB of it do not come back and control characters stay harmless."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: limit + 1])
    return clean if len(text) <= limit else clean[:limit] + "…"


def parse_bytes(text: str, what: str = "size") -> int:
    """Bytes from `64m`, `8g`, `1.5G`, `10GiB` (binary multiples, as Docker); InvalidInput says what is allowed."""
    found = _SIZE.match(text.strip())
    if found is None:
        raise InvalidInput(
            f"{what}: {shorten(text)!r} is not a size. Write a number and one of k, m, g, t, for example 512m or 8g."
        )
    number, unit = (found[1], found[2]) if found[1] is not None else (found[3], "")
    value = int(float(number) * _SIZES[unit.lower()]) if len(number) < 20 else MAX_BYTES + 1
    if not 0 <= value <= MAX_BYTES:
        raise InvalidInput(f"{what}: {shorten(text)!r} is too large; at most 1024t.")
    return value


def parse_duration(text: str, what: str = "duration", zero: str = "never") -> timedelta:
    """A duration from `45s`, `30m`, `1h30m`, `2d`; `0` is zero. InvalidInput says what is allowed.

    `zero`: what zero means there.
    """
    clean = text.strip()
    if clean == "0":
        return timedelta()
    parts = _PART.findall(clean) if len(clean) <= _LONGEST else []  # its time grows with the square of the length
    if not parts or "".join(n + u for n, u in parts) != clean:
        hint = f" Did you mean {clean}m?" if clean.isascii() and clean.isdigit() and len(clean) < 5 else ""
        raise InvalidInput(
            f"{what}: {shorten(text)!r} is not a duration. Write a number and one of s, m, h, d, "
            f"for example 45s, 30m or 1h30m; 0 means {zero}.{hint}"
        )
    seconds = sum(int(n) * _SECONDS[u.lower()] for n, u in parts if len(n) < 12)
    if any(len(n) >= 12 for n, _ in parts) or timedelta(seconds=min(seconds, 10**9)) > MAX_DURATION:
        raise InvalidInput(f"{what}: {shorten(text)!r} is too long; at most 366d.")
    return timedelta(seconds=seconds)


def format_bytes(value: int) -> str:
    """`64m`, `8g`, `1.5g`: the shortest form that `parse_bytes` reads back to about the same."""
    for unit in "tgm":
        if value >= _SIZES[unit]:
            return f"{value / _SIZES[unit]:.1f}".removesuffix(".0") + unit
    return f"{value // 1024}k" if value >= 1024 else f"{value}b"


@lru_cache(maxsize=4096)  # many pods have the same, at each tick
def format_duration(value: timedelta) -> str:
    """`1h30m`, `45s`, `0s`: whole seconds, largest units first, zero units left out."""
    left = max(0, int(value.total_seconds()))
    out = ""
    for unit, size in _SECONDS.items():
        count, left = divmod(left, size)
        out += f"{count}{unit}" if count else ""
    return out or "0s"


def price(length: timedelta, per_hour: float | None) -> float | None:
    """What so long costs at so much an hour; None where no price is known."""
    return None if per_hour is None else per_hour * (length / timedelta(hours=1))


def format_money(dollars: float) -> str:
    """`$1.20`, `$0.004`, `$1,234.00`: US dollars, with more digits where cents would hide them."""
    if 0 < dollars < 0.095:
        return f"${dollars:.2g}" if dollars >= 0.0001 else "less than $0.0001"
    return f"${dollars:,.2f}"


def rough(value: timedelta) -> str:
    """A duration as people say it: its largest unit and the one below, `3h20m`, `2d4h`, `5m`, `45s`."""
    left = max(0, int(value.total_seconds()))
    larger = "s"
    for unit, size in _SECONDS.items():
        if left >= size:
            larger = unit
            break
    smallest = {"d": 3600, "h": 60, "m": 1, "s": 1}[larger]
    return format_duration(timedelta(seconds=left - left % smallest))
