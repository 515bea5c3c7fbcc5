"""A record beside what became of it, on a terminal and as JSON."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from rich.text import Text

from workers.cli.fields import FAINT, field, header_texts, json_text, local_time, sentence, utc_time, value_text
from workers.cli.payload import escaped, escaped_json, indented
from workers.verification.report import FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from workers.sinks.base import SinkReader
    from workers.verification.record_outcomes import Peeked

GOOD, WARN, BAD = "green", "yellow", "bold red"
STYLES = {"stored": GOOD, "ignored": FAINT, "before_start": FAINT} | dict.fromkeys(FAILURES, BAD)
WORDS = {"dead_lettered": "dead letter", "unexpected": "unexpected"}
MEANINGS = {
    "before_start": "it came before the start of the group in this topic, and is left out on purpose",
    "skipped": "a person moved the group over it: `workers verify` says who, and why",
    "pending": "the group has not committed it yet",
    "missing": "the group has committed it, and there is neither a document nor a dead letter",
    "twice": "there is a document and a dead letter",
    "conflicting": "another document is stored under its id",
    "unexpected": "something is stored, and Kafka holds no record there",
    "ignored": "without a value (a tombstone), committed, and without a dead letter",
}


def peeked(console: Console, found: Peeked, sink: SinkReader, *, whole: bool = False) -> None:
    """One record.

    Args:
        sink: makes JSON of a document.
        whole: show values whole, as far as a terminal can take them.
    """
    console.print()
    for line in lines(found, sink, console.width, whole=whole):
        console.print(line)


def lines(found: Peeked, sink: SinkReader, width: int, *, whole: bool = False) -> Iterator[Text]:
    """The lines of one record; none is longer than `width`, but an id."""
    yield _heading(found, width)
    if meaning := found.detail or MEANINGS.get(found.outcome):
        yield from sentence("", meaning, width, STYLES.get(found.outcome, WARN))
    record = found.record
    if record is not None:
        if record.key is not None:
            yield from field("key", value_text(record.key, width, whole=whole), width)
        for name, each in header_texts(record.headers):
            yield from field(name, each, width)
        yield from field("record", value_text(record.value, width, whole=whole), width)
    if found.expected is not None:
        yield from field("differs", _difference(found, sink), width)
    elif found.document is not None:
        document = _document(found.document, sink, width, whole=whole)
        if found.outcome == "stored" and record is not None and not whole and "\n" in document.plain:
            yield from sentence("document", f"the same, with the _id {found.id}", width)
        else:
            yield from field("document", document, width)
    if found.replaced is not None:
        before = _document(found.replaced, sink, width, whole=whole)
        yield from field(
            "before", before.append("\n(of a record that was here before the log was truncated)", FAINT), width
        )
    if (letter := found.letter) is not None:
        state = "replayed" if letter.replayed_at else "purged" if letter.purged_at else letter.reason
        yield from field("dead letter", Text(f"{state}: {escaped(letter.error)}", style=WARN), width)
        if not letter.replayed_at:
            yield from sentence("", f"`workers dead-letters show {letter.id}`", width, FAINT)


def as_dict(found: Peeked, sink: SinkReader) -> dict[str, Any]:
    """For JSON. A value, a key or a header is a string if it is UTF-8, null if there is none, and else `{"$binary": ...}`."""
    from workers.verification.dead_letters import as_json, extended

    def of_bytes(value: bytes | None) -> Any:
        try:
            return None if value is None else value.decode("utf-8")
        except UnicodeDecodeError:
            return extended(value)

    def of_document(document: Any) -> Any:
        return None if document is None else json.loads(sink.as_json(document))

    record = found.record
    described: dict[str, Any] = {
        "topic": found.partition.topic,
        "partition": found.partition.partition,
        "offset": found.offset,
        "outcome": found.outcome,
        "detail": found.detail or None,
        "id": found.id,
        "record": None,
        "document": of_document(found.document),
        "expected": of_document(found.expected),
        "replaced": of_document(found.replaced),
        "dead_letter": None if found.letter is None else json.loads(as_json(found.letter)),
    }
    if record is not None:
        described["record"] = {
            "timestamp": utc_time(record.timestamp),
            "leader_epoch": record.leader_epoch,
            "key": of_bytes(record.key),
            "value": of_bytes(record.value),
            "headers": [{"key": name, "value": of_bytes(value)} for name, value in record.headers],
        }
    return described


def _heading(found: Peeked, width: int) -> Text:
    place = f"{found.partition.topic}/{found.partition.partition}/{found.offset}"
    word = WORDS.get(found.outcome, found.outcome)
    line = Text.assemble((place, "bold"), "  ", (word, STYLES.get(found.outcome, WARN)))
    if found.record is not None:
        time = local_time(found.record.timestamp) or "no timestamp"
        line.append(" " * max(2, min(width, 100) - line.cell_len - len(time))).append(time, FAINT)
    return line


def _document(document: Any, sink: SinkReader, width: int, *, whole: bool) -> Text:
    return json_text(escaped_json(sink.as_json(document)), width, whole=whole)


def _difference(found: Peeked, sink: SinkReader) -> Text:
    """The document that the record makes, and the one that is stored, line by line; the same lines once."""
    wanted, stored = (sink.as_json(each) for each in (found.expected, found.document))
    if wanted == stored:
        wanted, stored = (sink.as_json(each, exact=True) for each in (found.expected, found.document))
    marks = {"- ": BAD, "+ ": BAD}
    text = Text("- the record makes this    + this is stored", style=FAINT)
    before, after = (indented(escaped_json(each)).splitlines() for each in (wanted, stored))
    for line in difflib.ndiff(before, after):
        if not line.startswith("?"):
            text.append("\n").append(line, style=marks.get(line[:2], ""))
    return text
