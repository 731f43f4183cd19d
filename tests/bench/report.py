"""Rows of the table: samples in rounds, medians, ratios of a round's pair, aims."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

DOCKBOX, DIRECT, NAIVE, COMMANDS = "dockbox", "direct", "naive", "commands"
RELATIONS = {"≥": operator.ge, "≤": operator.le}


@dataclass(frozen=True)
class Aim:
    """What the row is to reach: a ratio to the limit, a difference from it, or a value."""

    of: Literal["ratio", "difference", "value"]
    relation: Literal["≥", "≤"]
    bound: float


@dataclass
class Row:
    """One line of the table; each of ``samples`` has one number a round."""

    name: str
    unit: str
    limit: str = ""  # the key of the samples that dockbox is measured against
    aim: Aim | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, who: str, number: float) -> None:
        self.samples.setdefault(who, []).append(number)

    def pairs(self) -> list[tuple[float, float]]:
        """Dockbox's number and the limit's, of the same round."""
        return list(
            zip(self.samples.get(DOCKBOX, []), self.samples.get(self.limit, []), strict=False)
        )

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios: what slowed a whole round down cancels out."""
        ratios = [ours / theirs for ours, theirs in self.pairs() if theirs]
        return median(ratios) if ratios else None

    def reached(self) -> float | None:
        """The figure that the aim is about."""
        if self.aim is None:
            return None
        if self.aim.of == "ratio":
            return self.ratio
        if self.aim.of == "difference":
            found = [ours - theirs for ours, theirs in self.pairs()]
        else:
            found = self.samples.get(DOCKBOX, [])
        return median(found) if found else None

    def verdict(self) -> str:
        """The aim, the figure and whether it is met; the empty string without an aim."""
        figure = self.reached()
        if self.aim is None or figure is None:
            return ""
        met = "met" if RELATIONS[self.aim.relation](figure, self.aim.bound) else "**missed**"
        unit = "" if self.aim.of == "ratio" else f" {self.unit}"
        return f"{self.aim.of} {self.aim.relation} {self.aim.bound:g}{unit}: {figure:.3g}, {met}"

    def spread(self, who: str) -> str:
        """Median and range."""
        numbers = self.samples.get(who)
        if not numbers:
            return "–"
        if len(numbers) == 1:
            return short(numbers[0])
        return f"{short(median(numbers))} ({short(min(numbers))}–{short(max(numbers))})"

    def cells(self) -> list[str]:
        ratio = self.ratio
        return [
            f"{self.name}, {self.unit}",
            self.spread(DOCKBOX),
            f"{self.spread(self.limit)} {self.limit}" if self.limit in self.samples else "–",
            "–" if ratio is None else f"{ratio:.2f}",
            self.spread(NAIVE),
            self.verdict(),
        ]


def short(number: float) -> str:
    """Three digits that count, and no more than the number has."""
    size = abs(number)
    return f"{number:,.0f}" if size >= 100 else f"{number:.1f}" if size >= 10 else f"{number:.2f}"


def table(rows: Iterable[Row]) -> str:
    """A Markdown table with columns of even width."""
    head = ["median (min–max)", "dockbox", "limit", "ratio", "naive", "aim"]
    lines = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
