"""When a record that the server refuses for no known cause is blamed for it, and when never: decision 14."""

from __future__ import annotations

from contextlib import closing

import pymongo
import pytest

from tests.support.batches import batch_of, document, tp
from tests.support.wire_mongo import CloseConnection, write_error
from workers.errors import SinkUnavailableError
from workers.settings import load
from workers.sinks.mongodb.codes import COMMAND_TOO_LARGE, RECORD
from workers.sinks.mongodb.sink import MongoSink
from workers.sinks.refusals import UndecidedError
from workers.types import RejectReason

DOCUMENTS, DEAD_LETTERS = "numtest", "numtest_dead_letters"
PATIENCE = load().refusal_patience
UNKNOWN = {"code": 987_654, "errmsg": "request rate is large, retry after 40 ms"}
WHOLE = {"ok": 0, **UNKNOWN}
REFUSED = RejectReason.REFUSED_BY_SERVER


def buried(server):
    return {key: letter["error"] for key, letter in server.collections[DEAD_LETTERS].items()}


def bad(*numbers, answer=UNKNOWN):
    """A server that refuses these numbers, and stores all else."""
    return lambda collection, found: answer if collection == DOCUMENTS and found.get("number") in numbers else None


def try_for(sink, clock, batch, seconds, step=5.0):
    """Write as the loop does, until it is written or the time is over; returns what was raised last."""
    until, error = clock.now + seconds, None
    while clock.now < until:
        with pytest.raises(SinkUnavailableError) as raised:
            sink.write(batch)
        error = raised.value
        clock.now += step
    return error


def as_a_whole(_documents):
    return WHOLE


def each_of_them(documents):
    return {"ok": 1, "n": 0, "writeErrors": [write_error(i, **renamed(UNKNOWN)) for i in range(len(documents))]}


def hangs_up(_documents):
    return CloseConnection


def renamed(answer):
    return {"code": answer["code"], "message": answer["errmsg"]}


class Forever:
    """A script that answers every insert alike."""

    def __init__(self, answer):
        self.answer = answer

    def __bool__(self):
        return True

    def popleft(self):
        return self.answer


@pytest.mark.parametrize("how", [as_a_whole, each_of_them, hangs_up])
def test_a_server_that_refuses_everything_makes_no_dead_letter_however_long_it_lasts(server, sink, clock, how):
    """20 of 20 good records were dead letters within 0.04 s. Dead letters it would take at any time."""
    batch = batch_of(*map(document, range(20)))
    server.script[DOCUMENTS] = Forever(how)

    error = try_for(sink, clock, batch, 3 * PATIENCE)

    assert isinstance(error, UndecidedError)
    assert buried(server) == {}
    server.script[DOCUMENTS] = None
    assert sink.write(batch).stored == {tp(0): 20}


@pytest.mark.parametrize("how", [as_a_whole, each_of_them, hangs_up])
def test_a_server_that_refuses_for_a_while_is_waited_for(server, sink, clock, how):
    batch = batch_of(*map(document, range(20)))
    server.script[DOCUMENTS] = Forever(how)
    try_for(sink, clock, batch, PATIENCE - 1, step=1)
    server.script[DOCUMENTS] = None

    assert sink.write(batch).stored == {tp(0): 20}
    assert buried(server) == {}


@pytest.mark.parametrize("how", [as_a_whole, each_of_them, hangs_up])
def test_a_server_that_refuses_also_what_it_has_is_the_cause_itself(server, sink, clock, how):
    sink.write(batch_of(*map(document, range(4))))
    server.script[DOCUMENTS] = Forever(how)

    error = try_for(sink, clock, batch_of(*map(document, range(4, 8))), 3 * PATIENCE)

    assert "and so is" in str(error)
    assert buried(server) == {}


def test_a_command_that_is_refused_as_a_whole_costs_a_busy_server_few_attempts_alone(server, sink, clock):
    batch = batch_of(*map(document, range(200)))
    server.script[DOCUMENTS] = Forever(as_a_whole)
    try_for(sink, clock, batch, PATIENCE)
    server.inserts.clear()

    try_for(sink, clock, batch, 1, step=1)

    assert len(server.inserts) < 12


