"""The result of a drill: what was injected, what it did, and what became of the records."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class FaultReport:
    """One fault that was injected."""

    at: float
    """Seconds from the beginning of the drill."""
    kind: str
    target: str = ""
    """The process that it hit, with its pid."""
    lasted: float = 0.0
    """Seconds until it was taken back; 0: it is over as soon as it is done."""
    bit: bool | None = None
    """Whether the fleet was seen to feel it; None: the metrics of the workers could not be read."""
    longest_pause: float = 0.0
    """The longest time, from this fault on, until a partition that stood still went on, in seconds."""


@dataclass
class DrillReport:
    """The result of a drill. Names are those of `workers chaos --json`.

    Its verdict is about the records that the drill sent. That a fault had no effect is a remark: the records are no
    worse for it.
    """

    seed: int
    faults: dict[str, int] = field(default_factory=dict)
    """By kind: how often it was injected."""
    injected: list[FaultReport] = field(default_factory=list)
    """Each of them, in order."""
    seconds: float = 0.0
    """From the first record sent to the end of the last fault."""
    acknowledged: int = 0
    failed: int = 0
    redelivered: int = 0
    rebalances: int = 0
    retries: int = 0
    """Retriable write failures: the outages of the database, as the workers saw them."""
    stored: int = 0
    dead_letters: int = 0
    dead_letters_expected: int = 0
    """Records without a value, or that are not JSON, which the drill or others sent."""
    good_dead_lettered: int = 0
    """Dead letters of records that could have been stored."""
    ignored: int = 0
    """Tombstones that left nothing: WORKERS_ON_TOMBSTONE=ignore."""
    lost: int = 0
    twice: int = 0
    unexplained: int = 0
    pending: int = 0
    """Records that the fleet had not committed when the drill stopped waiting."""
    unstable: int = 0
    """Records behind a transaction that is still open: they cannot be read, and are neither lost nor proven."""
    longest_pause: float = 0.0
    """The longest time without a stored record, in seconds."""
    verified: bool = False
    """Whether the records were compared with the database; if not, `lost`, `twice` and `unexplained` say nothing."""
    interrupted: str | None = None
    """The signal that ended the drill early."""
    healed: list[str] = field(default_factory=list)
    """What was made whole at the end."""
    remarks: list[str] = field(default_factory=list)
    """What to know of this drill, above all the faults that had no effect."""
    void: list[str] = field(default_factory=list)
    """Why the drill proves nothing at all: no fault was injected, or no record was acknowledged."""

    @property
    def broken(self) -> bool:
        """Whether the promise is broken for a record of this drill."""
        return bool(self.lost or self.twice or self.unexplained)

    @property
    def passed(self) -> bool:
        """The drill was done to its end, and its records are proven: nothing lost, nothing twice, nothing unexplained."""
        return self.verified and not (self.broken or self.void or self.interrupted or self.unstable)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"passed": self.passed}
