"""A figure and its table. Every benchmark returns figures; `__main__` prints and keeps them."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was `measured`, beside a `peer` measured in the same run.

    `target` bounds the measured value from above, or with `of_ratio` its ratio to the peer. `split` says where the
    value comes from, in words.
    """

    name: str
    measured: float
    unit: str
    target: float | None = None
    of_ratio: bool = False
    peer: float | None = None
    against: str = ""
    split: str = ""

    @property
    def ratio(self) -> float | None:
        return self.measured / self.peer if self.peer else None

    @property
    def verdict(self) -> str:
        value = self.ratio if self.of_ratio else self.measured
        if self.target is None or value is None:
            return ""
        return "met" if value <= self.target else "MISSED"

    @property
    def bound(self) -> str:
        if self.target is None:
            return ""
        return f"<= {self.target:g}{' x' if self.of_ratio else ' ' + self.unit}"


def summary(seconds: Sequence[float]) -> str:
    """How single measurements lie, for a figure's `split`."""
    median = statistics.median(seconds)
    scale, unit = (1.0, "s") if median >= 0.1 else (1000.0, "ms")
    low, middle, high = (f"{each * scale:.3g}" for each in (min(seconds), median, max(seconds)))
    return f"{low} to {high} {unit}, median {middle}, {len(seconds)} times"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of `values` do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.999999) - 1))] if ordered else 0.0


def load() -> float:
    """How busy the machine was in the last minute, in processes that run or want to."""
    return os.getloadavg()[0]


def table(figures: Sequence[Figure]) -> str:
    heads = ("figure", "measured", "against", "ratio", "target", "")
    rows = [heads, *(_row(each) for each in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines: list[str] = []
    for number, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number and figures[number - 1].split:
            lines += [f"    {line}" for line in figures[number - 1].split.splitlines()]
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    against = "" if figure.peer is None else f"{_number(figure.peer)} {figure.unit} {figure.against}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} x"
    return figure.name, f"{_number(figure.measured)} {figure.unit}", against, ratio, figure.bound, figure.verdict


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"
