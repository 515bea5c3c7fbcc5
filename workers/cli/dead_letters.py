"""`workers dead-letters`: list, show, replay, purge."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.ctrl_c import ctrl_c
from workers.cli.entry import INTERRUPTED
from workers.cli.help import App
from workers.cli.options import (
    DryRun,
    Ids,
    JsonLines,
    OfPartition,
    OfReason,
    OfRoute,
    OfTopic,
    Since,
    Tree,
    Until,
    chosen_by,
    place_of,
    require_route,
    text,
    time_of,
)
from workers.cli.payload import escaped
from workers.cli.terminal import console
from workers.errors import BadUsageError, ExitCode

if TYPE_CHECKING:
    from workers.verification.dead_letters import Purged

app = App(
    "Find, replay or purge the records that could not be stored.",
    epilog="Example: workers dead-letters list, then workers dead-letters show ID\n\n"
    "Exit codes: 0 done, 1 a replay failed again, 64 there is no such dead letter, 69 MongoDB does not answer or refuses.",
)
out = console()
err = console(stderr=True)


@app.command("list")
def list_letters(
    reason: OfReason = None,
    topic: OfTopic = None,
    partition: OfPartition = None,
    route: OfRoute = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=2**31 - 1, help="The most to list, oldest first.")] = 50,
    tree: Tree = Path(),
    as_lines: JsonLines = False,
) -> None:
    """List dead letters, each with its reason and the beginning of its value.

    Example: workers dead-letters list --reason not_json --since 2h

    Exit codes: 0 done, also if there is none, 69 MongoDB does not answer or refuses.
    """
    # Not at the top: see `workers.cli`.
    from workers.cli import render_dead_letters as show
    from workers.settings import load
    from workers.sinks.base import DeadLetterFilter
    from workers.verification.dead_letters import as_json, open_letters

    settings = load(tree)
    require_route(settings, route)
    topics, of_partition = place_of(settings, topic, partition)
    chosen = DeadLetterFilter((), reason, of_partition, topics, time_of(since), time_of(until))
    with open_letters(settings, route) as letters:
        total = letters.count(chosen)
        found = letters.find(chosen, limit)
        if as_lines:
            for letter in found:
                out.out(as_json(letter))
        elif not total:
            out.print("no dead letter matches")
        else:
            show.listed(out, found, total, letters.unrouted)


@app.command("show")
def show_letter(
    letter_id: Annotated[str, typer.Argument(metavar="ID", callback=text, help="As `list` shows it.")],
    tree: Tree = Path(),
    as_text: Annotated[bool, typer.Option("--json", help="Print it as JSON, bytes in base64.")] = False,
) -> None:
    """Show one dead letter: the record, why it was not stored, and how to replay it.

    Example: workers dead-letters show numtest-08b40071/3/42

    Exit codes: 0 done, 64 there is no such dead letter, 69 MongoDB does not answer or refuses.
    """
    # Not at the top: see `workers.cli`.
    from workers.cli import render_dead_letters as show
    from workers.settings import load
    from workers.verification.dead_letters import as_json, open_letters

    with open_letters(load(tree)) as letters:
        letter = letters.get(letter_id)
        unrouted = letters.unrouted(letter.topic)
    if as_text:
        out.out(json.dumps(json.loads(as_json(letter)), indent=2))
    else:
        show.shown(out, letter, unrouted)


@app.command()
def replay(
    ids: Ids = None,
    reason: OfReason = None,
    topic: OfTopic = None,
    partition: OfPartition = None,
    route: OfRoute = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    dry_run: DryRun = False,
    tree: Tree = Path(),
    as_lines: JsonLines = False,
) -> None:
    """Decode and store dead letters again, under their own ids.

    One that fails again stays, with its new error. A replay of a record that is stored changes nothing.

    Example: workers dead-letters replay --reason too_large --dry-run

    Exit codes: 0 all are stored, 1 one fails again, 64 there is no such dead letter, or none was chosen, 69 MongoDB does
    not answer or refuses.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings import load
    from workers.verification.dead_letters import open_letters

    settings = load(tree)
    require_route(settings, route)
    every = every or route is not None
    chosen = chosen_by(ids, reason, place_of(settings, topic, partition), since, until, every=every)
    failed = stored = 0
    interrupted = False
    with open_letters(settings, route) as letters:
        for letter_id in chosen.ids:
            letters.get(letter_id)
        try:
            for letter in letters.find(chosen):
                if letter.replayed_at:
                    continue
                outcome = letters.try_out(letter) if dry_run else letters.replay(letter)
                failed += outcome.error is not None
                stored += outcome.error is None
                if as_lines:
                    out.out(json.dumps(outcome._asdict()))
                elif outcome.error:
                    out.print(f"{escaped(outcome.id)}: {escaped(outcome.error)}", markup=False)
        except KeyboardInterrupt:
            interrupted = True
            ctrl_c.tell(err, "the others stay as they are; the same command goes on")
    if not as_lines:
        verb = "would be stored" if dry_run else "are stored"
        out.print(
            f"{stored:,} {verb}, {failed:,} fail again" if stored or failed else "no dead letter to replay matches"
        )
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def purge(
    ids: Ids = None,
    reason: OfReason = None,
    topic: OfTopic = None,
    partition: OfPartition = None,
    route: OfRoute = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRun = False,
    tree: Tree = Path(),
) -> None:
    """Delete dead letters that were replayed; of all others, delete the payload and keep a note.

    The note is what `workers verify` accounts for the record by.

    Example: workers dead-letters purge --until 30d

    Exit codes: 0 done, 64 there is no such dead letter, or none was chosen, 69 MongoDB does not answer or refuses, 130 you
    said no: nothing was purged.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings import load
    from workers.verification.dead_letters import Purged, open_letters

    settings = load(tree)
    require_route(settings, route)
    every = every or route is not None
    chosen = chosen_by(ids, reason, place_of(settings, topic, partition), since, until, every=every)
    with open_letters(settings, route) as letters:
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
            _confirm(f"purge {total:,} dead {'letter' if total == 1 else 'letters'}?")
        done: Counter[Purged] = Counter()
        interrupted = False
        try:
            for letter in letters.find(chosen):
                done[letters.purge(letter)] += 1
        except KeyboardInterrupt:
            interrupted = True
            ctrl_c.tell(err, "the others stay as they are; the same command goes on")
    deleted, notes = done[Purged.DELETED], done[Purged.PAYLOAD_DELETED]
    parts = [f"{deleted:,} deleted, because their records are stored"] if deleted else []
    parts += [f"of {notes:,} only the payload, because their records are not stored: a note stays"] if notes else []
    out.print(f"{deleted + notes:,} dead letters were purged: {'; '.join(parts) or 'another purge was faster'}{before}")
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _confirm(question: str) -> None:
    try:
        typer.confirm(question, abort=True)
    except typer.Abort:
        if ctrl_c.untold:
            # The question is still on this line.
            err.print()
            ctrl_c.untold = False
        err.print("nothing was purged")
        raise
