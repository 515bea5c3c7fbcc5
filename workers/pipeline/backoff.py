"""What changes between one attempt and the next: how long to wait before it, and how much to try at once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Backoff:
    """Waits that double up to a cap, each drawn from its upper half, so that a fleet does not come back in step."""

    first: float = 0.1
    cap: float = 5.0
    jitter: Callable[[], float] = random.random
    attempts: int = field(default=0, init=False)

    def next_wait(self) -> float:
        """Seconds until the next attempt."""
        longest = min(self.cap, self.first * 2.0 ** min(self.attempts, 30))
        self.attempts += 1
        return longest * (0.5 + self.jitter() / 2)

    def reset(self) -> None:
        """Begin again from the first wait: an attempt succeeded."""
        self.attempts = 0


@dataclass(slots=True)
class BatchSize:
    """Records in one batch: halved when a write does not end in time, so that a slow link only makes things slower."""

    most: int = 5_000
    now: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.now = self.most

    def shrink(self) -> None:
        """A write timed out."""
        self.now = max(1, self.now // 2)

    def grow(self) -> None:
        """A write succeeded: a tenth more next time, up to the most."""
        self.now = min(self.most, self.now + self.now // 10 + 1)
