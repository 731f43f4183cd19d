"""Rows of the table: samples in rounds, medians, ratios of a round's pair, aims."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Literal

DOCKBOX, DIRECT, COMMANDS = "dockbox", "direct", "commands"
PEERS = NAIVE, TERMINADO, WEBSOCKIFY = "naive", "terminado", "websockify"
RELATIONS = {"≥": operator.ge, "≤": operator.le}
SLACK = 1.1  # how many times the limit's latency a proxy may have, besides a constant


@dataclass(frozen=True)
class Aim:
    """What the row is to reach.

    A ratio to the limit, an excess over ``SLACK`` times the limit, a ratio to the best peer,
    or a value.
    """

    of: Literal["ratio", "excess", "peers", "value"]
    relation: Literal["≥", "≤"]
    bound: float


MORE_THAN_PEERS, LESS_THAN_PEERS = Aim("peers", "≥", 1), Aim("peers", "≤", 1)
RATE = (Aim("ratio", "≥", 0.95), MORE_THAN_PEERS)
MEMORY = (Aim("value", "≤", 40), LESS_THAN_PEERS)  # kB a client
LATENCY = (Aim("excess", "≤", 0.15), LESS_THAN_PEERS)


@dataclass
class Row:
    """One line of the table; each of ``samples`` has one number a round."""

    name: str
    unit: str
    limit: str = ""  # the key of the samples that dockbox is measured against
    aims: tuple[Aim, ...] = ()
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, who: str, number: float) -> None:
        self.samples.setdefault(who, []).append(number)

    def pairs(self, other: str) -> list[tuple[float, float]]:
        """Dockbox's number and the other's, of the same round."""
        return list(zip(self.samples.get(DOCKBOX, []), self.samples.get(other, []), strict=False))

    def ratio(self, other: str) -> float | None:
        """The median of the rounds' ratios: what slowed a whole round down cancels out."""
        ratios = [ours / theirs for ours, theirs in self.pairs(other) if theirs]
        return median(ratios) if ratios else None

    def verdict(self, aim: Aim) -> str:
        """The aim, the figure and whether it is met; the empty string when there is no figure."""
        what, figure, unit = aim.of, None, ""
        if aim.of == "ratio":
            figure = self.ratio(self.limit)
        elif aim.of == "excess":
            what, unit = f"over {SLACK:g} × limit", f" {self.unit}"
            over = [ours - SLACK * theirs for ours, theirs in self.pairs(self.limit)]
            figure = median(over) if over else None
        elif aim.of == "peers":
            ratios = {peer: ratio for peer in PEERS if (ratio := self.ratio(peer)) is not None}
            if ratios:
                best = (min if aim.relation == "≥" else max)(ratios, key=lambda p: ratios[p])
                what, figure = f"ratio to {best}", ratios[best]
        elif DOCKBOX in self.samples:
            unit, figure = f" {self.unit}", median(self.samples[DOCKBOX])
        if figure is None:
            return ""
        met = "met" if RELATIONS[aim.relation](figure, aim.bound) else "**missed**"
        return f"{what} {aim.relation} {aim.bound:g}{unit}: {figure:.3g}, {met}"

    def spread(self, who: str) -> str:
        """Median and range."""
        numbers = self.samples.get(who)
        if not numbers:
            return "–"
        if len(numbers) == 1:
            return short(numbers[0])
        return f"{short(median(numbers))} ({short(min(numbers))}–{short(max(numbers))})"

    def cells(self) -> list[str]:
        ratio = self.ratio(self.limit)
        return [
            f"{self.name}, {self.unit}",
            self.spread(DOCKBOX),
            f"{self.spread(self.limit)} {self.limit}" if self.limit in self.samples else "–",
            "–" if ratio is None else f"{ratio:.2f}",
            *(self.spread(peer) for peer in PEERS),
            "; ".join(filter(None, map(self.verdict, self.aims))),
        ]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The median and the 99th percentile, which with few values is nearly the largest."""
    cuts = quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98]}


def short(number: float) -> str:
    """Three digits that count, and no more than the number has."""
    size = abs(number)
    return f"{number:,.0f}" if size >= 100 else f"{number:.1f}" if size >= 10 else f"{number:.2f}"


def table(rows: Iterable[Row]) -> str:
    """A Markdown table with columns of even width."""
    head = ["median (min–max)", "dockbox", "limit", "ratio", *PEERS, "aim"]
    lines = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
