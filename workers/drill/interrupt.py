"""Ctrl-C and SIGTERM in a drill: they end it early, and never leave the fleet broken."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LeftUnprovenError(Exception):
    """Asked again while the drill waits, or at all while it verifies: leave now, without the proof."""


class Interrupts:
    """Counts the signals inside a `with`, instead of raising in the middle of whatever is being done.

    So a fault that was begun is known, and is healed: the drill asks here between its steps.
    """

    def __init__(self) -> None:
        self.count = 0
        self.name: str | None = None
        """Of the first signal."""
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            # Ignored by whoever started this command, as nohup does: it stays so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.count > 0

    def leave_if_asked_again(self, after: int = 1) -> None:
        """Raises: LeftUnprovenError: more than so many signals have come."""
        if self.count > after:
            raise LeftUnprovenError

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.name = self.name or signal.Signals(number).name
