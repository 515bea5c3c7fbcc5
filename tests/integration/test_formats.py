"""Formats and metadata, for real: a worker, Kafka, a database, and the proof; on FerretDB, and on a server that has every type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from tests.support.embedded import EmbeddedStack
from tests.support.java_mongo import JavaMongo
from tests.support.plain_workers import PlainWorkers
from tests.support.user import Services, Verdict

pytestmark = pytest.mark.integration

EVERY = {"WORKERS_METADATA": "place,timestamp,key,headers", "WORKERS_KEY_FORMAT": "json"}
SENT_AT = datetime(2026, 11, 27, 12, 0, 0, 120_000, tzinfo=UTC)
EVENT = b"""{"order": {"$oid": "65a1b2c3d4e5f60718293a4b"}, "at": {"$date": "2026-11-27T12:00:00.120Z"}, "number": {"$numberLong": "7"},
"bytes": {"$binary": {"base64": "/w==", "subType": "00"}}, "plain": [1, 2.5, "x", null, {"deep": {"$date": {"$numberLong": "1"}}}]}"""
STORED = {
    "order": ObjectId("65a1b2c3d4e5f60718293a4b"),
    "at": SENT_AT,
    "number": Int64(7),
    "bytes": b"\xff",
    "plain": [1, 2.5, "x", None, {"deep": datetime(1970, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC)}],
}
OTHERS: dict[str, tuple[str, object]] = {
    "decimal": ('{"$numberDecimal": "19.90"}', Decimal128("19.90")),
    "uuid": ('{"$uuid": "c8edabc3-f738-4ca3-b68d-ab92a91478a3"}', Binary(bytes.fromhex("c8edabc3f7384ca3b68dab92a91478a3"), 4)),
    "timestamp": ('{"$timestamp": {"t": 5, "i": 6}}', Timestamp(5, 6)),
    "expression": ('{"$regularExpression": {"pattern": "^a", "options": "im"}}', Regex("^a", "im")),
    "code": ('{"$code": "f()"}', Code("f()")),
    "least": ('{"$minKey": 1}', MinKey()),
    "most": ('{"$maxKey": 1}', MaxKey()),
}  # fmt: skip
"""What FerretDB does not have, or not all of it."""


@pytest.fixture(params=["FerretDB", "another server"])
def workers(stack: EmbeddedStack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PlainWorkers]:
    if request.param == "FerretDB":
        with PlainWorkers(stack, tmp_path) as workers:
            yield workers
    else:
        with JavaMongo() as server, PlainWorkers(Services(stack.bootstrap_servers, server.uri), tmp_path) as workers:
            yield workers


def proven(workers: PlainWorkers, stored: int, dead_lettered: int = 0, **settings: str) -> None:
    ran = workers.command("verify", "--json", env=settings)
    verdict = Verdict(ran.returncode, json.loads(ran.stdout))
    counts = (verdict.code, verdict.total("stored"), verdict.total("dead_lettered"))
    assert counts == (0, stored, dead_lettered), ran.stdout


def test_extended_json_and_metadata_are_stored_redelivered_and_proven(
    workers: PlainWorkers, request: pytest.FixtureRequest
) -> None:
    settings = {"WORKERS_VALUE_FORMAT": "extended_json", **EVERY}
    workers.create(1)
    has_every_type = "another" in request.node.name
    value = json.loads(EVENT)
    if has_every_type:
        value |= {name: json.loads(text) for name, (text, _) in OTHERS.items()}
    sent = {"timestamp_ms": 1_795_780_800_120}
    workers.send(0, json.dumps(value).encode(), key=b'{"id": 7}', headers=[("t", b"\x01"), ("t", b"")], **sent)
    workers.send(0, b'{"plain": 1}', b'{"plain": 2}', key=b"no json", **sent)
    workers.send(0, b'{"at": {"$date": "yesterday"}}', b'{"_kafka": 1}', **sent)
    workers.start(**settings)
    workers.wait_committed()

    first, *plain = workers.contents()[0]
    place = {"topic": workers.topic, "partition": 0, "offset": 0}
    expected = STORED | ({name: stored for name, (_, stored) in OTHERS.items()} if has_every_type else {})
    metadata = {
        "place": place,
        "timestamp": SENT_AT,
        "key": {"id": 7},
        "headers": [{"k": "t", "v": b"\x01"}, {"k": "t", "v": b""}],
    }
    assert first == {"_id": first["_id"], **expected, "_kafka": metadata}
    assert list(first) == ["_id", *expected, "_kafka"]
    assert type(first["number"]) is Int64
    assert [(each["plain"], each["_kafka"]["key"]) for each in plain] == [(1, b"no json"), (2, b"no json")]
    letters = workers.contents()[1]
    assert [each["reason"] for each in letters] == ["not_extended_json", "reserved_field"]
    proven(workers, 3, 2, **settings)

    # The same again, and a dead letter with other settings than those under which it became one.
    assert workers.stop() == 0
    before = workers.contents()
    workers.forget_commits()
    workers.start(**settings)
    workers.wait_committed()
    assert workers.total("workers_records_total", outcome="duplicate") == 5
    assert workers.contents() == before
    other = settings | {"WORKERS_METADATA_FIELD": "about"}
    replayed = workers.command("dead-letters", "replay", letters[1]["_id"], env=other)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    (found,) = workers.numtest.find({"_id": letters[1]["_id"]})
    assert (found["_kafka"], found["about"]["place"]["offset"], found["about"]["timestamp"]) == (1, 4, SENT_AT)


@pytest.mark.parametrize("workers", ["FerretDB"], indirect=True)
def test_metadata_is_switched_on_for_a_collection_that_is_in_use(workers: PlainWorkers) -> None:
    """A worker dies before its commit, and its successor has metadata: what it finds of the other is no conflict."""
    workers.create(1)
    workers.numbers(0, 0, 3)
    workers.start()
    workers.wait_committed()
    assert workers.stop() == 0
    workers.forget_commits()
    workers.numbers(0, 3, 2)
    workers.start(**EVERY)
    workers.wait_committed()

    documents, letters = workers.contents()
    assert (letters, ["_kafka" in each for each in documents]) == ([], [False] * 3 + [True] * 2)
    proven(workers, 5, **EVERY)
    peeked = workers.command("peek", "0/0", env=EVERY)
    assert (peeked.returncode, "stored" in peeked.stdout) == (0, True), peeked.stdout + peeked.stderr
    # Another value is a conflict as ever.
    workers.numtest.update_one({"_id": documents[0]["_id"]}, {"$set": {"number": 99}})
    assert workers.command("verify", env=EVERY).returncode == 1


@pytest.mark.parametrize("workers", ["FerretDB"], indirect=True)
@pytest.mark.parametrize(
    ("format_", "values", "stored", "reasons"),
    [
        ("text", [b"a line", b"", "\u00fcber".encode(), b"\xff"], ["a line", "", "\u00fcber"], ["not_utf8"]),
        ("bytes", [b"\xff\x00", b"", b"x" * 100_000], [b"\xff\x00", b"", b"x" * 100_000], []),
    ],
)
@pytest.mark.slow
def test_text_and_bytes_are_stored_and_proven(
    workers: PlainWorkers, format_: str, values: list[bytes], stored: list[object], reasons: list[str]
) -> None:
    settings = {"WORKERS_VALUE_FORMAT": format_, "WORKERS_VALUE_FIELD": "line", "WORKERS_METADATA": "place,timestamp"}
    workers.create(1)
    workers.send(0, *values)
    workers.start(**settings)
    workers.wait_committed()

    documents, letters = workers.contents()
    assert [each["line"] for each in documents] == stored
    assert [each["_kafka"]["place"]["offset"] for each in documents] == [*range(len(stored))]
    assert [each["reason"] for each in letters] == reasons
    proven(workers, len(stored), len(reasons), **settings)
