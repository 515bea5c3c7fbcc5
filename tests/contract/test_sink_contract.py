"""What the loop and `verify` may rely on in any sink and its reader: one suite, which the fake one of the model, a
scripted server and real servers pass, test by test.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import bson
import pymongo
import pytest

from tests.support.batches import batch_of, document, reject
from tests.support.sink_sides import REFUSED_FOR, FakeSide, JavaSide, RealSide, Side, WireSide
from workers.errors import SinkUnavailableError, UnavailableError
from workers.sinks.id_range import EVERY_ID, IdRange
from workers.sinks.refusals import UndecidedError
from workers.types import Batch, RejectedError, RejectReason, TopicPartition, WriteResult


@pytest.fixture(scope="module")
def java_mongo() -> Iterator[Any]:
    """Without its jars, a laptop skips with the reason; where `CI=true`, it fails."""
    from tests.support.embedded import StackUnavailableError, unavailable
    from tests.support.java_mongo import JavaMongo

    try:
        started = JavaMongo().__enter__()
    except StackUnavailableError as reason:
        unavailable(reason)
    yield started
    started.__exit__()


LONGEST_SECONDS = 30

SIDES = ["fake", "wire", *(pytest.param(name, marks=pytest.mark.integration) for name in ("real", "java"))]


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    # How long the driver waits, after a lost connection, before it looks for the server again: half a second.
    monkeypatch.setattr(pymongo.common, "MIN_HEARTBEAT_INTERVAL", 0.01)
    chosen: Side
    if request.param == "real":
        chosen = RealSide(request.getfixturevalue("stack"))
    elif request.param == "java":
        chosen = JavaSide(request.getfixturevalue("java_mongo"))
    else:
        chosen = FakeSide() if request.param == "fake" else WireSide()
    yield chosen
    chosen.close()


class Counts(NamedTuple):
    """A `WriteResult` by the numbers of the partitions, without counts of nothing."""

    stored: dict[int, int]
    duplicates: dict[int, int]
    dead_letters: dict[tuple[int, RejectReason], int]


def write(side: Side, batch: Batch) -> Counts:
    found: WriteResult = side.sink.write(batch)
    dead_letters = {(tp.partition, reason): count for (tp, reason), count in found.dead_letters.items() if count}
    return Counts(counted(found.stored), counted(found.duplicates), dead_letters)


def write_at_last(side: Side, batch: Batch) -> Counts:
    """Write it as the loop does, again and again until it is written."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(UndecidedError):
            return write(side, batch)
    raise TimeoutError("it is not written")


def counted(counts: Mapping[TopicPartition, int]) -> dict[int, int]:
    return {tp.partition: count for tp, count in counts.items() if count}


def test_a_batch_is_stored_and_counted_by_partition(side):
    written = write(side, batch_of(document(0), document(1), document(0, partition=2)))

    assert written == ({0: 2, 2: 1}, {}, {})
    assert side.documents() == {
        d.id: bson.decode(d.document.raw) for d in (document(0), document(1), document(0, partition=2))
    }


def test_the_same_batch_again_changes_nothing_and_counts_as_duplicates(side):
    batch = batch_of(document(0), document(1), rejects=[reject(2)])
    first = write(side, batch)
    documents, dead_letters = side.documents(), side.dead_letters()

    again = write(side, batch)

    assert first == ({0: 2}, {}, {(0, RejectReason.NOT_JSON): 1})
    assert again == ({}, {0: 3}, {})
    assert (documents, dead_letters) == (side.documents(), side.dead_letters())


def test_a_batch_that_is_half_there_is_completed(side):
    write(side, batch_of(document(1), rejects=[reject(3)]))

    written = write(side, batch_of(document(0), document(1), document(2), rejects=[reject(3), reject(4)]))

    assert written == ({0: 2}, {0: 2}, {(0, RejectReason.NOT_JSON): 1})
    assert len(side.documents()) == 3


def test_a_batch_that_the_driver_must_cut_up_is_counted_as_one(side):
    """The place of an error in the batch is not its place in the command."""
    there = [document(offset) for offset in range(0, 2_500, 7)]
    write(side, batch_of(*there, document(2_050, text="another")))

    written = write(side, batch_of(*map(document, range(2_500))))

    assert written == ({0: 2_499 - len(there)}, {0: len(there)}, {(0, RejectReason.CONFLICT): 1})
    assert sorted(side.documents()) == sorted(document(offset).id for offset in range(2_500))
    assert side.dead_letters() == {document(2_050).id: "conflict"}


