"""Bytes to document or reject: every row of the corpus, and what holds for any bytes at all."""

from __future__ import annotations

import json
import math

import bson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.corpus.corpus import ACCEPTED, CORPUS, REJECTED, Case
from tests.support.batches import TOPIC, decoder, reader, tp
from tests.support.fake_broker import FIRST_ID, FakeRecord
from tests.support.json_values import ALMOST_JSON, OBJECTS, VALUES
from tests.support.records import ListedRecords
from workers.formats.json import PLAIN_BYTES, parse_json_strict, parse_plain
from workers.formats.limits import Limits
from workers.identity import TopicIdentity
from workers.types import Fetched, Insert, Operation, Reject, RejectReason


def decoded(value: bytes | None, limits: Limits | None = None) -> Operation | Reject:
    return decoder(limits or Limits()).decode(TOPIC.document_id(3, 42), FakeRecord(3, 42, value))


def alike(left: object, right: object) -> bool:
    """Equal with types, order of fields and the sign of zero."""
    if type(left) is not type(right):
        return (
            isinstance(left, int) and isinstance(right, int) and bool not in (type(left), type(right)) and left == right
        )
    if isinstance(left, dict):
        return list(left) == list(right) and all(alike(left[name], right[name]) for name in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(alike, left, right))
    return left == right and (not isinstance(left, float) or math.copysign(1, left) == math.copysign(1, right))


@pytest.mark.parametrize("case", REJECTED, ids=str)
def test_a_value_that_cannot_be_stored_as_it_was_sent_is_a_reject_with_its_reason(case):
    outcome = decoded(case.value)

    assert isinstance(outcome, Reject)
    assert case.reason == outcome.reason
    assert outcome.id == "numtest-08b40071/3/42"
    assert outcome.record.value == case.value
    assert outcome.error
    assert outcome.error.isprintable()
    assert len(outcome.error) < 120


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_any_object_that_a_document_can_hold_is_stored_as_it_was_sent(case):
    outcome = decoded(case.value)

    assert isinstance(outcome, Insert)
    fields = bson.decode(outcome.document.raw)
    assert fields.pop("_id") == outcome.id == "numtest-08b40071/3/42"
    assert alike(fields, json.loads(case.value or b""))
    assert case.kept is None or alike(fields, case.kept)


@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe", b"k" * 100_000])
@pytest.mark.parametrize("headers", [(), (("h", None),), tuple(("h", b"\xff") for _ in range(10_000))])
def test_row_45_keys_and_headers_are_never_looked_at(key, headers):
    outcome = decoder().decode(TOPIC.document_id(0, 0), FakeRecord(0, 0, b'{"n":1}', key=key, headers=headers))

    assert isinstance(outcome, Insert)


def test_every_row_of_the_corpus_has_a_case():
    assert set(range(49)) - {45} == {case.row for case in CORPUS}


@given(st.binary(max_size=60) | ALMOST_JSON | VALUES.map(lambda value: json.dumps(value).encode()))
@example(b'{"n":' + b"[" * 100_000)
@example(b'{"n":1e999999999999}')
@example(b'{"n":-0e-0}')
def test_decode_never_raises_and_what_it_accepts_bson_holds_exactly(value):
    outcome = decoded(value)

    if isinstance(outcome, Insert):
        fields = bson.decode(outcome.document.raw)
        assert fields.pop("_id") == outcome.id
        assert alike(fields, json.loads(value))
    else:
        assert outcome.reason in RejectReason


@given(OBJECTS, st.booleans())
def test_every_object_within_the_limits_is_accepted(fields, escaped):
    value = json.dumps(fields, ensure_ascii=escaped).encode()

    outcome = decoded(value, Limits(depth=90))

    assert isinstance(outcome, Insert), outcome
    assert alike(bson.decode(outcome.document.raw), {"_id": outcome.id, **fields})


@given(st.binary(max_size=60) | ALMOST_JSON | VALUES.map(lambda value: json.dumps(value, ensure_ascii=False).encode()))
@example(b'{"n": 18446744073709551616}')
@example(b'{"n": 9223372036854775808}')
@example(b'{"n": -9223372036854775809}')
@example(b'{"n": 1e-400}')
@example(b'{"n": 1, "n": 1}')
@example(b'{"a": {"n": "x", "n": "y"}}')
@example(b'{"a": 1, "b": "\\"}')
@example(b'{"": 1}')
@example(b'{"a": [{"$b": 1}]}')
@example(b'{"a.b": 1}')
@example(b'{"_id": 1}')
@example(b"[1]")
def test_what_the_quick_way_takes_the_strict_way_takes_as_the_same(value):
    """The strict way alone has the rows of the corpus to answer for."""
    quick = plain(value, Limits(depth=5, fields=50))

    if quick is not None:
        assert alike(quick, parse_json_strict(value, Limits(depth=5, fields=50)))


