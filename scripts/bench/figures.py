"""The bench's figures: samples, a row of times, a section of the page, and tables as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles


@dataclass(frozen=True)
class Samples:
    """Figures of one thing, in milliseconds unless it says otherwise."""

    name: str
    values: tuple[float, ...]
    unit: str = "ms"

    @classmethod
    def of_seconds(cls, name: str, seconds: Sequence[float]) -> "Samples":
        """From seconds, as clocks give them."""
        return cls(name, tuple(value * 1000 for value in seconds))

    def at(self, percent: int) -> float:
        """The percentile."""
        return quantiles(self.values, n=100, method="inclusive")[percent - 1]

    def text(self, percent: int) -> str:
        """The percentile as it is printed."""
        return number(self.at(percent))

    @property
    def spread(self) -> str:
        """`p50 / p90 / p99 ms`."""
        return f"{' / '.join(self.text(percent) for percent in (50, 90, 99))} {self.unit}"


@dataclass(frozen=True)
class Row:
    """One line of a table. Not to be passed: `aim` by the ratio of the medians, `limits` by the percentiles."""

    measured: Samples
    baseline: Samples | None = None
    aim: float | None = None
    limits: Mapping[int, float] = field(default_factory=dict[int, float])

    @property
    def ratio(self) -> float | None:
        """Of the medians."""
        return self.measured.at(50) / self.baseline.at(50) if self.baseline is not None else None

    @property
    def reached(self) -> bool:
        """Not worse than what we aim at; true where we aim at nothing."""
        if any(self.measured.at(percent) > limit for percent, limit in self.limits.items()):
            return False
        return self.aim is None or self.ratio is None or self.ratio <= self.aim

    def cells(self) -> tuple[str, ...]:
        """As in `HEADINGS`."""
        aims = [f"ratio ≤ {self.aim:g}"] if self.aim is not None else []
        aims += [f"p{percent} ≤ {limit:g} {self.measured.unit}" for percent, limit in self.limits.items()]
        base = self.baseline
        return (
            self.measured.name,
            self.measured.spread,
            f"{base.name}: {base.spread}" if base is not None else "–",
            f"{self.ratio:.2f}" if self.ratio is not None else "–",
            f"{' and '.join(aims)}: {verdict(self.reached)}" if aims else "–",
            str(len(self.measured.values)),
        )


HEADINGS = ("what", "p50 / p90 / p99", "baseline in the same run", "ratio of p50", "aim", "n")


@dataclass(frozen=True)
class Section:
    """One group of figures on the page: a table, and what is to be known about it."""

    title: str
    table: str
    note: str

    @classmethod
    def of_rows(cls, title: str, rows: Iterable[Row], note: str) -> "Section":
        """With a table of times."""
        return cls(title, table(HEADINGS, [row.cells() for row in rows]), note)

    def __str__(self) -> str:
        return f"## {self.title}\n\n{self.table}\n{self.note.strip()}\n"


def table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    every = [headings, ("---",) * len(headings), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in every)


def verdict(reached: bool) -> str:
    """Of an aim, in a word."""
    return "reached" if reached else "**missed**"


def number(figure: float) -> str:
    """Three digits."""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
