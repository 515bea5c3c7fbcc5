"""`workers peek`: records beside what became of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.complete import complete_topic
from workers.cli.ctrl_c import clear_line
from workers.cli.options import Tree, text
from workers.cli.terminal import console
from workers.errors import BadUsageError, ExitCode, UnavailableError

if TYPE_CHECKING:
    from workers.verification.peek import Peek
    from workers.verification.place import Place
    from workers.verification.record_outcomes import Peeked

out = console()
err = console(stderr=True)

FOLLOW_SECONDS = 1.0
"""Between two looks with --follow."""
MOST_AT_ONCE = 20
"""Records that --follow shows of one look: more are not read by anybody."""


def peek(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="TOPIC|PLACE",
            callback=text,
            autocompletion=complete_topic,
            help="A topic; a partition, numtest/3; one record, 3/42 or numtest/3/42; or the _id of a document. "
            "Without it: the topic of the settings.",
        ),
    ] = None,
    last: Annotated[int, typer.Option(metavar="N", min=1, max=1_000, help="How many records, the newest ones.")] = 5,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show new records as they are stored, until Ctrl-C.")
    ] = False,
    tree: Tree = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """Show records beside what became of them: a document, a dead letter, nothing yet, or nothing.

    It joins no group and commits nothing. What a payload holds is escaped, so that it cannot harm a terminal.

    Example: workers peek 3/42

    Exit codes: 0 all that is shown is accounted for, 1 something is missing, twice or unexplained, or there is no record at
    this place, 64 there is no such topic or partition, 69 Kafka or MongoDB does not answer or refuses; with --follow 0.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings import load
    from workers.verification.peek import Peek
    from workers.verification.place import parse_place

    named = parse_place(place)
    if follow and named.offset is not None:
        raise BadUsageError("--follow shows what is new in a topic or a partition; one record does not change")
    with Peek(load(tree), named) as looking:
        is_now = looking.open()
        if not is_now and named.offset is None:
            raise BadUsageError(
                f"the topic with this id was deleted: `workers peek {looking.settings.topic}` shows the new one"
            )
        if named.offset is not None:
            found = looking.at(named.partition or 0, named.offset) if is_now else looking.of_earlier_topic()
            _show(looking, [found], as_json=as_json, whole=True)
            raise typer.Exit(_exit_code([found]))
        if follow:
            _follow(looking, named, last, as_json=as_json)
            return
        records = looking.last(last, named.partition)
        _show_last(looking, named, records, as_json=as_json)
        raise typer.Exit(_exit_code(records))


def _show_last(looking: Peek, named: Place, records: list[Peeked], *, as_json: bool) -> None:
    where = looking.settings.topic + ("" if named.partition is None else f", partition {named.partition}")
    if not as_json:
        stored = f"{looking.settings.database}.{looking.settings.collection}"
        if not records:
            out.print(f"{where} holds no record that can be read; `workers produce` sends some", markup=False)
        else:
            one = len(records) == 1
            ending = "the last record" if one else f"the last {len(records)} records"
            out.print(f"{ending} of {where}, and what became of {'it' if one else 'them'} in {stored}", markup=False)
    _show(looking, records, as_json=as_json)


def _follow(looking: Peek, named: Place, last: int, *, as_json: bool) -> None:
    """The last records, then the new ones. Ctrl-C is its end, not its failure."""
    # Not at the top: see `workers.cli`.
    from workers.verification.follow import Follower

    follower = Follower(looking, MOST_AT_ONCE, named.partition)
    told: str | None = None
    shown = 0
    try:
        follower.start(looking.offsets(named.partition))
        _show_last(looking, named, looking.last(last, named.partition), as_json=as_json)
        while True:
            time.sleep(FOLLOW_SECONDS)
            try:
                found, passed = follower.look(time.monotonic())
            except UnavailableError as error:
                if str(error) != told:
                    told = str(error)
                    err.print(f"workers peek: {error}; looking again", markup=False)
                continue
            told = None
            if passed:
                err.print(f"({passed:,} records in between are not shown)")
            _show(looking, found, as_json=as_json)
            shown += len(found)
    except KeyboardInterrupt:
        clear_line(err)
        err.print(f"{shown:,} new {'record' if shown == 1 else 'records'} shown")


def _show(looking: Peek, found: list[Peeked], *, as_json: bool, whole: bool = False) -> None:
    # Not at the top: see `workers.cli`.
    from workers.cli import render_peek

    for each in found:
        if as_json:
            out.out(json.dumps(render_peek.as_dict(each, looking.sink)).replace("\x7f", "\\u007f"))
        else:
            render_peek.peeked(out, each, looking.sink, whole=whole)


def _exit_code(found: list[Peeked]) -> int:
    # Not at the top: see `workers.cli`.
    from workers.verification.record_outcomes import NO_RECORD, NOT_WRITTEN
    from workers.verification.report import FAILURES

    failed = (*FAILURES, NO_RECORD, NOT_WRITTEN)
    return ExitCode.FAILED if any(each.outcome in failed for each in found) else ExitCode.OK
