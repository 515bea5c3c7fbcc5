"""Prints the report of `workers chaos`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from workers.drill.report import DrillReport, FaultReport

COUNTS = ("acknowledged", "failed", "redelivered", "rebalances", "retries", "stored", "dead_letters", "ignored")
RARE = ("ignored", "pending")
"""Shown only if there are any."""


def drill(console: Console, report: DrillReport) -> None:
    """The faults by kind, the counts, the remarks, and the verdict in one line."""
    if report.injected:
        console.print(_faults(report.injected))
        console.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    verdict = ("pending", "lost", "twice", "unexplained") if report.verified else ()
    for name in (*COUNTS, *verdict):
        count = getattr(report, name)
        if name == "stored" and not report.verified:
            break
        if count or name not in RARE:
            table.add_row(name.replace("_", " "), f"{count:,}")
    table.add_row("longest pause", f"{report.longest_pause:.1f} s")
    console.print(table)
    for line in report.remarks:
        console.print(f"[yellow]remark:[/] {escape(line)}")
    for line in report.void:
        console.print(f"[yellow]void:[/] {escape(line)}")
    for line in _verdict(report):
        console.print(line)


def _faults(injected: list[FaultReport]) -> Table:
    """A row for each kind. All of them one by one are in --json."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("fault", no_wrap=True)
    for column in ("times", "felt", "longest pause"):
        table.add_column(column, justify="right", no_wrap=True)
    for kind in sorted({fault.kind for fault in injected}):
        faults = [fault for fault in injected if fault.kind == kind]
        felt = sum(bool(fault.bit) for fault in faults)
        unknown = all(fault.bit is None for fault in faults)
        pause = max(fault.longest_pause for fault in faults)
        table.add_row(kind, f"{len(faults):,}", "?" if unknown else f"{felt:,}", f"{pause:.1f} s")
    return table


def _verdict(report: DrillReport) -> list[str]:
    if report.broken:
        lines = ["[red]failed:[/] the promise is broken; `workers verify` names the offsets"]
        if report.good_dead_lettered:
            lines.append(
                f"[red]{report.good_dead_lettered:,} dead letters are of records that could have been stored[/]"
            )
        return lines
    if not report.verified:
        left = f"the {report.acknowledged:,} acknowledged records were not compared"
        return [f"[yellow]not proven:[/] {left}; `workers verify --wait 60` does it"]
    proven = f"nothing lost, nothing twice, nothing unexplained, of {report.acknowledged:,} records"
    if report.interrupted:
        waiting = f"; {report.pending:,} are not committed yet" if report.pending else ""
        return [f"[yellow]interrupted;[/] proven so far: {proven}{waiting}"]
    if report.unstable:
        return [f"[yellow]not proven:[/] {report.unstable:,} records cannot be read yet; of the others: {proven}"]
    return [] if report.void else [f"[green]passed: {proven}[/]"]