def test_a_server_that_stores_a_half_and_then_nothing_new_blames_nobody(server, sink, clock):
    """It goes on to find what it has: that proves that it answers, and not that it takes a new document."""
    batch = batch_of(*map(document, range(40)))
    server.refuses = lambda collection, found: (
        UNKNOWN
        if collection == DOCUMENTS and found["number"] >= 20 and found["_id"] not in server.collections[DOCUMENTS]
        else None
    )

    try_for(sink, clock, batch, 5 * PATIENCE)

    assert (len(server.collections[DOCUMENTS]), buried(server)) == (20, {})


def test_a_record_that_is_refused_alone_while_others_are_stored_is_a_dead_letter_with_code_and_message(
    server, sink, clock
):
    server.refuses = bad(1)
    batch = batch_of(document(0), document(1), document(2))

    error = try_for(sink, clock, batch, PATIENCE)
    assert "code 987654: request rate is large, retry after 40 ms; 1 record not stored" in str(error)
    assert error.retry_after == pytest.approx(0.04)
    assert (len(server.collections[DOCUMENTS]), buried(server)) == (2, {})

    written = sink.write(batch)
    assert (written.dead_letters, written.refused) == ({(tp(0), REFUSED): 1}, {tp(0): 1})
    assert buried(server) == {document(1).id: "code 987654: request rate is large, retry after 40 ms"}


def test_many_records_that_are_refused_share_one_wait(server, sink, clock):
    numbers = set(range(0, 200, 5))
    server.refuses = bad(*numbers)
    batch = batch_of(*map(document, range(200)))
    try_for(sink, clock, batch, PATIENCE, step=10)
    server.inserts.clear()

    written = sink.write(batch)

    assert written.dead_letters == {(tp(0), REFUSED): len(numbers)}
    assert len(server.inserts) <= 3 * len(numbers)


@pytest.mark.parametrize("later", [False, True])
def test_where_most_of_a_batch_is_refused_a_new_document_must_be_stored_beside_them(server, sink, clock, later):
    """In the same bulk, behind one that was refused, or in a later one."""
    numbers = set(range(20, 38 if later else 39))
    server.refuses = bad(*numbers)
    try_for(sink, clock, batch_of(*map(document, range(10, 38 if later else 40))), PATIENCE)
    batch = batch_of(*map(document, range(10, 40)))

    assert sink.write(batch).dead_letters == {(tp(0), REFUSED): len(numbers)}


def test_a_record_that_comes_later_shares_the_wait_of_its_batch(server, sink, clock):
    server.refuses = bad(1, 4)
    try_for(sink, clock, batch_of(*map(document, range(3))), PATIENCE)

    written = sink.write(batch_of(*map(document, range(6))))

    assert written.dead_letters == {(tp(0), REFUSED): 2}


def test_a_cause_that_is_seen_to_pass_is_the_servers_and_the_time_starts_again(server, sink, clock):
    """A server that is overloaded stores a few at each attempt."""
    batch = batch_of(*map(document, range(12)))
    for still_refused in range(11, 0, -1):
        server.refuses = bad(*range(still_refused))
        try_for(sink, clock, batch, PATIENCE * 0.8, step=PATIENCE * 0.4)
    assert buried(server) == {}

    server.refuses = bad()
    assert sum(sink.write(batch).duplicates.values()) == 11


def test_a_cause_that_passes_while_it_is_judged_blames_nobody(server, sink, clock):
    server.refuses = bad(1, 2)
    batch = batch_of(*map(document, range(6)))
    try_for(sink, clock, batch, PATIENCE)
    # In the bulk both are refused; alone the first is stored.
    server.refuses = lambda collection, found: (
        UNKNOWN
        if collection == DOCUMENTS and found["number"] in (1, 2) and (server.inserts[-1][1] > 1 or found["number"] == 2)
        else None
    )

    with pytest.raises(UndecidedError, match="it passes"):
        sink.write(batch)

    assert buried(server) == {}


