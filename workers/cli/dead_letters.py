"""`workers dead-letters`: list, show, replay, purge."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from workers.cli import render as show
from workers.cli.options import text, texts
from workers.errors import BadUsageError, ExitCode
from workers.settings import Settings, load
from workers.settings.files import shown
from workers.sinks.base import DeadLetterFilter
from workers.types import RejectReason, TopicPartition
from workers.verification.dead_letters import DeadLetters, Purged, as_json

app = typer.Typer(help="Records that could not be stored: find, replay or purge them.", no_args_is_help=True)
out = show.console()

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", callback=texts, help="Only these ids.")]
OfReason = Annotated[RejectReason | None, typer.Option("--reason", help="Only this reason.")]
OfPartition = Annotated[int | None, typer.Option("--partition", min=0, max=2**31 - 1, help="Only this partition.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Rejected at or after: 10m, 2h, 3d, or 2026-01-31T12:00.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Rejected before.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


@app.command("list")
def list_letters(
    reason: OfReason = None,
    partition: OfPartition = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=2**31 - 1, help="The most to list, oldest first.")] = 50,
    as_lines: Json = False,
) -> None:
    """List dead letters.

    Example: workers dead-letters list --reason not_json --since 2h
    """
    settings = load()
    chosen = DeadLetterFilter((), reason, _partition(settings, partition), _time(since), _time(until))
    with DeadLetters(settings) as letters:
        total = letters.count(chosen)
        found = letters.find(chosen, limit)
        if as_lines:
            for letter in found:
                out.out(as_json(letter))
        elif not total:
            out.print("no dead letter matches")
        else:
            show.dead_letters(out, found, total)


@app.command("show")
def show_letter(letter_id: Annotated[str, typer.Argument(metavar="ID", callback=text)]) -> None:
    """Show one dead letter with its payload, as JSON.

    Example: workers dead-letters show numtest-08b40071/3/42
    """
    with DeadLetters(load()) as letters:
        out.out(json.dumps(json.loads(as_json(letters.get(letter_id))), indent=2))


@app.command()
def replay(
    ids: Ids = None,
    reason: OfReason = None,
    partition: OfPartition = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    dry_run: DryRun = False,
    as_lines: Json = False,
) -> None:
    """Decode and store dead letters again, under their own ids. One that fails again stays, with its new error.

    Example: workers dead-letters replay --reason too_large --dry-run
    """
    settings = load()
    chosen = _chosen(ids, reason, _partition(settings, partition), since, until, every=every)
    failed = stored = 0
    with DeadLetters(settings) as letters:
        for letter_id in chosen.ids:
            letters.get(letter_id)
        for letter in letters.find(chosen):
            if letter.replayed_at:
                continue
            outcome = letters.try_out(letter) if dry_run else letters.replay(letter)
            failed += outcome.error is not None
            stored += outcome.error is None
            if as_lines:
                out.out(json.dumps(outcome._asdict()))
            elif outcome.error:
                out.print(f"{outcome.id}: {outcome.error}", markup=False)
    if not as_lines:
        verb = "would be stored" if dry_run else "are stored"
        out.print(
            f"{stored:,} {verb}, {failed:,} fail again" if stored or failed else "no dead letter to replay matches"
        )
    if failed:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def purge(
    ids: Ids = None,
    reason: OfReason = None,
    partition: OfPartition = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Purge dead letters: delete those that were replayed; of the others, delete the payload and keep a note.

    The note is what `workers verify` accounts for the record by.

    Example: workers dead-letters purge --until 30d
    """
    settings = load()
    chosen = _chosen(ids, reason, _partition(settings, partition), since, until, every=every)
    with DeadLetters(settings) as letters:
        for letter_id in chosen.ids:
            letters.get(letter_id)
        matching, chosen = letters.count(chosen), replace(chosen, unpurged=True)
        total = letters.count(chosen)
        before = f"; {matching - total:,} were purged before" if matching > total else ""
        if not total or dry_run:
            nothing = "no dead letter to purge matches" if matching else "no dead letter matches"
            out.print((f"{total:,} dead letters would be purged" if total else nothing) + before)
            return
        if not yes:
            if not sys.stdin.isatty():
                raise BadUsageError(
                    f"{total:,} dead letters would be purged: without a terminal, confirm it with --yes"
                )
            typer.confirm(f"purge {total:,} dead letters?", abort=True)
        done = Counter(letters.purge(letter) for letter in letters.find(chosen))
    deleted, notes = done[Purged.DELETED], done[Purged.PAYLOAD_DELETED]
    parts = [f"{deleted:,} deleted, because their records are stored"] if deleted else []
    parts += [f"of {notes:,} only the payload, because their records are not stored: a note stays"] if notes else []
    out.print(f"{deleted + notes:,} dead letters were purged: {'; '.join(parts) or 'another purge was faster'}{before}")


def _chosen(
    ids: list[str] | None,
    reason: RejectReason | None,
    partition: TopicPartition | None,
    since: str | None,
    until: str | None,
    *,
    every: bool,
) -> DeadLetterFilter:
    chosen = DeadLetterFilter(tuple(ids or ()), reason, partition, _time(since), _time(until))
    if chosen.is_everything and not every:
        raise BadUsageError("select dead letters by ids, --reason, --partition, --since, --until, or --all")
    return chosen


def _partition(settings: Settings, number: int | None) -> TopicPartition | None:
    return None if number is None else TopicPartition(settings.topic, number)


def _time(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        if ago := re.fullmatch(r"(\d{1,6})([smhd])", given):
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(given)
        return time if time.tzinfo else time.astimezone()
    except (ValueError, OverflowError):
        raise BadUsageError(f"{shown(given)} is not a time: use 10m, 2h, 3d (ago), or 2026-01-31T12:00") from None
