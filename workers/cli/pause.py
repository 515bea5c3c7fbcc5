"""`workers pause` and `workers resume`: read no further for a while, and go on."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli import render as show
from workers.cli.complete import complete_topic
from workers.cli.options import LONGEST_SECONDS, Json, Tree, finite, text
from workers.errors import BadUsageError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.pauses import Pause, Pauses

out = show.console()
err = show.console(stderr=True)

LONGEST_REASON = 200


def _reason(value: str | None) -> str | None:
    if value is None:
        return None
    value = " ".join(str(text(value)).split())
    if not value or not value.isprintable() or len(value) > LONGEST_REASON:
        raise typer.BadParameter(f"a reason is one line of 1 to {LONGEST_REASON} characters.")
    return value


OfTopic = Annotated[
    str | None,
    typer.Option("--topic", metavar="NAME", callback=text, autocompletion=complete_topic, help="Only this topic."),
]
OfPartition = Annotated[
    int | None, typer.Option("--partition", metavar="N", min=0, max=2**31 - 1, help="Only this partition of the topic.")
]


def pause(
    topic: OfTopic = None,
    partition: OfPartition = None,
    because: Annotated[
        str | None, typer.Option(metavar="TEXT", callback=_reason, help="Why; shown wherever the pause is. Needed.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=LONGEST_SECONDS,
            callback=finite,
            help="How long to wait until nothing of it is in flight any more.",
        ),
    ] = 30.0,
    only_list: Annotated[bool, typer.Option("--list", help="Show what is paused, and change nothing.")] = False,
    tree: Tree = Path(),
    as_json: Json = False,
) -> None:
    """Read no further: everything, one topic or one partition, until `workers resume`, also across restarts.

    Workers keep running, and keep their partitions. What they have read is stored and committed; the command returns when
    that is done, so nothing is written any more. It is for the workers of this folder: on several hosts, run it on each.

    Example: workers pause --because "backup of the database"

    Exit codes: 0 it is in force, 1 a worker has not obeyed in time, 64 there is no such topic or partition, 69 the file of
    the pauses cannot be written.
    """
    # Not at the top: see `workers.cli`.
    from workers.fleet.pause_effect import PauseEffect
    from workers.fleet.pause_place import look_up, only_topic
    from workers.pauses import Pause
    from workers.settings import load_all
    from workers.state.pause_file import change_pauses, pause_file, read_pauses

    if only_list and (because or topic or partition is not None):
        raise BadUsageError("--list shows all that is paused, and takes no other option but --json")
    settings, _, paths = load_all(tree)
    path = pause_file(paths.state_dir, settings.group)
    if only_list:
        _show(read_pauses(path), as_json=as_json)
        return
    if because is None:
        raise BadUsageError('say why with --because "..."; `workers pause --list` shows what is paused')
    effect = PauseEffect(settings, paths.state_dir)
    local_members = {beat.member_id for beat in effect.beats().values() if beat.member_id}
    topic = only_topic(settings, topic, partition)
    new = Pause(because, _person(), time.time(), topic, partition)
    if topic is None:
        # Nothing can be wrong with it, and Kafka may take some seconds.
        change_pauses(path, lambda before: _with(before, new))
    notes = look_up(settings, topic, partition, local_members)
    if topic is not None:
        change_pauses(path, lambda before: _with(before, new))
    for note in notes:
        err.print(f"note: {note}", markup=False)
    left, workers = effect.wait(wait), len(effect.beats())
    if as_json:
        report = {"paused": new.as_dict(), "in_force": not left, "workers": workers, "waiting": left}
        out.print_json(json.dumps({**report, "notes": notes}))
    else:
        out.print(f"paused {new.what}: {because}", markup=False)
        for name, state in left.items():
            out.print(f"  {name} has not obeyed yet, it is {state}: `workers status`", markup=False)
        if not workers:
            out.print("  no worker runs in this folder; those that start later obey it", markup=False)
        elif not left:
            out.print(f"  in force: {workers} of {workers} workers; nothing of it is in flight", markup=False)
    if left:
        raise typer.Exit(ExitCode.FAILED)


def resume(
    topic: OfTopic = None,
    partition: OfPartition = None,
    because: Annotated[
        str | None,
        typer.Option(metavar="TEXT", callback=_reason, help="Only what was paused for this reason, word by word."),
    ] = None,
    tree: Tree = Path(),
    as_json: Json = False,
) -> None:
    """End pauses: of everything, or only those of a topic, of a partition, or for one reason.

    Reading goes on at the next record, within a second. A pause that covers more stays: --topic ends no pause of
    everything.

    Example: workers resume --because "backup of the database"

    Exit codes: 0 none of it is paused any more, 1 a pause that stays covers it, 64 the topic is not of this fleet, 69 the
    file of the pauses cannot be written.
    """
    # Not at the top: see `workers.cli`.
    from workers.fleet.pause_place import only_topic, require_route
    from workers.settings import load_all
    from workers.state.pause_file import change_pauses, pause_file

    settings, _, paths = load_all(tree)
    topic = only_topic(settings, topic, partition)
    ended: list[Pause] = []
    stay: list[Pause] = []

    def change(before: Pauses) -> Sequence[Pause]:
        for each in before.all:
            (ended if _is_meant(each, topic, partition, because) else stay).append(each)
        if not ended and topic is not None:
            require_route(settings, topic)
        return stay

    everything = topic is None and because is None
    change_pauses(pause_file(paths.state_dir, settings.group), change, anew=everything)
    covering = [each for each in stay if _overlaps(each, topic, partition)]
    if as_json:
        dicts = {"resumed": [each.as_dict() for each in ended], "still_paused": [each.as_dict() for each in stay]}
        out.print_json(json.dumps(dicts))
    else:
        for each in ended:
            out.print(f"resumed {each.what}, paused {each.why}", markup=False)
        if not ended:
            out.print("none of it was paused" if covering or stay else "nothing was paused", markup=False)
        for each in stay:
            out.print(f"{each.what} stays paused {each.why}", markup=False)
    if covering and because is None:
        raise typer.Exit(ExitCode.FAILED)


def _with(before: Pauses, new: Pause) -> list[Pause]:
    """Paused again for the same reason, it is one pause, since the first time."""
    kept = [each for each in before.all if (each.what, each.because) != (new.what, new.because)]
    since = [each.since for each in before.all if each not in kept]
    return [*kept, new._replace(since=min([new.since, *since]))]


def _is_meant(each: Pause, topic: str | None, partition: int | None, because: str | None) -> bool:
    inside = topic is None or (each.topic == topic and partition in (None, each.partition))
    return inside and because in (None, each.because)


def _overlaps(each: Pause, topic: str | None, partition: int | None) -> bool:
    same_topic = topic is None or each.topic in (None, topic)
    return same_topic and (partition is None or each.partition in (None, partition))


def _show(pauses: Pauses, *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps({"pauses": pauses.as_list(), "problem": pauses.problem}))
        return
    if not pauses.all:
        out.print("nothing is paused")
    for each in sorted(pauses.all, key=lambda each: each.since):
        out.print(f"{each.what} is paused {each.why}", markup=False)


def _person() -> str:
    """Who runs this command: the one who has called sudo, if somebody has."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        # There is no such user in this container.
        user = f"uid {os.getuid()}"
    return "".join(each if each.isprintable() else "?" for each in f"{user}@{socket.gethostname()}")
