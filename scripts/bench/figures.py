"""The bench's figures: samples, a row of the table, and the table as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles


@dataclass(frozen=True)
class Samples:
    """Times of one thing, in milliseconds."""

    name: str
    values: tuple[float, ...]

    @classmethod
    def of_seconds(cls, name: str, seconds: Sequence[float]) -> "Samples":
        """From seconds, as clocks give them."""
        return cls(name, tuple(value * 1000 for value in seconds))

    def at(self, percent: int) -> float:
        """The percentile."""
        return quantiles(self.values, n=100, method="inclusive")[percent - 1]

    @property
    def spread(self) -> str:
        """`p50 / p90 ms`."""
        return f"{_number(self.at(50))} / {_number(self.at(90))} ms"


@dataclass(frozen=True)
class Row:
    """One line of the table. `aim`: what the ratio of the medians should not pass; `limit`: what the p90 should not."""

    measured: Samples
    baseline: Samples | None = None
    aim: float | None = None
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """Of the medians."""
        return self.measured.at(50) / self.baseline.at(50) if self.baseline is not None else None

    @property
    def reached(self) -> bool:
        """Not worse than what we aim at; true where we aim at nothing."""
        if self.limit is not None and self.measured.at(90) > self.limit:
            return False
        return self.aim is None or self.ratio is None or self.ratio <= self.aim

    def cells(self) -> list[str]:
        """As in `HEADINGS`."""
        aims = [f"ratio ≤ {self.aim:g}"] if self.aim is not None else []
        aims += [f"p90 ≤ {self.limit:g} ms"] if self.limit is not None else []
        verdict = f"{' and '.join(aims)}: {'reached' if self.reached else '**missed**'}" if aims else "–"
        base = self.baseline
        return [
            self.measured.name,
            self.measured.spread,
            f"{base.name}: {base.spread}" if base is not None else "–",
            f"{self.ratio:.2f}" if self.ratio is not None else "–",
            verdict,
            str(len(self.measured.values)),
        ]


HEADINGS = ("what", "p50 / p90", "baseline in the same run", "ratio of p50", "aim", "n")


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _number(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"
