"""What the sink makes of every answer that a database can give, through the real driver."""

from __future__ import annotations

import math

import bson
import pytest
from bson.decimal128 import Decimal128
from bson.raw_bson import RawBSONDocument

from tests.support.batches import batch_of, document, tp
from tests.support.fake_broker import FakeRecord
from tests.support.wire_mongo import CloseConnection, StaySilent, WireMongo, write_error
from workers.errors import SinkUnavailableError
from workers.settings import load
from workers.sinks.mongodb.encoding import documents_equal
from workers.sinks.mongodb.errors import RECORD_CODES, UNAVAILABLE_CODES
from workers.sinks.mongodb.sink import MongoSink
from workers.sinks.refusals import UndecidedError
from workers.types import Reject, RejectReason

AWAY = {6, 7, 13, 18, 24, 50, 64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 14031}
"""Unreachable, not authorised, timed out, not acknowledged, not primary, shutting down, full: no fault of a record."""
REFUSED = {2, 15, 121, 10334}
"""A bad value, too deep, refused by a validator, too large: the fault of this record."""
DOCUMENTS, DEAD_LETTERS = "numtest", "numtest_dead_letters"


def stored(server):
    return sorted(server.collections[DOCUMENTS])


def buried(server):
    return {key: letter["reason"] for key, letter in server.collections[DEAD_LETTERS].items()}


def test_a_batch_is_one_insert_that_a_majority_must_acknowledge(server, sink):
    written = sink.write(batch_of(document(0), document(1)))

    assert written.stored == {tp(0): 2}
    ((_, count, command),) = server.inserts
    assert count == 2
    assert command["ordered"] is False
    assert command["writeConcern"]["w"] == "majority"
    assert command["writeConcern"]["j"] is True


@pytest.mark.parametrize("code", sorted(AWAY | set(UNAVAILABLE_CODES)))
def test_a_code_that_says_the_database_is_unavailable_is_no_verdict_on_a_record(server, sink, clock, code):
    """As the answer to the command, and as the answer for one document of it, and however long it lasts."""
    batch = batch_of(document(0), document(1))
    # The driver asks again by itself after some of them: to authenticate anew, for example.
    server.script[DOCUMENTS].extend([{"ok": 0, "code": code, "errmsg": "no"}] * 4)
    for answer in ("whole", "part"):
        for _ in range(2):
            with pytest.raises(SinkUnavailableError) as error:
                sink.write(batch)
            # Some of these make the driver speak first: "not primary", or a node that is shutting down.
            assert error.value.reason in {UNAVAILABLE_CODES[code], "not_primary"}, answer
            clock.now += 3600
        server.script[DOCUMENTS].clear()
        server.script[DOCUMENTS].extend([{"ok": 1, "n": 1, "writeErrors": [write_error(1, code)]}] * 2)
    assert buried(server) == {}

    server.script[DOCUMENTS].clear()
    assert sum(sink.write(batch).stored.values()) == 2


@pytest.mark.parametrize("code", sorted(REFUSED | RECORD_CODES))
def test_a_code_that_refuses_a_document_makes_it_a_dead_letter_and_stores_its_neighbours(server, sink, code):
    server.script[DOCUMENTS].append({"ok": 1, "n": 2, "writeErrors": [write_error(1, code, "it\nis\x00 bad")]})

    written = sink.write(batch_of(document(0), document(1), document(2)))

    assert written.stored == {tp(0): 2}
    assert written.dead_letters == {(tp(0), RejectReason.REFUSED_BY_SERVER): 1}
    assert written.duplicates == {}
    assert buried(server) == {document(1).id: "refused_by_server"}


def test_a_code_for_the_whole_command_proves_nothing_about_a_record(server, sink):
    """Refused as a command, the documents are tried in halves and alone, and are stored."""
    server.script[DOCUMENTS].append({"ok": 0, "code": 2, "errmsg": "BadValue"})

    written = sink.write(batch_of(document(0), document(1), document(2)))

    assert written.stored == {tp(0): 3}
    assert buried(server) == {}


