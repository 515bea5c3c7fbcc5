"""Prints what `workers kill` tells: a line for each step, with the milliseconds since the kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table
from rich.text import Text

from workers.drill.kill_steps import Back, Died, Evicted, Evictor, Step, StoredAgain, TakenOver, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from workers.drill.kill_report import KillReport
    from workers.types import TopicPartition

EACH = 3
"""So many times are told at which partitions are stored again; of more, the first and the last."""
LONG_SECONDS = 100.0
"""From then on milliseconds say nothing, and do not fit."""
LABELS = {Died: "died", Evicted: "evicted", TakenOver: "taken over", StoredAgain: "stored again", Back: "back"}
GAP = "longest gap"
STYLES = {"died": "bold red", "back": "bold green", "not whole": "bold red", "failed": "bold red", "remark": "yellow"}
"""Of labels; the others are bold."""


class Line(NamedTuple):
    """One line of the story."""

    time: str
    label: str
    text: str
    style: str = ""


def step_line(step: Step, name: str, session_timeout: float) -> Line:
    """The line of one step. Args: name: of the worker that was killed."""
    time = "-" if step.seconds is None else _milliseconds(step.seconds)
    match step:
        case Died():
            text = f"kill -9 {step.pid}; it owned {_partitions(step.partitions)}"
        case Evicted(_, by, exact):
            time = time if exact or step.seconds is None else f"<{time}"
            text = {
                Evictor.WATCHDOG: f"by the watchdog; Kafka alone would wait {session_timeout:g} s",
                Evictor.SUCCESSOR: "by its successor, before that one joined",
                Evictor.SESSION_TIMEOUT: f"by Kafka, after its session timeout of {session_timeout:g} s",
                Evictor.NOBODY: "not: a static member, whose place its successor takes",
                Evictor.UNKNOWN: "it was not seen by whom",
            }[by]
        case TakenOver():
            text = _owners(step, name)
        case StoredAgain():
            text = _stored_again(step)
        case Back():
            owned = f"with {_partitions(step.partitions)}" if step.partitions else "no partition is left for it"
            text = f"{name} as pid {step.pid}{',' if step.partitions else ';'} {owned}"
            text += ", after its crash-loop backoff" if step.backed_off else ""
    return Line(time, LABELS[type(step)], text)


def report_lines(report: KillReport) -> list[Line]:
    """What comes after the steps: the longest gap with the verdict, and what there is to remark."""
    label, verdict, style = _verdict(report)
    longest = report.longest_gap
    is_one_topic = len({partition.topic for partition in report.gaps}) < 2
    place = longest and (longest[0].partition if is_one_topic else longest[0])
    time, gap = ("-", "not known") if longest is None else (_milliseconds(longest[1]), f"of partition {place}")
    if label:
        lines = [Line(time, GAP, gap)] if longest else []
        lines.append(Line("", label, verdict, style))
    else:
        lines = [Line(time, GAP, f"{gap}; {verdict}", style)]
    if report.waiting_for:
        lines.append(Line("", "not whole", f"{report.waiting_for}, and that did not come; see `workers status`", "red"))
    return lines + [Line("", "remark", remark, "yellow") for remark in report.remarks]


def show(console: Console, lines: Sequence[Line]) -> None:
    """Print lines in columns that are the same for each call; a long text goes on below itself."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", width=10, no_wrap=True)
    table.add_column(width=12, no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(
            Text(line.time), Text(line.label, style=STYLES.get(line.label, "bold")), Text(line.text, style=line.style)
        )
    console.print(table, soft_wrap=False)


def _verdict(report: KillReport) -> tuple[str, str, str]:
    """Label, words and style; without a label it shares the line of the gap. Exit codes follow the same order: see
    `workers.cli.kill.exit_code`.
    """
    found = report.found
    if found is None:
        return "not proven", "nothing was compared: `workers verify --wait 60` does it", "yellow"
    if report.broken:
        counts = f"{found.lost:,} lost, {found.twice:,} twice, {found.unexplained:,} unexplained"
        return "failed", f"of {report.records:,} records {counts}: `workers verify` names them", "bold red"
    proven = [f"of {report.records:,} records nothing is lost or twice"]
    proven += [f"{found.pending:,} are not committed yet"] if found.pending else []
    proven += [f"{found.unstable:,} cannot be read yet"] if found.unstable else []
    if report.interrupted or len(proven) > 1:
        return "interrupted" if report.interrupted else "proven", "; ".join(proven), "yellow"
    return "", f"all {report.records:,} records are accounted for", "green"


def _owners(step: TakenOver, name: str) -> str:
    owners = [f"{in_words(owned)} by {who}" for who, owned in step.partitions.items()]
    itself = ", started again" if set(step.partitions) == {name} else ""
    return ", ".join(owners) + itself


def _stored_again(step: StoredAgain) -> str:
    at_once: dict[str, list[TopicPartition]] = {}
    for partition, (at, _) in sorted(step.first.items(), key=lambda first: first[1]):
        at_once.setdefault(_milliseconds(at), []).append(partition)
    told = [f"{in_words(partitions)} after {time}" for time, partitions in at_once.items()]
    if len(told) > EACH:
        told = [f"first {told[0]}", f"last {told[-1]}"]
    if step.nothing_waited:
        told.append(f"nothing waited in {in_words(step.nothing_waited)}")
    if step.unknown:
        told.append(f"on another host, not known here: {in_words(step.unknown)}")
    return ", ".join(told)


def _partitions(partitions: Sequence[TopicPartition]) -> str:
    if not partitions:
        return "no partition"
    said = in_words(partitions)
    return said if " partitions of " in said else f"partition{'' if len(partitions) == 1 else 's'} {said}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < LONG_SECONDS else f"{seconds:,.0f} s"
