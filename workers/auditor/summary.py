"""What the auditor says of itself after a round: for the file that others read, and for the metrics. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.auditor import findings
from workers.state.audit_file import MOST_FOUND, Audit

if TYPE_CHECKING:
    from workers.auditor.positions import Positions
    from workers.auditor.servers import Look


def summary(now: float, positions: Positions, look: Look, records: int, problem: str | None) -> Audit:
    """What stands now.

    Args:
        now: Unix time of the look.
        records: verified since the auditor was started.
        problem: see `Audit.problem`.
    """
    counts = positions.findings.counts()
    told = sorted(positions.findings.told().items())[:MOST_FOUND]
    return Audit(
        now,
        None if positions.since else positions.until,
        records,
        counts["missing"],
        counts["twice"],
        counts["conflicting"] + counts["unexpected"],
        sum(each.unstable for each in look.offsets.values()),
        problem,
        positions.since,
        positions.until if positions.since else None,
        positions.passed,
        sum(max(0, each.next_offset - positions.verified[p]) for p, each in look.offsets.items()),
        tuple((partition.topic, partition.partition, offset, each.outcome) for (partition, offset), each in told),
    )


def incomplete(positions: Positions, look: Look) -> str | None:
    """What this round could not verify, in one line; None: it has verified all that it was to."""
    if look.unanswered:
        return f"Kafka does not answer for {', '.join(map(str, look.unanswered))}: is every broker up?"
    if positions.findings.is_full:
        return f"{findings.MOST:,} records are not accounted for; nothing new is verified until some of them are"
    return None