def test_after_an_outage_the_time_starts_again(server, sink, clock):
    server.refuses = bad(1)
    batch = batch_of(document(0), document(1))
    try_for(sink, clock, batch, PATIENCE - 1, step=PATIENCE - 1)
    server.script[DOCUMENTS].append({"ok": 0, "code": 16500, "errmsg": "TooManyRequests"})
    try_for(sink, clock, batch, 2, step=2)

    try_for(sink, clock, batch, PATIENCE - 3)

    assert buried(server) == {}


@pytest.mark.parametrize("another_process", [True, False])
def test_after_a_crash_or_a_rebalance_the_time_starts_again(server, sink, clock, another_process):
    """The partition came back after two minutes; who knows whether it was refused meanwhile."""
    server.refuses = bad(1)
    batch = batch_of(document(0), document(1))
    try_for(sink, clock, batch, PATIENCE)
    clock.now += 120
    later = MongoSink(load(mongodb_uri=server.uri), clock) if another_process else sink

    try_for(later, clock, batch, PATIENCE)
    assert buried(server) == {}

    assert later.write(batch).dead_letters == {(tp(0), REFUSED): 1}
    later.close()


@pytest.mark.parametrize("how", [bad(1), None])
def test_the_verdict_of_an_earlier_delivery_stands_and_costs_no_second_wait(server, sink, clock, how):
    """Also where the whole command fails on it: the server hangs up."""
    if how:
        server.refuses = how
    else:
        server.chokes_on = lambda found: found.get("number") == 1
    batch = batch_of(*map(document, range(4)))
    try_for(sink, clock, batch, PATIENCE)
    sink.write(batch)
    later = MongoSink(load(mongodb_uri=server.uri), clock)

    again = later.write(batch)
    later.close()

    assert (again.duplicates, again.dead_letters, again.refused) == ({tp(0): 4}, {}, {})


@pytest.mark.parametrize("bad_ones", [{37}, {0, 1, 2}, set(range(0, 100, 20))])
def test_documents_that_make_the_server_hang_up_are_found_and_their_neighbours_stored(server, sink, clock, bad_ones):
    """FerretDB does so for a NaN."""
    server.chokes_on = lambda found: found.get("number") in bad_ones
    batch = batch_of(*map(document, range(100)))

    try_for(sink, clock, batch, PATIENCE, step=10)
    assert buried(server) == {}
    sink.write(batch)

    assert len(server.collections[DOCUMENTS]) == 100 - len(bad_ones)
    assert set(buried(server)) == {document(number).id for number in bad_ones}
    assert set(buried(server).values()) == {"the server closes the connection on it"}


def test_a_trial_that_takes_longer_than_a_write_may_makes_the_batch_smaller_and_loses_no_time(
    server, clock, monkeypatch
):
    """The driver calls it unreachable: each time that the server hangs up it waits, and looks for it again."""
    monkeypatch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.3)
    with closing(MongoSink(load(mongodb_uri=server.uri, write_timeout=0.5), clock)) as sink:
        server.chokes_on = lambda found: found.get("number") == 1
        batch = batch_of(*map(document, range(16)))
        try_for(sink, clock, batch, PATIENCE, step=PATIENCE)

        with pytest.raises(SinkUnavailableError) as error:
            sink.write(batch)

    assert error.value.reason == "timeout"


def test_a_record_alone_is_not_blamed_before_there_is_another_to_compare_with(server, sink, clock):
    server.refuses = bad(5)
    lone = batch_of(document(5))

    error = try_for(sink, clock, lone, 5 * PATIENCE)
    assert "no other document to compare with" in str(error)
    assert buried(server) == {}

    written = sink.write(batch_of(document(5), document(6)))
    assert (written.stored, written.dead_letters) == ({tp(0): 1}, {(tp(0), REFUSED): 1})


def test_a_record_alone_is_compared_with_one_that_is_stored(server, sink, clock):
    """Looked up, and written again without a change; by another process too."""
    sink.write(batch_of(document(3), document(4)))
    later = MongoSink(load(mongodb_uri=server.uri), clock)
    server.refuses = bad(5)
    try_for(later, clock, batch_of(document(5)), PATIENCE)

    written = later.write(batch_of(document(5)))
    later.close()

    assert written.dead_letters == {(tp(0), REFUSED): 1}
    assert sorted(server.collections[DOCUMENTS]) == [document(3).id, document(4).id]


