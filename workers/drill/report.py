"""What a drill came to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class DrillReport:
    """What a drill came to."""

    seed: int
    faults: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    failed: int = 0
    redelivered: int = 0
    rebalances: int = 0
    retries: int = 0
    """Writes that failed for no fault of a record: the outages of the database as the workers saw them."""
    stored: int = 0
    lost: int = 0
    twice: int = 0
    unexplained: int = 0
    longest_pause: float = 0.0
    """Seconds in which no worker stored anything, at most."""
    void: list[str] = field(default_factory=list)
    """Faults that did not bite: then the drill proves nothing."""

    @property
    def passed(self) -> bool:
        """Nothing lost, nothing twice, nothing unexplained, and every fault was felt."""
        return not (self.lost or self.twice or self.unexplained or self.void)
