"""Crash-loop backoff: delays the join of a worker that crashes repeatedly, because every join rebalances the whole group.

supervisord backs off only for a process that ends within startsecs. One that ends later it restarts at once, for ever.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.pipeline.backoff import Backoff
from workers.pipeline.observer import NullObserver
from workers.state.replaced_file import replace_file
from workers.state.write_failures import WriteFailures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FREE_STARTS = 2
"""Starts without a backoff: the first one, and the one after a single crash."""
FIRST_SECONDS, CAP_SECONDS = 1.0, 60.0
MAX_DIGITS = 6
"""Of the count in the file. A longer number was not written by this module, and counts as 0."""
RESET_AGAIN_SECONDS = 5.0
"""Between two attempts to reset a count that cannot be written."""


class CrashLoopBackoff(NullObserver):
    """Counts the starts of one slot since it was last healthy, in a file that outlives each process.

    As an observer it resets the count once this worker has lived long enough, whether it waited for Kafka or read:
    a process that lives so long causes no rebalance storm.
    """

    def __init__(
        self,
        file: Path,
        healthy_after: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        failures: WriteFailures | None = None,
    ) -> None:
        """Args:
        healthy_after: seconds of life after which earlier crashes no longer count.
        failures: told when the file cannot be written.
        """
        self._file = file
        self._failures = failures or WriteFailures()
        self._healthy_after = healthy_after
        self._clock = clock
        self._jitter = jitter
        self._clock_started: float | None = None
        self._is_reset = False
        self._reset_again_at: float | None = None
        self.starts = 0
        """Since the slot was last healthy, including this one. Set by `record_start`."""

    def record_start(self) -> float:
        """Count this start.

        Returns:
            Seconds to wait before joining the group.
        """
        crashes = self._read()
        self.starts = crashes + 1
        self._write(self.starts)
        if crashes < FREE_STARTS:
            return 0.0
        backoff = Backoff(FIRST_SECONDS, CAP_SECONDS, self._jitter)
        backoff.attempts = crashes - FREE_STARTS
        return backoff.next_wait()

    def reset(self) -> None:
        """Set the count to 0: the worker is healthy, or has stopped cleanly.

        On a disk that is full the file is removed, which means the same and needs no room. If that fails too, `iterated`
        tries again: a disk must not brake the next start.
        """
        self._is_reset = self._write(0) or self._remove()
        self._reset_again_at = None if self._is_reset else self._clock() + RESET_AGAIN_SECONDS

    def start_health_clock(self) -> None:
        """The backoff is over: from now on the life of this process counts towards `healthy_after`."""
        self._clock_started = self._clock()

    def iterated(self) -> None:
        if self._is_reset or self._clock_started is None:
            return
        now = self._clock()
        if now - self._clock_started >= self._healthy_after and now >= (self._reset_again_at or now):
            self.reset()

    def _read(self) -> int:
        try:
            text = self._file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return 0
        return int(text) if text.isdigit() and len(text) <= MAX_DIGITS else 0

    def _write(self, starts: int) -> bool:
        """Atomic. A count that cannot be written is told, and does not end the worker. Returns: whether it was."""
        try:
            replace_file(self._file, b"%d\n" % min(starts, 10**MAX_DIGITS - 1))
        except OSError as error:
            self._failures.failed(self._file, error, "cannot count the starts of this slot")
            return False
        self._failures.succeeded(self._file)
        return True

    def _remove(self) -> bool:
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
            # There is nothing to write any more.
            self._failures.succeeded(self._file)
            return True
        return False