def test_a_server_that_hangs_up_and_answers_no_ping_is_away(server, sink):
    server.chokes_on = lambda _found: True
    server.answers_ping = False

    with pytest.raises(SinkUnavailableError):
        sink.write(batch_of(document(0), document(1)))

    assert buried(server) == {}


@pytest.mark.parametrize(
    "said",
    [
        "[msg_insert.go:168] disk I/O error (778)",
        "[msg_insert.go:168] database or disk is full (13)",
        "[msg_insert.go:168] attempt to write a readonly database (8)",
        "[msg_insert.go:168] database is locked (5) (SQLITE_BUSY)",
    ],
)
def test_an_internal_error_about_the_disk_is_no_verdict_on_a_record(server, sink, said):
    """Although a dead letter could be written: there is room for it, and not for its document."""
    server.script[DOCUMENTS].extend([{"ok": 0, "code": 1, "codeName": "InternalError", "errmsg": said}] * 8)

    with pytest.raises(SinkUnavailableError) as error:
        sink.write(batch_of(document(0), document(1)))

    assert error.value.reason == "disk_error"
    assert (buried(server), len(server.inserts)) == ({}, 1)


def test_any_other_internal_error_is_nobodys_fault_at_first(server, sink):
    server.script[DOCUMENTS].append({"ok": 0, "code": 1, "codeName": "InternalError", "errmsg": "disk I/O error"})

    with pytest.raises(UndecidedError):
        sink.write(batch_of(document(0), document(1)))

    assert sink.write(batch_of(document(0), document(1))).stored == {tp(0): 2}


def test_an_internal_error_about_the_disk_for_one_document_is_no_verdict_either(server, sink):
    failure = write_error(1, 1, "[msg_insert.go:168] database or disk is full (13)")
    server.script[DOCUMENTS].append({"ok": 1, "n": 1, "writeErrors": [failure]})

    with pytest.raises(SinkUnavailableError) as error:
        sink.write(batch_of(document(0), document(1)))

    assert error.value.reason == "disk_error"


def test_no_dead_letter_while_dead_letters_cannot_be_written_either(server, sink, clock):
    """A server that hangs up on all that it was not given before, pings excepted: no record is blamed."""
    sink.write(batch_of(document(0)))
    server.chokes_on = lambda found: found["_id"] != document(0).id

    for _ in range(5):
        with pytest.raises(SinkUnavailableError):
            sink.write(batch_of(document(0), document(1)))
        clock.now += 20

    assert buried(server) == {}


def test_a_server_that_never_answers_is_away_when_the_time_is_over(server):
    server.script[DOCUMENTS].append(StaySilent)
    sink = MongoSink(load(mongodb_uri=server.uri, write_timeout=0.2))

    with pytest.raises(SinkUnavailableError) as error:
        sink.write(batch_of(document(0)))
    sink.close()

    assert error.value.reason == "timeout"


def test_nobody_there_is_away():
    with WireMongo() as gone:
        uri = gone.uri
    sink = MongoSink(load(mongodb_uri=f"{uri}/?serverSelectionTimeoutMS=100", write_timeout=0.3))

    with pytest.raises(SinkUnavailableError):
        sink.write(batch_of(document(0)))
    sink.close()


def test_a_write_that_a_majority_did_not_take_is_not_written(server, sink):
    server.script[DOCUMENTS].append(
        {"ok": 1, "n": 1, "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
    )

    with pytest.raises(SinkUnavailableError) as error:
        sink.write(batch_of(document(0)))

    assert error.value.reason == "not_acknowledged"


def test_duplicates_beside_a_write_concern_error_are_not_written_either(server, sink):
    sink.write(batch_of(document(0)))
    server.script[DOCUMENTS].append(
        {
            "ok": 1,
            "n": 0,
            "writeErrors": [write_error(0, 11000)],
            "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"},
        }
    )

    with pytest.raises(SinkUnavailableError):
        sink.write(batch_of(document(0)))


