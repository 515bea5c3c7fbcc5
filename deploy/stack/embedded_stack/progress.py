"""What a long step does and how far it is: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


class Observer(Protocol):
    """Called from several threads at once."""

    def say(self, part: str, doing: str) -> None: ...

    def reach(self, part: str, done: int, total: int) -> None: ...


class Lines:
    """A line for each thing that begins, and one for each further fifth of it."""

    def __init__(self) -> None:
        self._fifths: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, part: str, doing: str) -> None:
        self._fifths[part] = 0
        print(f"{part}: {doing}", flush=True)

    def reach(self, part: str, done: int, total: int) -> None:
        fifth = 5 * done // total if total else 0
        if fifth > self._fifths.get(part, 0):
            self._fifths[part] = fifth
            print(f"{part}: {done} of {total}", flush=True)


class Bars:
    """One bar a part; what is finished stays on the screen."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<44}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def say(self, part: str, doing: str) -> None:
        text = f"{part}: {doing}"
        if part in self._tasks:
            self._bars.update(self._tasks[part], description=text)
        else:
            self._tasks[part] = self._bars.add_task(text, total=None)

    def reach(self, part: str, done: int, total: int) -> None:
        self._bars.update(self._tasks[part], completed=done, total=total)


def observer() -> Lines | Bars:
    console = Console()
    return Bars(console) if sys.stdout.isatty() and console.is_terminal else Lines()
