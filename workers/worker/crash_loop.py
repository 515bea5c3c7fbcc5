"""Holds back a worker that crashes again and again: every time it joins, the whole group has to rebalance.

supervisord brakes only what dies in its first seconds. What dies later it starts again at once, for ever.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import structlog

from workers.pipeline.backoff import Backoff
from workers.pipeline.observer import NullObserver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FREE_STARTS = 2
"""The first after a healthy time, and one more: a single crash costs nobody any time."""
FIRST_SECONDS, CAP_SECONDS = 1.0, 60.0
DIGITS = 6
"""A longer number was not written here."""

log = structlog.get_logger()


class CrashLoopBackoff(NullObserver):
    """Counts the starts of one slot since it was healthy, in a file that outlives each of them.

    As an observer it sees when this worker is healthy: it has lived for long enough. Whether it waits for Kafka or reads
    is the same here, since nothing that lives so long makes a storm.
    """

    def __init__(
        self,
        file: Path,
        healthy_after: float,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Args: healthy_after: seconds of life after which earlier crashes are forgiven."""
        self._file = file
        self._healthy_after = healthy_after
        self._clock = clock
        self._jitter = jitter
        self._since: float | None = None
        self._forgiven = False
        self.starts = 0
        """Since the last healthy time, this one among them: known once `record_start` was called."""

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

    def forgive(self) -> None:
        """Begin again from no starts: the worker is healthy, or has stopped as it was told to."""
        self._forgiven = True
        self._write(0)

    def release(self) -> None:
        """The wait is over: what the worker lives from now on counts."""
        self._since = self._clock()

    def iterated(self) -> None:
        if not self._forgiven and self._since is not None and self._clock() - self._since >= self._healthy_after:
            self.forgive()

    def _read(self) -> int:
        try:
            text = self._file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return 0
        return int(text) if text.isdigit() and len(text) <= DIGITS else 0

    def _write(self, starts: int) -> None:
        """Whole or not at all. A count that cannot be written is no reason to end."""
        new = self._file.with_suffix(".starts.new")
        try:
            new.write_text(f"{min(starts, 10**DIGITS - 1)}\n", encoding="ascii")
            new.replace(self._file)
        except OSError as error:
            log.warning("cannot count the starts of this slot", file=str(self._file), error=error.strerror)
