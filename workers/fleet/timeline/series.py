"""Figures of the whole fleet, second by second: records stored, sent and waiting, and the age of the oldest. Pure.

Ten minutes are kept by the second, a day by ten seconds, in arrays of a fixed size. What is not known is NaN, and null in JSON.
"""

from __future__ import annotations

from array import array
from math import ceil, floor, isnan, nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FINE = 900
"""Seconds that are kept by the second: ten minutes, and as much as a late answer of Kafka may still change."""
SETTLED = 200
"""Seconds after which a second does not change any more, and is added up."""
COARSE_SECONDS = 10
COARSE = 86_400 // COARSE_SECONDS + SETTLED
BY_SECOND_SECONDS = 600
"""The longest time that is told by the second."""
MOST_POINTS = 720
"""Of a longer one."""
NAMES = ("stored", "sent", "waiting", "age", "hole_age")


class Series:
    """Seconds are numbered by the whole part of one clock that only goes forward. Number n is from n to n + 1."""

    def __init__(self, now: float) -> None:
        self._last = floor(now)
        """The newest second that there is room for."""
        self._first = self._last
        self._fine = {name: array("d", [nan]) * FINE for name in NAMES}
        self._coarse = {name: array("d", [nan]) * COARSE for name in NAMES}
        self._added_up = self._last // COARSE_SECONDS

    def advance(self, now: float) -> None:
        """Make room up to now. Seconds that nobody tells anything of are not known."""
        second = floor(now)
        for number in range(max(self._last + 1, second - FINE + 1), second + 1):
            for values in self._fine.values():
                values[number % FINE] = nan
            self._last = number
            while (self._added_up + 1) * COARSE_SECONDS <= number - SETTLED:
                self._add_up()

    def spread(self, name: str, amount: float, start: float, end: float) -> None:
        """Add an amount that came between two moments, evenly. Zero is something that is known, too."""
        start = max(start, self._last - FINE + 1.0, self._first)
        end = min(end, self._last + 1.0)
        values, length = self._fine[name], end - start
        if length <= 0:
            start, length = end, 0.0
        for number in range(floor(start), max(floor(start) + 1, ceil(end))):
            share = (min(end, number + 1) - max(start, number)) / length if length else 1.0
            if self._last - FINE < number <= self._last:
                before = values[number % FINE]
                values[number % FINE] = amount * share + (0.0 if isnan(before) else before)

    def put(self, name: str, second: int, value: float) -> None:
        """Tell the value of one second."""
        if self._last - FINE < second <= self._last:
            self._fine[name][second % FINE] = value

    def hole(self, start: float, end: float, since: float = 0.0) -> None:
        """Records waited from start to end: what is asked once a poll alone would not show the age of a short hole.

        Args: since: what was before is told already.
        """
        values = self._fine["hole_age"]
        for number in range(max(floor(max(start, since)), self._last - FINE + 1), min(floor(end), self._last) + 1):
            age = min(end, number + 1.0) - start
            if not values[number % FINE] >= age:
                values[number % FINE] = age

    def get(self, name: str, second: int) -> float:
        """The value of one second; NaN: not known."""
        return self._fine[name][second % FINE] if self._last - FINE < second <= self._last else nan

    def told(self, seconds: int, now: float) -> tuple[float, list[float], dict[str, list[float | None]]]:
        """What is known of the last seconds: the interval, the end of each, and by name the values.

        The second that is not over yet is left out. Stored and sent are records a second, means of a longer interval;
        waiting and age are the most in it.
        """
        step = 1 if seconds <= BY_SECOND_SECONDS else COARSE_SECONDS * ceil(seconds / MOST_POINTS / COARSE_SECONDS)
        last = floor(now) // step
        numbers = range(last - seconds // step, last)
        found: dict[str, list[float | None]] = {name: [] for name in ("stored", "sent", "waiting", "age")}
        for number in numbers:
            for name, values in found.items():
                digits = 3 if name == "age" else 1
                value = self._of(name, number, step)
                if name == "age":
                    value = _most((value, self._of("hole_age", number, step)))
                values.append(None if isnan(value) else round(value, digits))
        return float(step), [(number + 1.0) * step for number in numbers], found

    def _of(self, name: str, number: int, step: int) -> float:
        if step == 1:
            return self.get(name, number)
        groups = range(number * step // COARSE_SECONDS, (number + 1) * step // COARSE_SECONDS)
        return _combined(name)(self._group(name, group) for group in groups)

    def _group(self, name: str, group: int) -> float:
        if group <= self._added_up:
            known = group > self._added_up - COARSE and group >= self._first // COARSE_SECONDS
            return self._coarse[name][group % COARSE] if known else nan
        first = group * COARSE_SECONDS
        return _combined(name)(self.get(name, each) for each in range(first, first + COARSE_SECONDS))

    def _add_up(self) -> None:
        group = self._added_up + 1
        values = {name: self._group(name, group) for name in NAMES}
        self._added_up = group
        for name, value in values.items():
            self._coarse[name][group % COARSE] = value


def _combined(name: str) -> Callable[[Iterable[float]], float]:
    return _mean if name in ("stored", "sent") else _most


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return sum(known) / len(known) if known else nan


def _most(values: Iterable[float]) -> float:
    return max((value for value in values if not isnan(value)), default=nan)