def test_what_the_user_has_deleted_does_not_come_back_for_a_comparison(server, sink, clock):
    sink.write(batch_of(document(4)))
    server.collections[DOCUMENTS].clear()
    server.refuses = bad(5)

    try_for(sink, clock, batch_of(document(5)), 2 * PATIENCE)

    assert (server.collections[DOCUMENTS], buried(server)) == ({}, {})


@pytest.mark.parametrize("labels", [["SystemOverloadedError"], ["RetryableError"], ["RetryableWriteError"]])
def test_an_answer_with_a_label_of_an_overload_is_the_servers_whatever_its_code(server, sink, labels):
    sink.write(batch_of(document(0)))
    server.script[DOCUMENTS] = Forever(
        {"ok": 0, "code": 987_654, "errmsg": "busy", "errorLabels": labels, "baseBackoffMS": 70}
    )

    with pytest.raises(SinkUnavailableError) as error:
        sink.write(batch_of(document(1)))

    assert not isinstance(error.value, UndecidedError)
    assert (error.value.reason, error.value.retry_after) == ("busy", pytest.approx(0.07))
    assert f"code 987654 (labels {labels[0]}): busy" in str(error.value)


@pytest.mark.parametrize("code", sorted(RECORD | COMMAND_TOO_LARGE))
def test_a_code_about_what_is_in_a_command_divides_it_at_once(server, sink, code):
    """Too many documents, too large a message: it depends on the batch."""
    server.script[DOCUMENTS].append({"ok": 0, "code": code, "errmsg": "BadValue"})

    assert sink.write(batch_of(*map(document, range(5)))).stored == {tp(0): 5}


def test_a_code_about_a_document_for_every_command_blames_nobody(server, sink, clock):
    """An option of the command that this server does not know, for example."""
    server.script[DOCUMENTS] = Forever({"ok": 0, "code": 2, "codeName": "BadValue", "errmsg": "unknown writeConcern"})

    error = try_for(sink, clock, batch_of(*map(document, range(3))), 3 * PATIENCE)

    assert "unknown writeConcern" in str(error)
    assert buried(server) == {}


@pytest.mark.parametrize("code", [64, 79, 100, 987_654])
def test_a_write_that_is_not_acknowledged_is_not_written_whatever_the_code_and_alone_too(server, sink, clock, code):
    batch = batch_of(document(0))
    concern = {"code": code, "errmsg": "no"}
    server.script[DOCUMENTS] = Forever({"ok": 1, "n": 1, "writeConcernError": concern})

    error = try_for(sink, clock, batch, 3 * PATIENCE)

    assert error.reason == "not_acknowledged"
    assert f"code {code}: no" in str(error)
    assert buried(server) == {}


def test_a_duplicate_key_without_the_document_is_looked_at_again(server, sink, clock):
    """The server lags behind itself: the document is the record's own."""
    batch = batch_of(document(0), document(1))
    sink.write(batch)
    server.answers["find"] = {"cursor": {"id": 0, "ns": "test.numtest", "firstBatch": []}, "ok": 1}
    try_for(sink, clock, batch, PATIENCE - 1)
    del server.answers["find"]

    assert sink.write(batch).duplicates == {tp(0): 2}
    assert buried(server) == {}


def test_a_duplicate_key_whose_index_the_server_names_is_a_verdict_at_once(server, sink):
    failure = {**write_error(0, 11000, "E11000"), "keyPattern": {"number": 1}}
    server.script[DOCUMENTS].append({"ok": 1, "n": 1, "writeErrors": [failure]})

    written = sink.write(batch_of(document(0), document(1)))

    assert written.dead_letters == {(tp(0), RejectReason.DUPLICATE_KEY): 1}


def test_an_id_that_is_taken_by_nothing_is_never_the_records_fault(server, sink, clock):
    failure = {**write_error(0, 11000, "E11000"), "keyPattern": {"_id": 1}}
    server.script[DOCUMENTS] = Forever({"ok": 1, "n": 1, "writeErrors": [failure]})

    try_for(sink, clock, batch_of(document(0), document(1)), 5 * PATIENCE)

    assert buried(server) == {}


