"""Limits the log lines of libraries: in an outage a client may log hundreds a second, until the log holds nothing else."""

from __future__ import annotations

import logging
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

LINES_A_MINUTE = 10
"""Of one kind. The first line of a kind is always written, also an error that was never seen before."""
WINDOW_SECONDS = 60.0
MAX_KINDS = 500
"""Kinds that are told apart within a minute. Beyond that, all lines of one place in a library's code are one kind."""
VARIABLE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|\d+")
"""What differs between two lines of a kind: ids and numbers."""

Kind = tuple[str, int, str]


@dataclass(slots=True)
class _Window:
    """A minute of one kind, which begins with its first line."""

    ends: float
    lines: int = 0
    left_out: int = 0
    last: logging.LogRecord | None = None
    """The last line that was left out."""


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes at most `LINES_A_MINUTE` of each kind, and then one line that says how many were left out.

    A kind is a logger, a level, and a text without its numbers. Lines of this package are never left out. Methods run
    under the handler's lock, on any thread.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._windows: dict[Kind, _Window] = {}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] == "workers":
            super().emit(record)
            return
        now = self._clock()
        self._tell_left_out(now)
        kind = _kind(record)
        if kind not in self._windows and len(self._windows) >= MAX_KINDS:
            kind = (record.name, record.levelno, f"{record.pathname}:{record.lineno}")
        window = self._windows.setdefault(kind, _Window(now + WINDOW_SECONDS))
        window.lines += 1
        if window.lines <= LINES_A_MINUTE:
            super().emit(record)
            return
        window.left_out += 1
        window.last = record
        self._tell_later(window.ends - now)

    def close(self) -> None:
        """Say what was left out until now. `logging.shutdown` calls it at the end of the process."""
        with self.lock or threading.Lock():
            self._tell_left_out(float("inf"))
        super().close()

    def _tell_left_out(self, now: float) -> None:
        """Say it for every minute that is over, and forget those."""
        for kind, window in [each for each in self._windows.items() if each[1].ends <= now]:
            del self._windows[kind]
            if window.last:
                last = window.last
                text = f"left out {window.left_out} more lines of this kind, of one minute at most: {_text(last)}"
                super().emit(logging.LogRecord(last.name, last.levelno, last.pathname, last.lineno, text, None, None))

    def _tell_later(self, seconds: float) -> None:
        """For the case that no further line comes, with which it would be said."""
        if self._timer:
            return
        timer = threading.Timer(max(seconds, 0.1), self._on_timer)
        timer.daemon = True
        # Without a thread it is said with the next line, or at the end of the process.
        with suppress(RuntimeError):
            timer.start()
            self._timer = timer

    def _on_timer(self) -> None:
        with self.lock or threading.Lock():
            self._timer = None
            now = self._clock()
            self._tell_left_out(now)
            if waiting := [window.ends for window in self._windows.values() if window.left_out]:
                self._tell_later(min(waiting) - now)


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 a library's arguments may not fit its text; that is no reason to fail
        return str(record.msg)


def _kind(record: logging.LogRecord) -> Kind:
    return record.name, record.levelno, VARIABLE.sub("#", _text(record)[:300])
