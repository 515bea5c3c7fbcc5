"""Stops a worker after a number of records or above a memory limit, so that supervisord starts a fresh process."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import structlog

from workers.pipeline.observer import NullObserver
from workers.state.proc import resident_mebibytes
from workers.types import CommitResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.types import Batch

SPREAD = 0.1
"""Jitter: each process lowers its limits by up to a tenth, so that a fleet does not recycle in step."""
CHECK_SECONDS = 1.0

log = structlog.get_logger()


class Recycling(NullObserver):
    """The observer that requests a clean stop after the batch that exceeded a limit."""

    def __init__(
        self,
        max_records: int,
        max_memory: int,
        not_before: float,
        stop: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Args:
        max_records: records after which the worker stops; 0: no limit.
        max_memory: MiB of resident memory, on Linux; 0: no limit.
        not_before: the shortest life in seconds, so that a limit that is set too low does not keep the group rebalancing.
        stop: called once, with the reason.
        """
        share = 1 - SPREAD * jitter()
        self._max_records = max_records * share
        self._max_memory = max_memory * share
        self._stop = stop
        self._clock = clock
        self._next_check = clock() + not_before
        self._records = 0

    def committed(self, batch: Batch, result: CommitResult) -> None:
        if result is CommitResult.OK:
            self._records += batch.size
        if not (self._max_records or self._max_memory) or (now := self._clock()) < self._next_check:
            return
        self._next_check = now + CHECK_SECONDS
        memory = (resident_mebibytes() or 0) if self._max_memory else 0
        if 0 < self._max_records <= self._records or 0 < self._max_memory <= memory:
            self._max_records = self._max_memory = 0
            log.info(
                "recycled: this worker stops, and supervisord starts a fresh one",
                records=self._records,
                memory_mib=memory,
            )
            self._stop("recycled")
