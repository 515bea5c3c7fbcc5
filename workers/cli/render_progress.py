"""Shows how far `workers verify` is: a bar on a terminal, a line now and then without one."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    OnProgress = Callable[[str, int, int], None]

LINE_SECONDS = 10.0
"""Between two lines, and before the first: what takes no longer says nothing."""


@contextmanager
def verifying(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[OnProgress]:
    """A function that shows what is being read, how much is done, and the total (0: not known)."""
    if not console.is_terminal:
        yield Lines(lambda line: console.print(line, markup=False), clock).show
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[beside]}"),
    ]
    with Progress(*columns, console=console, transient=True) as bar:
        task, rates = bar.add_task("reading", total=None, rate="", beside=""), Rates(clock)

        def on_progress(what: str, done: int, total: int) -> None:
            if not total:
                bar.update(task, beside=f"{what} {done:,}")
                return
            rate = rates.of(what, done)
            bar.update(task, description=what, completed=done, total=total, rate=f"{rate:,.0f}/s" if rate else "")

        yield on_progress


class Rates:
    """How many a second, since each was first seen. What was done before that, by an earlier run, does not count."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: dict[str, tuple[float, int]] = {}

    def of(self, what: str, done: int) -> float:
        """0: not known yet."""
        now = self._clock()
        since, before = self._first.setdefault(what, (now, done))
        return (done - before) / (now - since) if now > since else 0.0


class Lines:
    """Progress as lines: `verified 1,200,000 of 10,000,000 (12 %), 31,000/s, 0:04:44 left`."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._rates = Rates(clock)
        self._said_at = clock()

    def show(self, what: str, done: int, total: int) -> None:
        """Say it, if the last line is long enough ago."""
        rate = self._rates.of(what, done)
        if (now := self._clock()) - self._said_at < LINE_SECONDS:
            return
        self._said_at = now
        if not total:
            self._say(f"{what} {done:,}")
            return
        left = f", {_duration((total - done) / rate)} left" if rate else ""
        self._say(f"{what} {done:,} of {total:,} ({100 * done // total} %), {rate:,.0f}/s{left}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
