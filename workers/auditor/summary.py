"""What the auditor says of itself after a round: for the file that others read, and for the metrics. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.auditor import backlog, findings
from workers.state.audit_file import MOST_FOUND, Audit

if TYPE_CHECKING:
    from workers.auditor.positions import Positions
    from workers.auditor.servers import Look


def summary(
    now: float, positions: Positions, look: Look, records: int, problem: str | None, done: float | None
) -> Audit:
    """What stands now.

    Args:
        now: Unix time of the look.
        records: verified since the auditor was started.
        problem, done: see `Audit`.
    """
    counts = positions.findings.counts()
    told = sorted(positions.findings.told().items())[:MOST_FOUND]
    return Audit(
        now,
        until=None if positions.since else positions.until,
        records=records,
        missing=counts["missing"],
        twice=counts["twice"],
        unexplained=counts["conflicting"] + counts[findings.NO_RECORD],
        unstable=sum(each.unstable for each in look.offsets.values()),
        problem=problem,
        since=positions.since,
        recent=positions.until if positions.since else None,
        passed=positions.passed,
        unverified=backlog.unverified(positions, look.offsets),
        found=tuple((partition.topic, partition.partition, offset, each.outcome) for (partition, offset), each in told),
        removed=positions.removed,
        removed_since=positions.removed_since,
        set_back=positions.set_back,
        topic=positions.topic.name,
        done=done,
    )


def incomplete(positions: Positions, look: Look) -> str | None:
    """What this round could not verify, in one line; None: it has verified all that it was to."""
    if look.unanswered:
        return f"Kafka does not answer for {', '.join(map(str, look.unanswered))}: is every broker up?"
    if positions.findings.is_full:
        return f"{findings.MOST:,} records are not accounted for; nothing new is verified until some of them are"
    return None
