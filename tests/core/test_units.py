"""Sizes and durations as people write them, clumsy people too."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.units import format_bytes, format_duration, parse_bytes, parse_duration, shorten


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64m", 64 * 1024**2),
        ("8g", 8 * 1024**3),
        ("1.5G", 1536 * 1024**2),
        ("10GiB", 10 * 1024**3),
        ("2 TB", 2 * 1024**4),
        ("512", 512),
        ("7b", 7),
        (" 3k ", 3072),
    ],
)
def test_sizes_are_read_as_docker_reads_them(text: str, value: int) -> None:
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["10XB", "", "-1g", "g", "1e9g", "٣g", "9" * 10_000, "1.2.3g", "2000000t"])
def test_a_wrong_size_is_answered_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"memory: .*(512m or 8g|at most)") as found:
        parse_bytes(text, "memory")
    assert len(str(found.value)) < 250


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("45s", 45), ("30m", 1800), ("1h30m", 5400), ("2d", 172800), ("0s", 0), ("1H", 3600)],
)
def test_durations(text: str, value: int) -> None:
    assert parse_duration(text) == timedelta(seconds=value)


@pytest.mark.parametrize("text", ["-1m", "1e9h", "٣٠m", "", "m", "30x", "1h 30m", "9" * 10_000 + "s", "400d"])
def test_a_wrong_duration_is_answered_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"idle: .*(30m|366d)") as found:
        parse_duration(text, "idle")
    assert len(str(found.value)) < 250


def test_a_duration_without_a_unit_is_refused_with_a_guess() -> None:
    with pytest.raises(InvalidInput, match="Did you mean 30m"):
        parse_duration("30")


@given(st.integers(min_value=0, max_value=366 * 86400))
def test_a_formatted_duration_reads_back(seconds: int) -> None:
    value = timedelta(seconds=seconds)
    assert parse_duration(format_duration(value)) == value


@given(st.integers(min_value=0, max_value=1 << 50))
def test_a_formatted_size_reads_back_to_about_the_same(value: int) -> None:
    assert abs(parse_bytes(format_bytes(value)) - value) <= max(value * 0.06, 1024)


def refusal(read: Callable[[str], object], text: str) -> str:
    """What is said against a text; empty when it is read."""
    try:
        read(text)
    except InvalidInput as error:
        return str(error)
    return ""


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    for read in (parse_bytes, parse_duration):
        said = refusal(read, text)
        assert said == "" or said.isprintable()
        assert len(said) < 300


def test_what_somebody_typed_comes_back_short_and_harmless() -> None:
    assert shorten("a\x1b[31m\n") == "a\ufffd[31m\ufffd"
    assert shorten("x" * 10_000) == "x" * 60 + "…"
