"""`workers seek`: moves the group to other offsets."""

from __future__ import annotations

import getpass
import json
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.complete import complete_topic
from workers.cli.options import Json, Tree, text, texts
from workers.cli.terminal import console
from workers.errors import BadUsageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.kafka.group_move import Move
    from workers.kafka.group_mover import GroupMover
    from workers.kafka.topics import Topic
    from workers.settings import Settings

out = console()
err = console(stderr=True)


def seek(
    to: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            callback=text,
            help="earliest, latest, a time (2026-11-01T00:00:00Z), how long ago (-6h), an offset, or a file that ends in .json.",
        ),
    ],
    topics: Annotated[
        list[str] | None,
        typer.Option(
            "--topic",
            metavar="NAME",
            callback=texts,
            autocompletion=complete_topic,
            help="Only this topic; may be repeated.",
        ),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=2**31 - 1, help="Only this partition of each topic.")
    ] = None,
    because: Annotated[
        str | None,
        typer.Option(callback=text, help="Why; needed where records are skipped. `workers verify` shows it."),
    ] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it; else it is shown, and nothing changes.")] = False,
    tree: Tree = Path(),
    as_json: Json = False,
) -> None:
    """Move the group to other offsets: to read records again, or to skip some.

    Without --execute it says, for each partition, from where to where, and how many records that are at most. With
    --execute it needs a group without members: stop the workers first, on all hosts.

    Backwards is harmless: records that are stored are found stored. A document that somebody has changed since is a
    conflict: it stays, and the record becomes a dead letter. Forwards leaves a note in the commit: `workers verify` counts
    these records as skipped, and says who moved the group, when and why.

    A file has offsets by topic and partition: {"numtest": {"0": 100, "3": 250}}.

    Example: workers seek --to -6h

    Exit codes: 0 done, or shown, 64 there is no such topic or partition, an offset is beyond the log, or --because is
    missing, 69 the group has members, or Kafka does not answer or refuses: nothing was changed.
    """
    # Not at the top: see `workers.cli`.
    from workers.cli import render_seek
    from workers.kafka.group_move import Note
    from workers.kafka.group_mover import GroupMover
    from workers.kafka.left_out import LONGEST_BECAUSE, LONGEST_BY, escaped, shortened
    from workers.settings import load

    settings = load(tree)
    if because is not None and len(escaped(because).encode()) > LONGEST_BECAUSE:
        raise BadUsageError(f"--because is longer than {LONGEST_BECAUSE} bytes, as it is stored beside the offset")
    note = Note(int(time.time()), shortened(_user(), LONGEST_BY), (because or "").strip())
    with GroupMover(settings) as mover:
        found, moves = _plan(settings, mover, to, topics, partition)
        members = mover.members()
        if execute:
            _require_no_members(settings, members.members.values())
            if not note.because and any(move.skipped for move in moves):
                raise BadUsageError(
                    f"{sum(move.skipped for move in moves):,} records would be skipped: say why, with --because"
                )
            if needed := [move for move in moves if move.is_needed]:
                mover.move(found, needed, note)
    if as_json:
        out.out(json.dumps(render_seek.as_dict(settings.group, moves, note, executed=execute)))
    else:
        render_seek.show(out, settings.group, moves, note, executed=execute, members=len(members.members))


def _user() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return f"{name}@{socket.gethostname()}"


def _plan(
    settings: Settings, mover: GroupMover, to: str, names: Sequence[str] | None, number: int | None
) -> tuple[list[Topic], list[Move]]:
    # Not at the top: see `workers.cli`.
    from workers.cli.seek_target import Target
    from workers.kafka.group_move import Move
    from workers.kafka.routed_topics import routed_topics

    target = Target.of(to)
    routed = routed_topics(settings, mover).topics
    for name in names or ():
        if name not in routed:
            raise BadUsageError(f"no route has the topic {name}; there are {', '.join(sorted(routed)) or 'none'}")
    wanted = [name for name in (names or routed) if target.names(name)]
    topics, moves = [], []
    for name in wanted:
        topic = mover.topic(name)
        if topic is None:
            if names or target.by_topic is not None:
                raise BadUsageError(f"there is no topic {name} at {settings.bootstrap_servers}")
            continue
        offsets = mover.partition_offsets(topic, settings.group)
        if number is not None:
            offsets = {each: found for each, found in offsets.items() if each.partition == number}
            if not offsets:
                raise BadUsageError(f"{name} has no partition {number}: it has 0 to {len(topic.partitions) - 1}")
        destinations = target.destinations(mover, name, offsets)
        topics.append(topic)
        moves += [Move(each, offsets[each], destinations[each]) for each in sorted(destinations)]
    target.require_all_used({move.partition for move in moves}, is_limited=bool(names) or number is not None)
    if not moves:
        raise BadUsageError(
            f"there is nothing to move: none of the topics exists yet, or is in the file ({settings.route_table.names})"
        )
    if problems := [problem for move in moves if (problem := move.problem)]:
        raise BadUsageError("\n".join(problems))
    return topics, moves


def _require_no_members(settings: Settings, members: object) -> None:
    """Kafka refuses too; this says who they are, and how they are stopped."""
    names = sorted({member.client_id for member in members})  # type: ignore[attr-defined]
    if names:
        raise UnavailableError(
            f"the group {settings.group} has {len(names)} members: {', '.join(names[:8])}; stop the workers on all hosts "
            f"(`supervisorctl -c supervisord.conf stop worker:*`), and run it again. One that was killed is a member for "
            f"WORKERS_SESSION_TIMEOUT={settings.session_timeout:g} more seconds"
        )
