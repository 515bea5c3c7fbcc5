"""The result of `workers kill`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.drill.kill_steps import Back, Died, Evicted, Step, StoredAgain, TakenOver
from workers.types import by_topic

if TYPE_CHECKING:
    from workers.drill.report import DrillReport
    from workers.types import TopicPartition


@dataclass
class KillReport:
    """What became of the fleet, and of the records. Times are seconds since the kill, except where said."""

    process: str
    pid: int
    partitions: tuple[TopicPartition, ...] = ()
    """Those it owned."""
    killed: float | None = None
    """A Unix time; None: it was not killed."""
    rate: float = 0.0
    """Records a second, sent by this command or by others."""
    own_load: bool = False
    """Whether this command sent them."""
    sent: int = 0
    """Records that it sent, and Kafka acknowledged."""
    steps: list[Step] = field(default_factory=list)
    gaps: dict[TopicPartition, float] = field(default_factory=dict)
    """By partition: the longest time for which records waited, from the last one stored before to the first one after."""
    records: int = 0
    """Records in Kafka since the command began, which were all compared."""
    found: DrillReport | None = None
    """What became of them; None: they were not compared."""
    waiting_for: str | None = None
    """What did not come within the time limit."""
    interrupted: str | None = None
    """The signal that ended it early."""
    remarks: list[str] = field(default_factory=list)

    @property
    def longest_gap(self) -> tuple[TopicPartition, float] | None:
        """The partition whose records waited longest, and how long; None: none did, or it is not known."""
        return max(self.gaps.items(), key=lambda gap: gap[1], default=None)

    @property
    def broken(self) -> bool:
        """Whether the promise is broken for a record."""
        return self.found is not None and self.found.broken

    @property
    def proven(self) -> bool:
        """Whether nothing is lost, twice or unexplained, and nothing is left open."""
        found = self.found
        return found is not None and not (found.broken or found.pending or found.unstable)

    @property
    def passed(self) -> bool:
        """The fleet is whole again, and every record is accounted for."""
        return self.proven and not (self.waiting_for or self.interrupted)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        longest = self.longest_gap
        told: dict[str, Any] = {
            "process": self.process,
            "pid": self.pid,
            "partitions": by_topic(self.partitions),
            "killed": self.killed,
            "rate": round(self.rate, 1),
            "own_load": self.own_load,
            "sent": self.sent,
        }
        told |= dict.fromkeys(("died", "evicted", "taken_over", "stored_again", "back"))
        for step in self.steps:
            told |= _step(step)
        told["gaps"] = [part._asdict() | {"seconds": round(gap, 3)} for part, gap in sorted(self.gaps.items())]
        told["longest_gap"] = longest and longest[0]._asdict() | {"seconds": round(longest[1], 3)}
        told["records"] = self.records
        for name in ("stored", "dead_letters", "lost", "twice", "unexplained", "pending", "unstable"):
            told[name] = getattr(self.found, name) if self.found else None
        return told | {
            "waiting_for": self.waiting_for,
            "interrupted": self.interrupted,
            "remarks": self.remarks,
            "passed": self.passed,
        }


def _step(step: Step) -> dict[str, Any]:
    seconds = None if step.seconds is None else round(step.seconds, 3)
    match step:
        case Died():
            return {"died": {"seconds": seconds}}
        case Evicted(_, by, exact):
            return {"evicted": {"seconds": seconds, "by": by, "exact": exact}}
        case TakenOver(_, owners):
            return {"taken_over": {"seconds": seconds, "partitions": {who: by_topic(p) for who, p in owners.items()}}}
        case StoredAgain():
            first = [
                part._asdict() | {"seconds": round(at, 3), "process": who} for part, (at, who) in step.first.items()
            ]
            others = {name: by_topic(getattr(step, name)) for name in ("nothing_waited", "unknown")}
            return {"stored_again": {"seconds": seconds, "first": first, **others}}
        case Back():
            return {"back": {"seconds": seconds, "pid": step.pid, "partitions": by_topic(step.partitions)}}
