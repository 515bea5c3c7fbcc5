"""The result of a drill."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class DrillReport:
    """The result of a drill. Names are those of `workers chaos --json`."""

    seed: int
    faults: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    failed: int = 0
    redelivered: int = 0
    rebalances: int = 0
    retries: int = 0
    """Retriable write failures: the outages of the database, as the workers saw them."""
    stored: int = 0
    lost: int = 0
    twice: int = 0
    unexplained: int = 0
    longest_pause: float = 0.0
    """The longest time without a stored record, in seconds."""
    void: list[str] = field(default_factory=list)
    """Faults that had no effect: with any, the drill proves nothing."""

    @property
    def passed(self) -> bool:
        """Nothing lost, nothing twice, nothing unexplained, and every fault had an effect."""
        return not (self.lost or self.twice or self.unexplained or self.void)
