"""Medians and spreads: what is said of a figure that was measured a few times."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The middle of some values, and their extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, decimals: int = 2) -> str:
        if self.low == self.high:
            return f"{self.median:,.{decimals}f}"
        return f"{self.median:,.{decimals}f} ({self.low:,.{decimals}f} to {self.high:,.{decimals}f})"


def ratios(values: Sequence[float], peers: Sequence[float]) -> Spread:
    """Round by round: what disturbed a whole round is in both, and falls out."""
    return Spread.of([value / peer for value, peer in zip(values, peers, strict=True)])


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed: one that was seen, nothing between two."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]
