"""A record beside what became of it: everything is there, nothing is wider than the terminal, and nothing can harm it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from bson import Int64
from rich.console import Console

from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from tests.unit.cli.test_payload import HOSTILE, is_harmless
from workers.cli import render_peek
from workers.settings import load
from workers.sinks.base import DeadLetter
from workers.sinks.mongodb.encoding import encode
from workers.sinks.mongodb.reader import MongoReader
from workers.verification.record_outcomes import NO_RECORD, NOT_WRITTEN, Peeked
from workers.verification.report import FAILURES, OUTCOMES

ID = TOPIC.document_id(3, 42)
RECORD = FakeRecord(3, 42, b'{"number": 42}', timestamp=1_700_000_000_123)
LONG = {"name": "x" * 200, "items": [{"n": n, "text": "\u4f60\u597d" * 30} for n in range(9)]}


@pytest.fixture(scope="module")
def sink():
    reader = MongoReader(load())
    yield reader
    reader.close()


def document(**fields):
    return encode(ID, fields)


def letter(**facts) -> DeadLetter:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    known = {
        "id": ID,
        "reason": "not_json",
        "error": "Expecting value",
        "topic": "numtest",
        "partition": 3,
        "offset": 42,
    }
    given = {"timestamp": now, "key": None, "value": b"no", "value_bytes": 2, "value_sha256": "ab", "headers": []}
    return DeadLetter(**(known | given | {"worker": "worker_00", "rejected_at": now} | facts))


def found(outcome: str, **facts) -> Peeked:
    return Peeked(tp(3), 42, **({"id": ID, "outcome": outcome, "record": RECORD} | facts))


CASES = {
    "stored": found("stored", document=document(number=42)),
    "long": found("stored", record=RECORD._replace(value=json.dumps(LONG).encode()), document=document(**LONG)),
    "dead letter": found("dead_lettered", record=RECORD._replace(value=b"no"), letter=letter()),
    "replayed": found("stored", document=document(number=42), letter=letter(replayed_at=datetime.now(UTC))),
    "pending": found("pending"),
    "missing": found("missing"),
    "conflicting": found("conflicting", document=document(number=43), expected=document(number=42)),
    "twice": found("twice", document=document(number=42), letter=letter()),
    "tombstone": found("ignored", record=RECORD._replace(value=None, key=b"customer-7")),
    "second id": found("stored", id=f"{ID}@7", document=document(number=42), replaced=document(number=1)),
    "no record": found(NO_RECORD, record=None, detail="a transaction marker, or a record that compaction has removed"),
    "not written": found(NOT_WRITTEN, record=None, detail="the log ends at 42: nothing is there yet"),
    "binary": found("dead_lettered", record=RECORD._replace(value=b"\xff\xfe\x00" * 100, key=b"\x00"), letter=letter()),
    "headers": found("stored", record=RECORD._replace(headers=[(f"h{n}", b"v" * 90) for n in range(30)])),
    "hostile": found(
        "dead_lettered",
        record=RECORD._replace(
            value=HOSTILE.encode(), key=HOSTILE.encode(), headers=[(HOSTILE, HOSTILE.encode()), ("none", None)]
        ),
        document=document(field=HOSTILE),
        letter=letter(error=HOSTILE),
    ),
    "no time": found("stored", record=RECORD._replace(timestamp=-1)),
    "a time that no calendar has": found("stored", record=RECORD._replace(timestamp=2**62)),
}  # fmt: skip


def drawn(peeked: Peeked, sink, width: int = 80, **options) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False, soft_wrap=True)
    render_peek.peeked(console, peeked, sink, **options)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("whole", [False, True], ids=["short", "whole"])
@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("peeked", CASES.values(), ids=CASES)
def test_every_case_fits_and_is_harmless(sink, peeked, width, whole):
    lines = drawn(peeked, sink, width, whole=whole)

    assert [line for line in lines if Console().render_str(line, markup=False).cell_len > width] == []
    assert all(is_harmless(line) and line == line.rstrip() for line in lines)
    assert lines[1].startswith("numtest/3/42  ")


@pytest.mark.parametrize("outcome", [*OUTCOMES, *FAILURES])
def test_each_outcome_is_said(sink, outcome):
    assert outcome.replace("dead_lettered", "dead letter") in drawn(found(outcome), sink)[1]


def test_a_stored_record_stands_beside_its_document(sink):
    lines = drawn(CASES["stored"], sink)

    then = datetime.fromtimestamp(1_700_000_000, UTC).astimezone()
    assert lines[1].split() == ["numtest/3/42", "stored", *f"{then:%Y-%m-%d %H:%M:%S}.123".split()]
    assert lines[2:] == [
        '  record       {"number": 42}',
        '  document     {"_id": "' + ID + '", "number": 42}',
    ]


def test_where_two_documents_differ_is_marked(sink):
    lines = drawn(CASES["conflicting"], sink)

    assert [line.strip() for line in lines if '"number"' in line][1:] == ['-   "number": 42', '+   "number": 43']
    exact = found("conflicting", document=document(number=Int64(42)), expected=document(number=42))
    assert '"$numberInt"' in "".join(drawn(exact, sink)), "what JSON does not tell is shown where it is the difference"


def test_a_long_value_is_laid_out_and_shortened_unless_it_stands_alone(sink):
    short, whole = drawn(CASES["long"], sink), drawn(CASES["long"], sink, whole=True)

    assert len(short) < 20 < len(whole)
    assert f"  document     the same, with the _id {ID}" in short
    assert any("more lines" in line for line in short)
    assert sum('"n": 8' in line for line in whole) == 2


def test_the_way_to_a_dead_letter_is_named(sink):
    lines = drawn(CASES["dead letter"], sink)

    assert f"               `workers dead-letters show {ID}`" in lines
    assert "  dead letter  not_json: Expecting value" in lines


@pytest.mark.parametrize("peeked", CASES.values(), ids=CASES)
def test_json_has_all_of_it_and_is_one_harmless_line(sink, peeked):
    described = render_peek.as_dict(peeked, sink)

    assert (described["topic"], described["partition"], described["offset"], described["outcome"]) == (
        "numtest",
        3,
        42,
        peeked.outcome,
    )
    assert json.loads(json.dumps(described)) == described
    assert (described["record"] is None) == (peeked.record is None)


def test_json_tells_text_from_bytes(sink):
    as_text = render_peek.as_dict(CASES["stored"], sink)
    assert as_text["record"]["value"] == '{"number": 42}'
    assert as_text["record"]["timestamp"] == "2023-11-14T22:13:20.123Z"
    assert as_text["document"] == {"_id": ID, "number": 42}
    as_bytes = render_peek.as_dict(CASES["binary"], sink)
    assert as_bytes["record"]["key"] == "\x00"
    assert as_bytes["record"]["value"]["$binary"]["subType"] == "00"
    assert render_peek.as_dict(CASES["tombstone"], sink)["record"]["value"] is None
