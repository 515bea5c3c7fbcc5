"""How many records may be read now, so that no more are read a second than a limit allows: a token bucket. Pure.

The bucket is asked before each poll, and told what the poll returned. Nobody sleeps in a write: a poll that may take nothing
waits as one does that finds nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workers.records import Records

STEP_SECONDS = 0.25
"""Records are read in steps of so many seconds' worth: a batch of each single record would cost a commit each."""
BURST_SECONDS = 0.5
"""What was not read in time can be caught up, so many seconds' worth: a slow write costs no throughput, and a window of ten
seconds is exact within five per cent, also after an idle time."""
GROWTH = 2
"""Under a limit of bytes a poll asks for so many times as many records as the last one brought, at most, the first one for
one: the next may be a thousand times as large."""
LEAST_SECONDS = 1e-6
WEIGHT = 0.3
"""Of the last batch, in the mean size of a record."""


@dataclass
class Bucket:
    """Tokens that come in at a rate. It may be overdrawn: then nothing is read until that is made up for."""

    rate: Callable[[], float]
    """Tokens a second, now; 0: no limit."""
    clock: Callable[[], float]
    tokens: float = 0.0
    _filled: float = field(init=False)

    def __post_init__(self) -> None:
        self._filled = self.clock()

    def fill(self) -> float:
        """Take in what has come since the last time. Returns the rate."""
        rate, now = self.rate(), self.clock()
        # At least one whole token, however slow it is: else nothing would ever be read.
        self.tokens = min(self.tokens + rate * (now - self._filled), max(1.0, rate * BURST_SECONDS))
        self._filled = now
        return rate

    def wait(self, wanted: float) -> float:
        """Seconds until so many tokens are there, or a step's worth; 0.0: they are."""
        rate = self.fill()
        missing = min(wanted, max(1.0, rate * STEP_SECONDS)) - self.tokens
        # What floating point leaves of a token is there.
        return missing / rate if rate and missing > rate * LEAST_SECONDS else 0.0


class RateLimit:
    """The limits of one worker. For the loop's thread only; no object of it exists without a limit."""

    def __init__(
        self,
        records: Callable[[], tuple[float, str]],
        bytes_: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        records: the records a second, now, and the setting that says so; 0.0: no limit.
        bytes_: the bytes of values a second; 0: no limit.
        """
        self._record_rate = records
        self._records = Bucket(lambda: records()[0], clock)
        self._bytes = Bucket(lambda: bytes_, clock) if bytes_ else None
        self._mean = 0.0
        """Bytes of a record; 0.0: not known."""
        self._growing = 1
        """Records of the next poll, at most, under a limit of bytes."""
        self._wait, self._by_bytes = 0.0, False

    def allowed(self, most: int) -> int:
        """How many records may be read now, at most; 0: none, for `seconds` to come."""
        wait_records, wait_bytes = self._records.wait(most), 0.0
        rate = self._record_rate()[0]
        count = min(most, int(self._records.tokens)) if rate else most
        if self._bytes:
            wait_bytes = self._bytes.wait(min(most, self._growing) * max(1.0, self._mean))
            fits = int(self._bytes.tokens / max(1.0, self._mean))
            # One record may be larger than all that the bucket holds: it is read all the same, and made up for.
            count = min(count, self._growing, max(1, fits))
        self._wait = max(wait_records, wait_bytes)
        self._by_bytes = wait_bytes > wait_records
        return 0 if self._wait else max(1, count)

    @property
    def seconds(self) -> float:
        """How long nothing may be read, as of the last `allowed`."""
        return self._wait

    @property
    def name(self) -> str:
        """The setting that holds it up, as of the last `allowed`."""
        return "WORKERS_MAX_BYTE_RATE" if self._by_bytes else self._record_rate()[1]

    def spend(self, fetched: Iterable[Records]) -> None:
        """These records were read."""
        count = size = 0
        for records in fetched:
            count += len(records)
            if self._bytes:
                size += sum(map(len, filter(None, records.values)))
        self._records.tokens -= count
        if self._bytes and count:
            self._bytes.tokens -= size
            self._growing = GROWTH * count
            mean = max(1.0, size / count)
            self._mean = mean if not self._mean else (1 - WEIGHT) * self._mean + WEIGHT * mean