def test_an_answer_that_was_lost_is_found_stored_by_the_next_attempt(server, sink):
    """The server took the batch and died before it answered: redelivered, the sink finds its own documents."""

    def take_and_hang_up(documents):
        server.collections[DOCUMENTS].update({found["_id"]: found for found in documents})
        return CloseConnection

    server.script[DOCUMENTS].append(take_and_hang_up)
    with pytest.raises(SinkUnavailableError) as error:
        sink.write(batch_of(document(0), document(1)))
    assert error.value.reason == "connection_lost"

    assert sink.write(batch_of(document(0), document(1))).duplicates == {tp(0): 2}
    assert buried(server) == {}


def test_a_dead_letter_that_is_refused_holds_up_the_batch(server, sink):
    server.script[DEAD_LETTERS].append({"ok": 1, "n": 0, "writeErrors": [write_error(0, 14031)]})
    poison = Reject("numtest-08b40071/0/9", RejectReason.NOT_JSON, "no", FakeRecord(0, 9, b"x"))

    with pytest.raises(SinkUnavailableError):
        sink.write(batch_of(rejects=[poison]))


def test_a_bulk_of_duplicates_says_nothing_long_anywhere(sink, capfd, caplog):
    """The driver's own text for this error holds every document."""
    batch = batch_of(*[document(offset, text="x" * 1000) for offset in range(1000)])
    sink.write(batch)

    written = sink.write(batch)

    assert written.duplicates == {tp(0): 1000}
    out, err = capfd.readouterr()
    assert len(out) + len(err) + len(caplog.text) < 1000


def test_an_error_for_people_is_one_short_line(server, sink):
    server.script[DOCUMENTS].append({"ok": 1, "n": 0, "writeErrors": [write_error(0, 121, "a\nb\tc" * 1000)]})

    sink.write(batch_of(document(0)))

    (letter,) = server.collections[DEAD_LETTERS].values()
    assert len(letter["error"]) < 250
    assert letter["error"].isprintable()


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"n": 1}, {"n": 1}, True),
        ({"n": -0.0}, {"n": 0.0}, True),
        ({"n": 1}, {"n": 1.0}, False),
        ({"n": 1}, {"n": True}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ({"n": -0.05}, {"n": 0.05}, False),
        ({"n": [-0.0]}, {"n": [0.0]}, True),
        ({"n": "-0.0"}, {"n": "0.0"}, False),
        ({"n": [1]}, {"n": [1, 2]}, False),
        ({"n": {"m": None}}, {"n": {}}, False),
        ({"n": [math.nan, -0.0]}, {"n": [math.nan, 0.0]}, True),
        ({"n": [math.nan, -0.0]}, {"n": [None, 0.0]}, False),
        ({"n": [math.nan, -0.0]}, {"n": [1.0, 0.0]}, False),
        ({"n": Decimal128("1.0")}, {"n": Decimal128("1.00")}, False),
    ],
)
def test_two_documents_are_the_same_if_fields_order_types_and_values_are(one, other, alike):
    assert documents_equal(RawBSONDocument(bson.encode(one)), RawBSONDocument(bson.encode(other))) is alike


@pytest.mark.parametrize(
    ("other", "is_equal"),
    [
        ({"$ref": "c", "$id": 1}, True),
        ({"$id": 1, "$ref": "c"}, True),
        ({"$ref": "c", "$id": 1.0}, False),
        ({"$ref": "c", "$id": True}, False),
        ({"$ref": "d", "$id": 1}, False),
    ],
)
def test_a_reference_is_compared_with_the_types_in_it(other, is_equal):
    """Not as the driver does. Its order is lost in the driver's type, and means nothing."""
    one, two = (RawBSONDocument(bson.encode({"_id": "x", "a": each})) for each in ({"$ref": "c", "$id": 1}, other))
    assert documents_equal(one, two) is is_equal
