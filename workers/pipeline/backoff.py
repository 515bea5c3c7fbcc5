"""What changes from one attempt to the next: the wait before it, and the size of the batch."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Backoff:
    """Exponential backoff up to a cap, with jitter: each wait is between half and all of it, so that workers retry at
    different times.
    """

    first: float = 0.1
    cap: float = 5.0
    jitter: Callable[[], float] = random.random
    attempts: int = field(default=0, init=False)

    def next_wait(self, at_least: float = 0.0) -> float:
        """Seconds until the next attempt. Args: at_least: what the other side asks for, also beyond the cap."""
        without_jitter = min(self.cap, self.first * 2.0 ** min(self.attempts, 30))
        self.attempts += 1
        return max(at_least, without_jitter * (0.5 + self.jitter() / 2))

    def reset(self) -> None:
        """Start from the first wait again, after an attempt that succeeded."""
        self.attempts = 0


@dataclass(slots=True)
class BatchSize:
    """How many records to poll: halved after a write timed out, so that on a slow link a smaller batch gets through."""

    limit: int = 5_000
    current: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.current = self.limit

    def shrink(self) -> None:
        """Halve it, after a write timed out."""
        self.current = max(1, self.current // 2)

    def grow(self) -> None:
        """Add a tenth, up to the limit, after a write succeeded."""
        self.current = min(self.limit, self.current + self.current // 10 + 1)