def plain(value: bytes, limits: Limits) -> dict[str, object] | None:
    (fields,), others = parse_plain([value], limits)
    return None if others else fields


def test_the_quick_way_takes_what_is_plain():
    value = b'{"number": 7, "name": "\xc3\xa9", "a b": [1.5, null, true, {"deep": [-3]}], "min": -9223372036854775808}'

    assert plain(value, Limits()) == parse_json_strict(value, Limits())
    assert (
        plain(value, Limits(value_bytes=20))
        is plain(value, Limits(depth=3))
        is plain(value, Limits(fields=9))
        is plain(b'{"n": "%s"}' % (b"x" * PLAIN_BYTES), Limits())
        is None
    )


PLACES = st.tuples(
    st.from_regex(r"[A-Za-z0-9._-]{1,12}", fullmatch=True),
    st.uuids(),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
)


@given(PLACES, PLACES)
@example(("a", FIRST_ID, 1, 11), ("a", FIRST_ID, 11, 1))
@example(("a-08b40071", FIRST_ID, 1, 1), ("a", FIRST_ID, 1, 1))
def test_two_places_never_share_an_id(one, other):
    def place(name, uuid, partition, offset):
        return (name, uuid.hex[:8], partition, offset)

    def document_id(name, uuid, partition, offset):
        return TopicIdentity(name, uuid).document_id(partition, offset)

    assert (place(*one) == place(*other)) == (document_id(*one) == document_id(*other))


def test_the_limits_are_exact():
    """At the limit a value is stored; one more, and it is a reject."""
    exact = Limits(value_bytes=15, depth=2, fields=3)

    assert isinstance(decoded(b'{"a":1,"b":[2]}', exact), Insert)
    assert reason(b'{"a":1,"b":[2] }', exact) is RejectReason.TOO_LARGE
    assert reason(b'{"a":1,"b":[]}', Limits(depth=1)) is RejectReason.TOO_DEEP
    assert reason(b'{"a":1,"b":[2]}', Limits(fields=2)) is RejectReason.TOO_MANY_FIELDS


def reason(value: bytes, limits: Limits) -> RejectReason | None:
    outcome = decoded(value, limits)
    return outcome.reason if isinstance(outcome, Reject) else None


def test_a_document_that_bson_makes_larger_than_mongodb_takes_is_a_reject():
    """JSON of 8 MiB can be BSON of 20: every element of an array has a key there."""
    value = b'{"n":[%s]}' % b",".join([b"1.0"] * 1_500_000)

    assert reason(value, Limits(value_bytes=8 << 20, fields=2_000_000)) is RejectReason.TOO_LARGE


def test_a_batch_holds_every_record_once_and_the_offsets_to_commit():
    """Offsets have gaps: what is committed is one more than the last record, not the number of records."""
    fetched = {
        tp(0): ListedRecords([FakeRecord(0, 5, b'{"n":1}'), FakeRecord(0, 9, b"poison")]),
        tp(4): ListedRecords([FakeRecord(4, 0, None)]),
    }

    batch = reader().read(Fetched({"numtest": TOPIC}, fetched))

    assert [insert.id for insert in batch.partitions[tp(0)].operations] == ["numtest-08b40071/0/5"]
    assert [reject.id for reject in batch.partitions[tp(0)].rejects] == ["numtest-08b40071/0/9"]
    assert [reject.id for reject in batch.partitions[tp(4)].rejects] == ["numtest-08b40071/4/0"]
    assert batch.first_offsets == {tp(0): 5, tp(4): 0}
    assert batch.next_offsets == {tp(0): 10, tp(4): 1}
    assert batch.size == 3


def test_what_was_skipped_is_committed_unless_records_follow_it():
    batch = reader().read(
        Fetched({"numtest": TOPIC}, {tp(1): ListedRecords([FakeRecord(1, 30, None)])}, {tp(0): 25, tp(1): 30})
    )

    assert batch.first_offsets == {tp(0): 25, tp(1): 30}
    assert batch.next_offsets == {tp(0): 25, tp(1): 31}
    assert batch.size == 1


def test_a_neighbour_of_every_bad_value_is_stored():
    records = [FakeRecord(0, offset, case.value) for offset, case in enumerate(REJECTED)]
    good = [FakeRecord(1, offset, b'{"n":%d}' % offset) for offset in range(3)]

    batch = reader().read(Fetched({"numtest": TOPIC}, {tp(0): ListedRecords(records), tp(1): ListedRecords(good)}))

    assert len(batch.partitions[tp(1)].operations) == 3
    assert [case.reason for case in REJECTED] == [reject.reason for reject in batch.partitions[tp(0)].rejects]


def test_the_same_bytes_get_the_same_outcome_again():
    for case in CORPUS:
        assert decoded(case.value) == decoded(case.value)


def test_case_names_are_unique():
    names = [str(case) for case in CORPUS]

    assert sorted(set(names)) == sorted(names)
    assert isinstance(CORPUS[0], Case)
