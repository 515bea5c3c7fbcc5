"""What of this process's state cannot be written now, and since its start could not. None of it is needed for the promise."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TELL_EVERY_SECONDS = 60.0
"""Between two lines about the same file, however often it fails and heals."""

log = structlog.get_logger()


class WriteFailures:
    """Told by those who write the files; read by metrics and `/readyz`, on any thread."""

    def __init__(
        self,
        tell: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: tell: called with a line for people when a file cannot be written, at most once a minute for each. None:
        it is logged.
        """
        self._tell: Callable[[str], object] = tell or log.warning
        self._clock = clock
        self._failing: dict[str, str] = {}
        """By path: the error. Replaced whole: another thread may read it."""
        self._told: dict[str, float] = {}
        self.count = 0
        """Failures since the start of the process."""

    def failed(self, path: Path, error: OSError, loss: str = "") -> None:
        """Note that this file cannot be written, until it is. Args: loss: what cannot be done without it, for the line."""
        self._failing = {**self._failing, str(path): _reason(error)}
        self.failed_once(path, error, loss)

    def failed_once(self, path: Path, error: OSError, loss: str = "") -> None:
        """Note that this file could not be written, where nothing waits to be written again."""
        name = str(path)
        self.count += 1
        if self._clock() - self._told.get(name, -TELL_EVERY_SECONDS) >= TELL_EVERY_SECONDS:
            self._told[name] = self._clock()
            line = f"cannot write {name}: {_reason(error)}; this process works on without it. {_what_to_do(error)}"
            self._tell(f"{loss}: {line}" if loss else line)

    def succeeded(self, path: Path) -> None:
        """Note that this file was written."""
        if str(path) in self._failing:
            self._failing = {name: why for name, why in self._failing.items() if name != str(path)}

    def problem(self) -> str | None:
        """What cannot be written now, in one line; None: everything can."""
        if failing := self._failing:
            return "cannot write " + ", ".join(f"{name}: {why}" for name, why in sorted(failing.items()))
        return None


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _what_to_do(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "Free some space"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "Let the user of this process write there"
    return "See that the disk can be written, or set WORKERS_STATE_DIR"
