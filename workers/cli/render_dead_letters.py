"""Dead letters on a terminal: a line for each, or one of them whole."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from workers.cli.fields import FAINT, field, header_texts, local_time, sentence, value_text
from workers.cli.payload import escaped, preview
from workers.decoding import WOULD_STORE
from workers.sinks.base import EPOCH
from workers.types import RejectReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from rich.console import Console

    from workers.sinks.base import DeadLetter

WIDE = 120
"""From so many columns on, and in a pipe, attempts and errors are shown as well."""
LEAST_PREVIEW, MOST_PREVIEW, MOST_KEY = 16, 40, 16
"""Columns of the value, and of the key."""
REMEDIES: dict[str, str] = {
    RejectReason.TOO_LARGE: "a larger WORKERS_MAX_VALUE_BYTES takes it",
    RejectReason.TOO_DEEP: "a larger WORKERS_MAX_DEPTH takes it",
    RejectReason.TOO_MANY_FIELDS: "a larger WORKERS_MAX_FIELDS takes it",
    RejectReason.TOMBSTONE: "WORKERS_ON_TOMBSTONE=ignore leaves out later ones",
    RejectReason.REFUSED_BY_SERVER: "once the database takes it",
    RejectReason.CONFLICT: "once the document that has its _id is gone: `workers peek` shows both",
    RejectReason.DUPLICATE_KEY: "once the other document, or the unique index, is gone",
    RejectReason.KILLED_WORKER: "with a version that can decode it: until then a replay may crash, too",
}
"""What has to change before a replay can succeed. For the other reasons it is the record that is wrong: its sender has to
send another one."""


class _Row(NamedTuple):
    id: str
    rejected: str
    reason: str
    attempts: str
    key: str
    value: str
    error: str


def listed(
    console: Console,
    letters: Iterable[DeadLetter],
    total: int,
    unrouted: Callable[[str], str | None] = lambda _topic: None,
) -> None:
    """A line for each dead letter, oldest first, with the beginning of its value.

    Args: unrouted: see `DeadLetters.unrouted`.
    """
    letters = list(letters)
    rows = [_row(letter) for letter in letters]
    for line in lines(rows, console.width):
        console.print(line)
    if len(rows) < total:
        console.print(f"{len(rows):,} of {total:,}; --limit shows more")
    for topic, count in sorted(Counter(letter.topic for letter in letters).items()):
        if why := unrouted(topic):
            one = "1 of these is" if count == 1 else f"{count:,} of these are"
            console.print(f"{one} of {escaped(topic)}, and cannot be replayed: {escaped(why)}", markup=False)


def lines(rows: list[_Row], width: int) -> Iterator[Text]:
    """Aligned, with no spaces at the end of a line; none is longer than `width`, but where an id is."""
    wide = width >= WIDE
    names = ["id", "rejected", "reason"] + (["attempts"] if wide else [])
    names += ["key"] if any(row.key for row in rows) else []
    names += ["value", "error"] if wide else ["value"]
    widths = {name: max(len(name), *(len(getattr(row, name)) for row in rows)) for name in names}
    if not wide and "key" in names and _room(names, widths, width) < LEAST_PREVIEW:
        names.remove("key")
    if not wide and _room(names, widths, width) < LEAST_PREVIEW:
        yield from _two_lines(rows, width)
        return
    yield Text("  ".join(name.ljust(widths[name]) for name in names).rstrip(), style="bold")
    for row in rows:
        text = "  ".join(getattr(row, name).ljust(widths[name]) for name in names).rstrip()
        yield _cut(text, max(width, widths["id"]))


def _room(names: list[str], widths: dict[str, int], width: int) -> int:
    """Columns that are left for the last one."""
    return width - sum(widths[name] + 2 for name in names[:-1])


def _two_lines(rows: list[_Row], width: int) -> Iterator[Text]:
    """For a narrow terminal, or long ids."""
    for row in rows:
        yield Text(row.id, style="bold")
        yield _cut(f"  {row.rejected}  {row.reason}  {row.value}", width)


def _cut(text: str, width: int) -> Text:
    line = Text(text)
    line.truncate(width, overflow="ellipsis")
    return line


def _row(letter: DeadLetter) -> _Row:
    state = ", replayed" if letter.replayed_at else ", purged" if letter.purged_at else ""
    value = "(purged)" if letter.purged_at else preview(letter.value, MOST_PREVIEW)
    if not letter.purged_at and not letter.value:
        value = "(no value)" if letter.value is None else "(empty)"
    return _Row(
        escaped(letter.id),
        f"{letter.rejected_at.astimezone():%m-%d %H:%M:%S}",
        f"{letter.reason}{state}",
        str(letter.attempts),
        preview(letter.key, MOST_KEY) if letter.key is not None else "",
        value,
        escaped(letter.error),
    )


def shown(console: Console, letter: DeadLetter, unrouted: str | None = None) -> None:
    """One of them: the record, why it was not stored, and what can be done.

    Args: unrouted: see `DeadLetters.unrouted`.
    """
    for line in whole(letter, console.width, unrouted):
        console.print(line)


def whole(letter: DeadLetter, width: int, unrouted: str | None = None) -> Iterator[Text]:
    """Its lines."""
    yield Text(escaped(letter.id), style="bold")
    yield from field("reason", Text(letter.reason, style="yellow"), width)
    yield from field("error", Text(escaped(letter.error)), width)
    yield from field("rejected", Text(f"{_time(letter.rejected_at)} by {escaped(letter.worker)}"), width)
    if letter.attempts > 1:
        yield from field("attempts", Text(str(letter.attempts)), width)
    place = f"{letter.topic}/{letter.partition}/{letter.offset}"
    yield from field("place", Text.assemble(place, (f"  `workers peek {place}`", FAINT)), width)
    if letter.collection:
        yield from field("collection", Text(escaped(letter.collection)), width)
    sent = letter.timestamp and local_time(round((letter.timestamp - EPOCH).total_seconds() * 1000))
    yield from field("sent", Text(sent or "without a timestamp"), width)
    if letter.purged_at:
        yield from field("value", Text(f"purged {_time(letter.purged_at)}; this note accounts for the record"), width)
    else:
        if letter.key is not None:
            yield from field("key", value_text(letter.key, width, whole=True), width)
        for name, each in header_texts(letter.headers):
            yield from field(name, each, width)
        yield from field("value", value_text(letter.value, width, whole=True), width)
        yield from field("size", Text(_size(letter)), width)
    remedy = _remedy(letter) if unrouted is None or letter.replayed_at else f"not possible: {escaped(unrouted)}"
    yield from sentence("replay", remedy, width)


def _remedy(letter: DeadLetter) -> str:
    if letter.replayed_at:
        return f"replayed {_time(letter.replayed_at)}: its record is stored"
    if letter.purged_at:
        return "not possible: its payload was purged"
    command = f"`workers dead-letters replay {letter.id}"
    if letter.value_bytes is not None and len(letter.value or b"") < letter.value_bytes:
        return "not possible: only the beginning of its value was kept; send it again in another form"
    setting = letter.error.rpartition("; ")[2]
    if WOULD_STORE in setting:
        return f"{command}`, once its setting is another: {escaped(setting)}"
    remedy = REMEDIES.get(letter.reason)
    if remedy:
        return f"{command}`, {remedy}" if remedy.startswith(("once", "with")) else f"{command}`: {remedy}"
    return f"fails again: the record itself is wrong, and its sender has to send another; {command} --dry-run` tries it"


def _size(letter: DeadLetter) -> str:
    if letter.value_bytes is None:
        return "no value"
    kept = len(letter.value or b"")
    cut = f", of which the first {kept:,} were kept" if kept < letter.value_bytes else ""
    return f"{letter.value_bytes:,} bytes{cut}; SHA-256 {letter.value_sha256}"


def _time(then: datetime) -> str:
    return f"{then.astimezone():%Y-%m-%d %H:%M:%S}"
