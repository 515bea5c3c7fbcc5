"""The report of `workers seek`, on a terminal and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from workers.cli.payload import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from workers.kafka.group_move import Move, Note


def show(console: Console, group: str, moves: Sequence[Move], note: Note, *, executed: bool, members: int) -> None:
    """A row for each partition, then what was done, or how to do it."""
    from rich.table import Table

    topics = {move.partition.topic for move in moves}
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for head in ("partition", "log", "from", "to", "read again", "skipped"):
        table.add_column(head, justify="right", no_wrap=True)
    for move in moves:
        table.add_row(
            str(move.partition if len(topics) > 1 else move.partition.partition),
            f"{move.offsets.start:,} to {move.offsets.end:,}",
            f"{move.origin:,}" if move.offsets.committed is not None else "no commit",
            f"{move.to:,}",
            f"{move.read_again:,}" if move.read_again else "",
            f"[yellow]{move.skipped:,}[/]" if move.skipped else "",
        )
    console.print(table)
    again, skipped = (sum(each) for each in zip(*((m.read_again, m.skipped) for m in moves), strict=True))
    changed = sum(move.is_needed for move in moves)
    what = [f"at most {again:,} records are read again; those that are stored are found stored"] if again else []
    what += [f"at most {skipped:,} records are skipped: `workers verify` counts them as skipped"] if skipped else []
    for line in what:
        console.print(line, markup=False)
    if not changed:
        console.print(f"the group {group} is there already: nothing to change", markup=False)
    elif executed:
        why = f", because: {escape(escaped(note.because))}" if note.because else ""
        console.print(
            f"[green]moved the group[/] {escape(escaped(group))} in {changed} {'partition' if changed == 1 else 'partitions'}{why}",
            highlight=False,
        )
    else:
        because = ' and --because "why"' if skipped and not note.because else ""
        console.print(f"nothing was changed; the same with --execute{because} does it", markup=False)
        if members:
            console.print(f"the group {group} has {members} members: stop the workers before that", markup=False)


def as_dict(group: str, moves: Sequence[Move], note: Note, *, executed: bool) -> dict[str, Any]:
    """For JSON."""
    undo: dict[str, dict[str, int]] = {}
    for move in moves:
        if move.is_needed and move.offsets.committed is not None:
            undo.setdefault(move.partition.topic, {})[str(move.partition.partition)] = move.offsets.committed
    return {
        "group": group,
        "executed": executed,
        "at": datetime.fromtimestamp(note.at, UTC).isoformat().replace("+00:00", "Z"),
        "by": note.by,
        "because": note.because or None,
        "read_again": sum(move.read_again for move in moves),
        "skipped": sum(move.skipped for move in moves),
        "partitions": [move.as_dict() for move in moves],
        "undo": undo,
    }