def test_another_content_under_the_same_id_is_a_conflict_and_the_first_stays(side):
    write(side, batch_of(document(0, text="first")))

    written = write(side, batch_of(document(0, text="second"), document(1)))

    assert written == ({0: 1}, {}, {(0, RejectReason.CONFLICT): 1})
    assert side.documents()[document(0).id]["text"] == "first"
    assert side.dead_letters() == {document(0).id: "conflict"}


def test_a_duplicate_on_another_unique_index_is_a_dead_letter(side):
    side.keep_unique("number")
    write(side, batch_of(document(7)))

    written = write_at_last(side, batch_of(document(1, number=7), document(2)))

    assert written.dead_letters == {(0, RejectReason.DUPLICATE_KEY): 1}
    assert sum(written.stored.values()) + sum(written.duplicates.values()) == 1
    assert side.dead_letters() == {document(1).id: "duplicate_key"}
    assert sorted(side.documents()) == [document(2).id, document(7).id]


def test_a_document_that_the_server_chokes_on_is_found_and_its_neighbours_are_stored(side):
    """FerretDB closes the connection on a NaN, which decode never lets through; `chokes_on` has each server's own."""
    good = [document(offset) for offset in (0, 1, 3)]

    written = write_at_last(side, batch_of(*good, document(2, value=side.chokes_on)))

    assert written.dead_letters == {(0, RejectReason.REFUSED_BY_SERVER): 1}
    assert sum(written.stored.values()) + sum(written.duplicates.values()) == 3
    assert sorted(side.documents()) == [found.id for found in good]
    assert side.dead_letters() == {document(2).id: "refused_by_server"}


def test_the_judgement_of_a_document_that_the_server_chokes_on_is_the_same_again(side):
    bad = batch_of(document(0), document(2, value=side.chokes_on))
    write_at_last(side, bad)

    again = write(side, bad)

    assert again == ({}, {0: 2}, {})
    assert side.dead_letters() == {document(2).id: "refused_by_server"}


SCRIPTED = pytest.mark.parametrize("side", ["fake", "wire"], indirect=True)
"""A server that others wrote cannot be told to refuse what it would take."""


@SCRIPTED
@pytest.mark.parametrize("documents", [1, 5, 20])
def test_a_server_that_is_busy_makes_no_dead_letter(side, documents):
    """It says neither that it is busy, nor what is wrong with a document."""
    batch = batch_of(*map(document, range(20)))
    side.refuse(documents)

    with pytest.raises(UndecidedError):
        write(side, batch)
    written = write_at_last(side, batch)

    assert sum(written.stored.values()) + sum(written.duplicates.values()) == 20
    assert side.dead_letters() == {}


@SCRIPTED
def test_a_server_that_is_busy_for_longer_than_the_patience_makes_no_dead_letter_either(side):
    write(side, batch_of(document(0)))
    batch = batch_of(*map(document, range(10)))
    side.refuse(1_000_000)
    deadline = time.monotonic() + 4 * REFUSED_FOR
    while time.monotonic() < deadline:
        with pytest.raises(UndecidedError):
            write(side, batch)
    side.refuse(0)

    assert sum(write_at_last(side, batch).stored.values()) == 9
    assert side.dead_letters() == {}


@SCRIPTED
def test_a_record_that_is_refused_counts_as_refused_once(side):
    bad = batch_of(document(0), document(2, value=side.chokes_on), rejects=[reject(1)])
    deadline = time.monotonic() + LONGEST_SECONDS
    counts = []
    while len(counts) < 2:
        assert time.monotonic() < deadline
        with contextlib.suppress(UndecidedError):
            counts.append({tp.partition: n for tp, n in side.sink.write(bad).refused.items() if n})

    assert counts == [{0: 1}, {}]


@SCRIPTED
def test_one_operation_that_is_refused_while_the_server_is_busy_is_no_reject(side):
    write(side, batch_of(document(0)))
    side.refuse(1_000_000)

    with pytest.raises(SinkUnavailableError):
        side.sink.write_one(document(1))


def test_an_empty_value_and_a_tombstone_are_dead_letters_exactly_once(side):
    poison = batch_of(rejects=[reject(0, value=b""), reject(1, value=None)])

    counts = [write(side, poison) for _ in range(2)]

    assert counts == [({}, {}, {(0, RejectReason.NOT_JSON): 2}), ({}, {0: 2}, {})]
    assert sorted(side.dead_letters()) == [reject(0).id, reject(1).id]


