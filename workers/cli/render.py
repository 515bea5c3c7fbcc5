"""Prints reports on a terminal."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workers.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

    from workers.kafka.producer import ProduceReport
    from workers.types import TopicPartition
    from workers.verification.report import VerifyReport
    from workers.verification.routes_report import RoutesReport

__all__ = ["console", "counting", "produced", "verify_report"]

SHORT = {"dead_lettered": "dead", "before_start": "before", "conflicting": "conflict"}
TOPIC = "topic"
"""The head of the first column, if that is of names."""
RARE = (
    "ignored",
    "before_start",
    "skipped",
    "unstable",
    "expired",
    "compacted",
    "replaced",
    "conflicting",
    "unexpected",
)
"""Columns that are shown only if there are any, so that the table fits into 80 columns."""
LINE_SECONDS = 2.0
"""Between two lines of progress, without a terminal."""


@contextmanager
def counting(console: Console, verb: str, total: int | None) -> Iterator[Callable[[Iterable[bytes]], Iterator[bytes]]]:
    """Show the count and the rate of values that pass through: a bar on a terminal, else a line now and then."""
    if console.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = [
            TextColumn(verb),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
        ]
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(verb, total=total, rate="")
            yield lambda values: _counted(
                values, lambda n, rate: bar.update(task, completed=n, rate=f"{rate:,.0f}/s"), 0.1
            )
    else:
        yield lambda values: _counted(
            values, lambda n, rate: console.print(f"{verb} {n:,} ({rate:,.0f}/s)"), LINE_SECONDS
        )


def _counted(values: Iterable[bytes], show: Callable[[int, float], None], every: float) -> Iterator[bytes]:
    started = last_shown = time.monotonic()
    count = 0
    for count, value in enumerate(values, 1):
        yield value
        if (now := time.monotonic()) - last_shown >= every:
            last_shown = now
            show(count, count / (now - started))
    if count:
        show(count, count / max(time.monotonic() - started, 1e-9))


def produced(console: Console, topic: str, report: ProduceReport) -> None:
    """The report of `workers produce`."""
    line = f"acknowledged {report.acknowledged:,}, failed {report.failed:,}"
    where = f"{len(report.by_partition)} partitions of {topic}"
    console.print(f"{line} in {report.seconds:.1f} s ({report.rate:,.0f}/s), in {where}")
    for error, times in sorted(report.errors.items(), key=lambda item: -item[1])[:5]:
        console.print(f"  {times:,} x {error}", markup=False)


def verify_report(console: Console, found: VerifyReport) -> None:
    """The report of `workers verify`: a row for each partition, then the result in one line, and where to look next."""
    from workers.verification.report import OUTCOMES

    topics = {account.partition.topic for account in found.partitions}
    names = {
        account.partition: str(account.partition if len(topics) > 1 else account.partition.partition)
        for account in found.partitions
    }
    outcomes = [outcome for outcome in OUTCOMES if outcome not in RARE or found.total(outcome)]
    rows = [(names[account.partition], account.counts) for account in found.partitions]
    rows.append(("all", Counter({outcome: found.total(outcome) for outcome in outcomes})))
    counts_table(console, "partition", rows, outcomes)
    foreign = []
    if found.foreign:
        foreign = [f"{found.foreign:,} documents are not of this topic, or of an earlier topic with its name"]
    verify_notes(console, found, [found], names, foreign)
    verify_verdict(console, found)


def counts_table(
    console: Console, head: str, rows: Sequence[tuple[str, Mapping[str, int]]], outcomes: Sequence[str]
) -> None:
    """A row for each partition or topic; the last one is of all.

    Args: head: of the first column. outcomes: those that are shown.
    """
    from rich.table import Table

    from workers.verification.report import FAILURES

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column(head, justify="left" if head == TOPIC else "right", no_wrap=True)
    heads = [SHORT.get(each, each) for each in outcomes]
    for each in heads:
        table.add_column(each, justify="right", no_wrap=True)
    for number, (name, counts) in enumerate(rows, 1):
        cells = [f"[red]{n:,}[/]" if (n := counts[each]) and each in FAILURES else f"{n:,}" for each in outcomes]
        table.add_row(name, *cells, style="bold" if number == len(rows) else "")
    longest = max(len(name) for name in (head, *(name for name, _ in rows)))
    totals = rows[-1][1]
    needed = (
        longest
        + 2
        + sum(2 + max(len(head), len(f"{totals[each]:,}")) for head, each in zip(heads, outcomes, strict=True))
    )
    if needed <= console.width:
        console.print(table)
    else:
        # Half a number is another number.
        for name, counts in rows:
            parts = (f"{head} {counts[each]:,}" for head, each in zip(heads, outcomes, strict=True) if counts[each])
            console.print(f"{name}: {', '.join(parts) or 'empty'}", markup=False)


def verify_notes(
    console: Console,
    found: VerifyReport | RoutesReport,
    reports: Sequence[VerifyReport],
    names: Mapping[TopicPartition, str],
    foreign: Sequence[str],
) -> None:
    """What the table does not say.

    Args:
        reports: by topic.
        names: of the partitions, for people.
        foreign: lines about what belongs to no topic.
    """
    # Not at the top: see `workers.cli`.
    from workers.cli.render_left_out import left_out
    from workers.cli.render_pauses import paused_lines

    for account in found.partitions:
        for outcome, offsets in account.offsets.items():
            listed = ", ".join(str(offset) for offset in offsets)
            more = ", ..." if account.counts[outcome] > len(offsets) else ""
            console.print(f"[red]{outcome}[/] in partition {names[account.partition]}: offsets {listed}{more}")
    for line in foreign:
        console.print(line, markup=False)
    if found.total("ignored"):
        console.print(f"{found.total('ignored'):,} tombstones were ignored: they hold no value that could be lost")
    left_out(console, reports, names)
    if found.total("expired"):
        console.print(f"[yellow]{found.total('expired'):,} offsets were deleted from Kafka before they were read[/]")
    for log in (each for report in reports for each in report.truncated):
        console.print(
            f"[yellow]the log of partition {names[log.partition]} was truncated: {log.committed:,} was committed, and "
            f"its records from {log.divergence:,} on are others now; the workers read on from there[/]"
        )
    if found.total("replaced"):
        console.print(
            f"{found.total('replaced'):,} stored records were replaced in Kafka by others when a log was truncated"
        )
    for report in reports:
        if not report.committed and report.total("kafka"):
            console.print(
                f"[yellow]the group {report.group} has committed nothing in {report.topic}: is WORKERS_GROUP right?[/]"
            )
        for line in paused_lines(report):
            console.print(line, style="yellow", markup=False)
        for partition, each in sorted(report.open_transactions.items()):
            console.print(f"[yellow]partition {names[partition]}: {each.describe()}[/]")
    if policies := _by_policy([(each.topic, each.policies) for each in reports if each.total("conflicting")]):
        console.print(f"what was stored under other policies than {policies} is conflicting, too", markup=False)
    if lossy := _by_policy([(each.topic, each.lossy_policies) for each in reports]):
        console.print(f"under lossy policies: {lossy}; `workers config` says what they lose", markup=False)


def _by_policy(by_topic: Sequence[tuple[str, Sequence[str]]]) -> str:
    """All policies in one line, with their topics where there are several."""
    topics: dict[str, list[str]] = {}
    for topic, policies in by_topic:
        for policy in policies:
            topics.setdefault(policy, []).append(topic)
    if len(by_topic) == 1:
        return ", ".join(topics)
    return ", ".join(f"{policy} in {' and '.join(each)}" for policy, each in topics.items())


def verify_verdict(console: Console, found: VerifyReport | RoutesReport) -> None:
    """Which commands show more, and, in the last line, the result."""
    pending, unstable, dead = (found.total(outcome) for outcome in ("pending", "unstable", "dead_lettered"))
    if dead:
        console.print(
            f"{dead:,} {'is a dead letter' if dead == 1 else 'are dead letters'}: `workers dead-letters list`"
        )
    if found.accounted:
        readable = " that can be read" if unstable else ""
        console.print(
            f"[green]every record{readable} is accounted for[/]"
            + (f"; {pending:,} are pending" if pending else "")
            + (f"; [yellow]{unstable:,} are unstable: nothing is proven of them yet[/]" if unstable else "")
        )
        return
    examples: dict[str, str] = {}
    for account in found.partitions:
        for outcome, offsets in account.offsets.items():
            examples.setdefault(outcome, f"{account.partition.topic}/{account.partition.partition}/{offsets[0]}")
    for outcome, place in examples.items():
        console.print(f"what is {outcome}, beside what is stored: `workers peek {place}`", markup=False)
    console.print("[red]not every record is accounted for[/]")
