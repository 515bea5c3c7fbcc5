"""The lines of `workers status` and `workers verify` about what is paused, and what is limited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from workers.cli.payload import escaped
from workers.naming import short_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.fleet.status.model import Status
    from workers.pauses import Pause
    from workers.types import TopicPartition
    from workers.verification.report import VerifyReport
    from workers.verification.routes_report import RoutesReport

MOST = 4
"""Pauses that are shown."""
WARN = "yellow"


def pause_lines(status: Status) -> list[tuple[str, Text]]:
    """A line for each pause: what, since when, by whom, why; and one for limits that hold workers up."""
    # Not at the top: `verify` needs nothing of the fleet. See `workers.cli`.
    from workers.fleet.sentences import plural

    pauses = sorted(status.pauses.all, key=lambda each: each.since)
    lines = [("paused", Text(escaped(f"{each.what} {each.why}"), style=WARN)) for each in pauses[:MOST]]
    if (more := len(pauses) - MOST) > 0:
        lines.append(("", Text(f"and {plural(more, 'more pause')}: `workers pause --list`", style=WARN)))
    limits: dict[str, list[str]] = {}
    for slot in status.slots:
        if slot.limited_by:
            limits.setdefault(slot.limited_by, []).append(short_name(slot.name))
    lines += [("limited", Text(f"{', '.join(names)} by {limit}")) for limit, names in sorted(limits.items())]
    return lines


def paused_lines(found: VerifyReport) -> list[str]:
    """Why records are pending: a line for each pause, with its partitions that have such records."""
    waiting = {account.partition: account.counts["pending"] for account in found.partitions}
    lines = []
    for pause in dict.fromkeys(found.paused.values()):
        count = sum(waiting.get(partition, 0) for partition, why in found.paused.items() if why == pause)
        if count:
            lines.append(f"{count:,} of the pending records wait: {escaped(f'{pause.what} is paused {pause.why}')}")
    return lines


def mark_paused(found: VerifyReport | RoutesReport, paused: Mapping[TopicPartition, Pause]) -> None:
    """Tell the report of each topic which of its partitions are paused now, and why."""
    # Not at the top: see `workers.cli`.
    from workers.verification.routes_report import RoutesReport

    for report in found.reports if isinstance(found, RoutesReport) else [found]:
        report.paused = {partition: why for partition, why in paused.items() if partition.topic == report.topic}