def test_a_sink_that_is_unavailable_takes_nothing_and_all_of_it_when_it_is_back(side):
    batch = batch_of(document(0), document(1), rejects=[reject(2)])
    side.go_away()
    try:
        with pytest.raises(SinkUnavailableError):
            write(side, batch)
    finally:
        side.come_back()
    assert (side.documents(), side.dead_letters()) == ({}, {})

    written = write(side, batch)

    assert written == ({0: 2}, {}, {(0, RejectReason.NOT_JSON): 1})


def test_one_operation_is_written_as_a_batch_would_be(side):
    assert side.sink.write_one(document(0)) is None
    assert side.sink.write_one(document(0)) is None

    again = side.sink.write_one(document(0, text="another"))

    assert (again and again.reason, side.dead_letters()) == (RejectReason.CONFLICT, {})
    assert list(side.documents()) == [document(0).id]


def test_a_sink_answers_a_ping_and_is_fit_and_says_when_it_is_unavailable(side):
    side.sink.ping()
    side.sink.check()
    side.go_away()
    try:
        for question in (side.sink.ping, side.sink.check):
            with pytest.raises(SinkUnavailableError):
                question()
    finally:
        side.come_back()


def test_a_reader_finds_what_was_written_and_nothing_else(side):
    write(side, batch_of(document(0), document(1), rejects=[reject(2)]))
    side.reader.connect()

    found = side.reader.documents([document(offset).id for offset in range(1_200)])

    assert sorted(found) == [document(0).id, document(1).id]
    assert all(side.reader.equal(found[each.id], each.document) for each in (document(0), document(1)))
    assert not side.reader.equal(found[document(0).id], document(0, text="another").document)
    assert json.loads(side.reader.as_json(found[document(0).id])) == {"_id": document(0).id, "number": 0}
    assert json.loads(side.reader.as_json(found[document(0).id], exact=True))["number"] == {"$numberInt": "0"}
    assert side.reader.dead_letters([document(0).id, reject(2).id]) == {reject(2).id: "not_json"}
    assert side.reader.all_dead_letters() == {reject(2).id: "not_json"}
    assert side.reader.all_dead_letters(0) is None
    stored = {each: content for found in side.reader.scan(EVERY_ID, 1) for each, content in found}
    assert stored == {each.id: side.reader.content(each.document) for each in (document(0), document(1))}
    letters = {each: reason for found in side.reader.scan_dead_letters(EVERY_ID) for each, reason in found}
    assert letters == {reject(2).id: "not_json"}


@pytest.mark.parametrize("by_bounds", [False, True], ids=["all", "between bounds"])
def test_a_reader_scans_ids_in_a_range_and_no_others(side, by_bounds):
    write(side, batch_of(document(0), document(1), rejects=[reject(2), reject(3)]))
    first, end = (document(1).id, reject(3).id) if by_bounds else (None, None)
    ids = IdRange(first, end)
    expected = (
        [document(1).id, reject(2).id] if by_bounds else [document(0).id, document(1).id, reject(2).id, reject(3).id]
    )

    found = [each for batch in side.reader.scan_ids(ids) for each in batch]
    documents = [each for batch in side.reader.scan(ids, 10) for each, _ in batch]
    letters = [each for batch in side.reader.scan_dead_letters(ids) for each, _ in batch]

    assert sorted(found) == sorted(documents + letters) == expected
    assert [each for batch in side.reader.scan_ids(None) for each in batch] == []


def test_sink_and_reader_encode_alike(side):
    value = {"number": 1, "deep": [{"text": "x"}, None, -0.5]}

    assert side.reader.equal(side.sink.encode("a", value), side.reader.encode("a", value))
    with pytest.raises(RejectedError) as rejected:
        side.sink.encode("a", {"text": "\ud800"})
    assert rejected.value.reason is RejectReason.BAD_STRING


def test_a_reader_never_takes_silence_for_an_answer(side):
    write(side, batch_of(document(0), rejects=[reject(1)]))
    side.go_away()
    try:
        for question in (
            side.reader.connect,
            lambda: side.reader.documents([document(0).id]),
            lambda: side.reader.dead_letters([reject(1).id]),
            side.reader.all_dead_letters,
            lambda: list(side.reader.scan_ids(EVERY_ID)),
            lambda: list(side.reader.scan(EVERY_ID, 10)),
            lambda: list(side.reader.scan_dead_letters(EVERY_ID)),
            side.reader.finds_ranges,
        ):
            # Looking for the server may take half a second here, not the five of a command.
            with pytest.raises(UnavailableError), pymongo.timeout(0.5):
                question()
    finally:
        side.come_back()
