"""Where log lines go, of a process that must not depend on it: a line that cannot be written now is dropped and counted.

A full disk, a closed output and a broken pipe end nobody. Nor does a pipe that nobody reads, for example of a supervisord
that was stopped, make anybody wait: a thread that logs would stand still with all its records.
"""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_SECONDS = 0.2
"""For room in a pipe whose reader is only slow; not again until a line got through."""
TELL_EVERY_SECONDS = 60.0
DROPPED_FIELD = "dropped_lines"
"""The field of the first line after some that were dropped: how many."""


class LogOutput:
    """A stream for loggers. Thread-safe; never raises, and never waits long."""

    def __init__(self, stream: TextIO | None, tell: Callable[[str], None] = lambda _message: None) -> None:
        """Args:
        stream: standard output or error; None: it was closed when the process started.
        tell: called when lines are dropped, at most once a minute, with a line for people.
        """
        self._stream = stream
        self._tell = tell
        self._lock = threading.Lock()
        self._torn = False
        """The last line was cut off in the middle: the next one must not continue it."""
        self._tell_at = 0.0
        self.dropped = 0
        """Lines, since the start of the process."""
        self.dropped_in_a_row = 0
        """Lines, since the last one that was written."""
        try:
            self._file = stream.fileno() if stream else None
            self._is_pipe = self._file is not None and not stat.S_ISREG(os.fstat(self._file).st_mode)
        except (OSError, ValueError):
            # No file behind it, or a closed one.
            self._file = None

    def write(self, text: str) -> int:
        problem: Exception | None = None
        with self._lock:
            try:
                if self._file is not None:
                    self._write(self._file, text)
                elif self._stream:
                    self._stream.write(text)
                self.dropped_in_a_row = 0
            except (OSError, ValueError) as error:
                self.dropped += 1
                self.dropped_in_a_row += 1
                if time.monotonic() >= self._tell_at:
                    self._tell_at = time.monotonic() + TELL_EVERY_SECONDS
                    problem = error
        if problem:
            why = getattr(problem, "strerror", None) or str(problem)
            self._tell(f"log lines cannot be written, and are dropped: {why}")
        return len(text)

    def flush(self) -> None:
        """Nothing is buffered here."""
        if self._file is None and self._stream:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                return

    def _write(self, file: int, text: str) -> None:
        left = (("\n" if self._torn else "") + text).encode("utf-8", "backslashreplace")
        while left:
            if self._is_pipe:
                self._require_room(file)
            # As much as a pipe that has room takes without waiting.
            written = os.write(file, left[: select.PIPE_BUF] if self._is_pipe else left)
            left = left[written:]
            self._torn = bool(left) or not text.endswith("\n")

    def _require_room(self, file: int) -> None:
        poll = select.poll()
        poll.register(file, select.POLLOUT)
        if not poll.poll(0 if self.dropped_in_a_row else WAIT_SECONDS * 1000):
            raise BlockingIOError("nobody reads them")
