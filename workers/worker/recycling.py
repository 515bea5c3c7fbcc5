"""Ends a worker after so many records, or when it has grown too large, so that a fresh process goes on."""

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
"""Each process draws its limits from the last tenth below those that are set: a fleet must not recycle in step."""
LOOK_SECONDS = 1.0

log = structlog.get_logger()


class Recycling(NullObserver):
    """The observer that asks for a clean stop after the batch that went over a limit."""

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
        max_records: records after which it ends; 0: no such limit.
        max_memory: MiB of resident memory, on Linux; 0: no such limit.
        not_before: seconds that it lives at least: a limit that is set too low must not keep the group rebalancing.
        """
        share = 1 - SPREAD * jitter()
        self._max_records = max_records * share
        self._max_memory = max_memory * share
        self._stop = stop
        self._clock = clock
        self._next = clock() + not_before
        self._records = 0

    def committed(self, batch: Batch, result: CommitResult) -> None:
        if result is CommitResult.OK:
            self._records += batch.size
        if not (self._max_records or self._max_memory) or (now := self._clock()) < self._next:
            return
        self._next = now + LOOK_SECONDS
        memory = (resident_mebibytes() or 0) if self._max_memory else 0
        if 0 < self._max_records <= self._records or 0 < self._max_memory <= memory:
            self._max_records = self._max_memory = 0
            log.info("recycled: it ends here, and a fresh process goes on", records=self._records, memory_mib=memory)
            self._stop("recycled")
