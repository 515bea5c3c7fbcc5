"""Names and values below each other, on a terminal: what `peek` and `dead-letters show` have in common."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from workers.cli.payload import escaped, indented, payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LABEL = 13
"""Columns of the names at the left."""
MOST_LINES = 12
"""Of one value, where several records are shown."""
MOST_BYTES, MOST_WHOLE_BYTES = 2**16, 2**20
"""Of one value that are looked at, where several records are shown; of one record alone."""
MOST_HEADERS, MOST_HEADER_BYTES = 20, 2_000
FAINT = "dim"


def field(name: str, value: Text, width: int) -> Iterator[Text]:
    """A name at the left, and the value beside it; what does not fit goes on below, at the same column."""
    room = max(20, width - LABEL - 2)
    for index, line in enumerate(folded(value, room)):
        label = name if index == 0 else ""
        whole = Text.assemble("  ", (label.ljust(LABEL), FAINT)).append_text(line)
        whole.rstrip()
        yield whole


def sentence(name: str, text: str, width: int, style: str = "") -> Iterator[Text]:
    """The same for words of ours, which are broken between two of them. A long word stays whole: an id is to be copied."""
    room = max(20, width - LABEL - 2)
    lines = textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=False) or [""]
    for index, line in enumerate(lines):
        yield Text.assemble("  ", ("" if index else name).ljust(LABEL), style=FAINT) + Text(line, style=style)


def folded(value: Text, room: int) -> Iterator[Text]:
    """Its lines, none wider than so many columns. Breaks anywhere: what is shown is data, and no prose."""
    for line in value.split("\n", allow_blank=True):
        plain, begin = line.plain, 0
        while True:
            end = begin + room
            # A character may be two columns wide.
            while (wide := cell_len(plain[begin:end]) - room) > 0:
                end -= max(1, wide // 2)
            yield line[begin:end] if line.spans else Text(plain[begin:end], style=line.style)
            begin = end
            if begin >= len(plain):
                break


def value_text(value: bytes | None, width: int, *, whole: bool) -> Text:
    """A payload, safe to print: JSON one member a line where it is long, and what it is, if it is no text."""
    found = payload(value, MOST_WHOLE_BYTES if whole else MOST_BYTES)
    size = f"{len(value or b''):,} bytes"
    if found.kind in ("none", "empty"):
        return Text("no value" if value is None else size.replace(",", ""), style=FAINT)
    if found.kind == "json":
        text = json_text(found.text, width, whole=whole)
    else:
        text = Text(found.text) if whole else _shortened(Text(found.text), width)
    if found.cut:
        text.append(f" ... ({size}; --json has them all)", FAINT)
    elif found.kind == "binary":
        text.append(f"  (binary, {size})", FAINT)
    return text


def json_text(text: str, width: int, *, whole: bool) -> Text:
    """JSON on one line, if that fits, else one member a line."""
    if len(text) <= width - LABEL - 2:
        return Text(text)
    many = Text(indented(text))
    return many if whole else _shortened(many, width)


def _shortened(text: Text, width: int) -> Text:
    found = list(folded(text, width - LABEL - 2))
    if len(found) <= MOST_LINES:
        return text
    kept = Text("\n").join(found[:MOST_LINES])
    more = len(found) - MOST_LINES
    return kept.append(f"\n... {more:,} more {'line' if more == 1 else 'lines'}", FAINT)


def header_texts(headers: Sequence[tuple[str, bytes | None]]) -> Iterator[tuple[str, Text]]:
    """A line for each header, the first with its name for `field`."""
    for index, (name, value) in enumerate(headers[:MOST_HEADERS]):
        found = payload(value, MOST_HEADER_BYTES)
        text = Text.assemble((f"{escaped(name)}: ", FAINT), found.text, (" ..." if found.cut else "", FAINT))
        yield "" if index else "headers", text
    if (more := len(headers) - MOST_HEADERS) > 0:
        yield "", Text(f"... {more:,} more headers", style=FAINT)


def local_time(milliseconds: int) -> str | None:
    """A time of Kafka as the person who looks has it; None: the producer set none."""
    then = _time(milliseconds)
    if then is None:
        return None if milliseconds < 0 else f"{milliseconds} ms"
    return f"{then.astimezone():%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03d}"


def utc_time(milliseconds: int) -> str | None:
    """The same for JSON; None also where no calendar has it."""
    then = _time(milliseconds)
    return None if then is None else then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(milliseconds: int) -> datetime | None:
    try:
        return None if milliseconds < 0 else datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
