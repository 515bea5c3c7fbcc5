"""What a group leaves out on purpose, in the report of `workers verify`: what came before its start, and what a person skipped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.markup import escape

from workers.cli.payload import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from workers.types import TopicPartition
    from workers.verification.report import VerifyReport

MOST_NOTES = 20
"""Partitions, or notes, that a report names."""


def left_out(console: Console, reports: Sequence[VerifyReport], names: Mapping[TopicPartition, str]) -> None:
    """Args:
    reports: by topic.
    names: of the partitions, as the report shows them.
    """
    starts = [each for report in reports for each in report.starts]
    if before := sum(report.total("before_start") for report in reports):
        offsets = _listed([f"{names[each.partition]} at {each.offset:,}" for each in starts])
        settings = " and ".join(sorted({each.start for each in starts}))
        console.print(
            f"{before:,} records came before the start of the group ({settings}), and are left out on purpose; partition "
            f"{offsets}",
            markup=False,
        )
    for (at, by, because), places in _notes(reports, names).items():
        console.print(
            f"[yellow]skipped on purpose[/] by {escape(escaped(by))} on {datetime.fromtimestamp(at, UTC).astimezone():%Y-%m-%d %H:%M}, because: {escape(escaped(because))}; "
            f"partition {_listed(places)}",
            highlight=False,
        )


def _notes(
    reports: Sequence[VerifyReport], names: Mapping[TopicPartition, str]
) -> dict[tuple[int, str, str], list[str]]:
    """By who, when and why: one call of `workers seek` moves many partitions."""
    notes: dict[tuple[int, str, str], list[str]] = {}
    for each in (skip for report in reports for skip in report.skips):
        place = f"{names[each.partition]}: {each.first:,} to {each.end - 1:,}"
        notes.setdefault((each.at, each.by, each.because), []).append(place)
    return notes


def _listed(parts: list[str]) -> str:
    more = f", and {len(parts) - MOST_NOTES} more" if len(parts) > MOST_NOTES else ""
    return ", ".join(parts[:MOST_NOTES]) + more