@pytest.mark.parametrize("answer", [UNKNOWN, {"code": 16500, "errmsg": "RetryAfterMs=40"}])
def test_dead_letters_that_are_refused_are_waited_for_and_say_with_what(server, sink, clock, answer):
    server.refuses = lambda collection, found: answer if collection == DEAD_LETTERS else bad(1)(collection, found)

    error = try_for(sink, clock, batch_of(document(0), document(1)), 3 * PATIENCE)

    assert (error.reason, error.retry_after) == ("dead_letters", pytest.approx(0.04))
    assert f"refused a dead letter: code {answer['code']}" in str(error)
    server.refuses = bad(1)
    assert sink.write(batch_of(document(0), document(1))).dead_letters == {(tp(0), REFUSED): 1}


def test_a_server_that_takes_smaller_documents_rejects_the_large_one_only_and_its_dead_letter_is_cut(server, clock):
    """The driver raises for the whole batch, and what it raises is no error of its own kind."""
    server.largest_message = 100_000
    sink = MongoSink(load(mongodb_uri=server.uri), clock)
    large = document(1, text="x" * 200_000)
    large = large._replace(record=large.record._replace(value=b"x" * 200_000))

    written = sink.write(batch_of(document(0), large, document(2)))
    sink.close()

    assert sum(written.stored.values()) + sum(written.duplicates.values()) == 2
    assert written.dead_letters == {(tp(0), RejectReason.TOO_LARGE): 1}
    (letter,) = server.collections[DEAD_LETTERS].values()
    assert letter["value_bytes"] == 200_000
    assert 0 < len(letter["value"]) < 100_000


@pytest.mark.parametrize("code", [16, 10334])
@pytest.mark.parametrize("whole", [True, False])
def test_a_dead_letter_that_the_server_finds_too_large_is_cut(server, sink, code, whole):
    answer = {"code": code, "errmsg": "too large"}

    def refuses(documents):
        if len(documents[0]["value"]) < 100_000:
            return {"ok": 1, "n": 1}
        return {"ok": 0, **answer} if whole else {"ok": 1, "n": 0, "writeErrors": [write_error(0, **renamed(answer))]}

    server.script[DEAD_LETTERS] = Forever(refuses)
    server.refuses = bad(1, answer={"code": 121, "errmsg": "no"})
    large = document(1)
    large = large._replace(record=large.record._replace(value=b"x" * 200_000))

    assert sink.write(batch_of(document(0), large)).dead_letters == {(tp(0), REFUSED): 1}


@pytest.mark.parametrize("question", ["ping", "check"])
def test_an_unknown_code_for_a_question_is_unavailability_in_one_line(server, sink, question):
    for name in ("ping", "listCollections"):
        server.answers[name] = {"ok": 0, "code": 987_654, "codeName": "Odd", "errmsg": "not\nnow", "errorLabels": ["X"]}

    with pytest.raises(SinkUnavailableError) as error:
        getattr(sink, question)()

    assert str(error.value) == "error: code 987654 (Odd, labels X): not now"


class TestOneOperation:
    """`write_one`, which a replay of dead letters calls."""

    @pytest.mark.parametrize("code", [462, 16500])
    def test_in_an_overload_it_is_unavailable_at_once(self, server, sink, code):
        server.script[DOCUMENTS] = Forever({"ok": 0, "code": code, "errmsg": "busy"})

        with pytest.raises(SinkUnavailableError):
            sink.write_one(document(0))

    def test_an_unknown_refusal_is_waited_for_and_no_verdict_without_proof(self, server):
        server.script[DOCUMENTS] = Forever(WHOLE)
        sink = MongoSink(load(mongodb_uri=server.uri, refusal_patience=0.1))

        with pytest.raises(SinkUnavailableError):
            sink.write_one(document(0))
        sink.close()

    def test_a_bad_one_fails_again_after_one_wait_for_all(self, server):
        sink = MongoSink(load(mongodb_uri=server.uri, refusal_patience=0.1))
        assert sink.write_one(document(0)) is None
        server.refuses = bad(*range(1, 9))

        rejects = [sink.write_one(document(number)) for number in range(1, 9)]
        sink.close()

        assert {reject.error for reject in rejects} == {"code 987654: request rate is large, retry after 40 ms"}
