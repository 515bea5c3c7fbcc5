"""Extended JSON: what the driver writes is read as the same value, and what has no exact form is a reject with its reason."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp, json_util
from bson.codec_options import CodecOptions
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.corpus import CORPUS
from tests.support.batches import TOPIC, Encoding
from tests.support.fake_broker import FakeRecord
from tests.support.json_values import ALMOST_JSON, NAMES, SCALARS
from workers.formats.extended_json import ExtendedJson
from workers.formats.json import parse_json_strict
from workers.formats.limits import Limits
from workers.formats.plain_json import PLAIN_BYTES
from workers.formats.policies import Policies
from workers.pipeline.decoder import Decoder
from workers.sinks.mongodb.encoding import as_raw, encode, encode_plain
from workers.types import Insert, RejectedError, RejectReason

PREFIX = TOPIC.partition_prefix(0)
LIMITS = Limits()
FORMAT = ExtendedJson()
R = RejectReason
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda each: len(each.as_tuple().digits) <= 34 and -6100 < each.as_tuple().exponent < 6000
)
TYPES = st.one_of(
    st.binary(max_size=20),
    st.builds(Binary, st.binary(max_size=20), st.sampled_from([1, 2, 3, 4, 5, 6, 9, 128, 255])),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.integers(-(2**63), 2**63 - 1).map(DatetimeMS),
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31)).map(  # noqa: DTZ001
        lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000)
    ),
    DECIMALS.map(Decimal128),
    st.sampled_from([Decimal128("Infinity"), Decimal128("-Infinity"), Decimal128("NaN"), MinKey(), MaxKey()]),
    st.sampled_from([float("inf"), float("-inf")]),
    st.builds(Timestamp, st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.builds(
        Regex,
        TEXT.filter(lambda each: "\0" not in each),
        st.sampled_from([0, re.IGNORECASE, re.IGNORECASE | re.MULTILINE | re.DOTALL | re.VERBOSE]),
    ),
    TEXT.map(Code),
)
VALUES = st.recursive(
    SCALARS | TYPES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)
OBJECTS = st.dictionaries(NAMES.filter(lambda name: name != "_id"), VALUES, max_size=6)
MS = CodecOptions(datetime_conversion=bson.DatetimeConversion.DATETIME_MS)


def parse(text: str | bytes) -> dict[str, Any]:
    return FORMAT.parse(text.encode() if isinstance(text, str) else text, LIMITS)


def reason(text: str) -> RejectReason:
    with pytest.raises(RejectedError) as found:
        parse(text)
    assert "\n" not in found.value.error
    return found.value.reason


@given(OBJECTS)
def test_what_the_driver_writes_canonically_is_stored_as_the_same_bytes(fields: dict[str, Any]) -> None:
    raw = bson.encode(fields)
    # In the form in which a reader has it: dates of any year, and integers by their size.
    text = json_util.dumps(bson.decode(raw, MS), json_options=json_util.CANONICAL_JSON_OPTIONS)

    assert bson.encode(parse(text)) == raw


@given(OBJECTS)
def test_what_the_driver_writes_relaxed_is_read_as_the_driver_reads_it(fields: dict[str, Any]) -> None:
    text = json_util.dumps(bson.decode(bson.encode(fields), MS), json_options=json_util.RELAXED_JSON_OPTIONS)
    options = json_util.JSONOptions(datetime_conversion=bson.DatetimeConversion.DATETIME_MS)

    assert bson.encode(parse(text)) == bson.encode(json_util.loads(text, json_options=options))


@given(ALMOST_JSON | st.binary(max_size=30))
def test_no_bytes_raise_anything_but_a_reject(value: bytes) -> None:
    decoder = Decoder(FORMAT, Encoding(), LIMITS)
    for each in (value, b'{"a": {"$date": %b}}' % value, b'{"a": {"$numberDecimal": "%b"}}' % value):
        outcome = decoder.decode(f"{PREFIX}0", FakeRecord(0, 0, each))
        assert isinstance(outcome, Insert) or "\n" not in outcome.error


@given(st.text(st.sampled_from(list("0123456789+-.eE_ \u0660NaInfity")), max_size=12))
def test_a_number_in_a_text_is_exact_or_rejected(digits: str) -> None:
    for name in ("$numberLong", "$numberInt", "$numberDouble", "$numberDecimal"):
        try:
            found = parse(json.dumps({"n": {name: digits}}))["n"]
        except RejectedError:
            continue
        assert re.fullmatch("[-+.0-9eE]+|-?Infinity|NaN", digits)
        if name == "$numberDecimal" and digits not in ("NaN", "Infinity", "-Infinity"):
            assert found.to_decimal() == Decimal(digits)
        elif name.startswith("$numberDouble"):
            assert str(found) == str(float(digits))
        elif name != "$numberDecimal":
            assert found == int(digits)


@pytest.mark.parametrize("case", CORPUS, ids=str)
def test_json_without_a_name_that_begins_with_a_dollar_is_what_it_is_as_json(case: Any) -> None:
    def outcome(parse_: Any) -> Any:
        try:
            return encode("x", parse_(case.value, LIMITS)).raw
        except RejectedError as rejected:
            return rejected.reason

    assert outcome(FORMAT.parse) == outcome(parse_json_strict)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"$oid": "65A1b2c3d4e5f60718293a4b"}', ObjectId("65a1b2c3d4e5f60718293a4b")),
        ('{"$numberLong": "5"}', Int64(5)),
        ('{"$numberInt": "-2147483648"}', -(2**31)),
        ('{"$numberDouble": "1e-3"}', 0.001),
        ('{"$numberDecimal": "19.90"}', Decimal128("19.90")),
        ('{"$date": "2026-11-27T12:00:00.120+01:00"}', DatetimeMS(1_795_777_200_120)),
        ('{"$date": "0001-01-01T00:00:00+01:00"}', DatetimeMS(-62_135_600_400_000)),
        ('{"$date": "2026-11-27T11:00:00.120000Z"}', DatetimeMS(1_795_777_200_120)),
        ('{"$date": {"$numberLong": "9223372036854775807"}}', DatetimeMS(2**63 - 1)),
        # As Kafka Connect's source for MongoDB writes them by default.
        ('{"$date": 1795777200120}', DatetimeMS(1_795_777_200_120)),
        ('{"$binary": "/w==", "$type": "00"}', b"\xff"),
        ('{"$uuid": "c8edabc3-f738-4ca3-b68d-ab92a91478a3"}', Binary(bytes.fromhex("c8edabc3f7384ca3b68dab92a91478a3"), 4)),
        ('{"$ref": "orders", "$id": {"$oid": "65a1b2c3d4e5f60718293a4b"}, "x": 1}', {"$ref": "orders", "$id": ObjectId("65a1b2c3d4e5f60718293a4b"), "x": 1}),
    ],
)  # fmt: skip
def test_each_type_is_stored_exactly(text: str, value: object) -> None:
    assert bson.encode(parse(f'{{"v": {text}}}')) == bson.encode({"v": value})


def test_the_error_says_what_a_document_cannot_hold() -> None:
    with pytest.raises(RejectedError, match=r"^a \$date is finer than a millisecond"):
        parse('{"v": {"$date": "2026-11-27T12:00:00.1234Z"}}')
    with pytest.raises(RejectedError, match=r"^\$date does not stand as Extended JSON defines it"):
        parse('{"v": {"$date": "2026-11-27"}}')


def test_a_double_that_is_no_number_is_stored_as_it_is() -> None:
    assert str(parse('{"n": {"$numberDouble": "NaN"}}')["n"]) == "nan"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"$oid": "65a1b2c3d4e5f60718293a4"}', R.NOT_EXTENDED_JSON),
        ('{"$oid": "65a1b2c3d4e5f60718293a4b", "more": 1}', R.NOT_EXTENDED_JSON),
        ('{"$oid": 5}', R.NOT_EXTENDED_JSON),
        ('{"$oid": "65a1b2c3d4e5f60718293a4b", "$oid": "65a1b2c3d4e5f60718293a4b"}', R.DUPLICATE_FIELD),
        ('{"$numberLong": "9223372036854775808"}', R.INTEGER_OUT_OF_RANGE),
        ('{"$numberLong": "' + "9" * 5000 + '"}', R.INTEGER_OUT_OF_RANGE),
        ('{"$numberLong": 5}', R.NOT_EXTENDED_JSON),
        ('{"$numberInt": "2147483648"}', R.INTEGER_OUT_OF_RANGE),
        ('{"$numberDouble": "1e400"}', R.NUMBER_OUT_OF_RANGE),
        ('{"$numberDouble": "1e-400"}', R.NUMBER_OUT_OF_RANGE),
        ('{"$numberDecimal": "1.0000000000000000000000000000000001e1"}', R.NUMBER_OUT_OF_RANGE),
        ('{"$numberDecimal": "1e7000"}', R.NUMBER_OUT_OF_RANGE),
        ('{"$numberDecimal": "1e-7000"}', R.NUMBER_OUT_OF_RANGE),
        ('{"$numberDecimal": "' + "1" * 100_000 + '"}', R.NUMBER_OUT_OF_RANGE),
        ('{"$date": "2026-11-27T12:00:00.1234Z"}', R.NOT_EXTENDED_JSON),
        ('{"$date": "2026-11-27T12:00:00"}', R.NOT_EXTENDED_JSON),
        ('{"$date": "2026-02-30T12:00:00Z"}', R.NOT_EXTENDED_JSON),
        ('{"$date": "2026-11-27"}', R.NOT_EXTENDED_JSON),
        ('{"$date": {"$numberLong": "9223372036854775808"}}', R.INTEGER_OUT_OF_RANGE),
        ('{"$date": 1.5}', R.NOT_EXTENDED_JSON),
        ('{"$date": true}', R.NOT_EXTENDED_JSON),
        ('{"$binary": {"base64": "/w=", "subType": "00"}}', R.NOT_EXTENDED_JSON),
        ('{"$binary": {"base64": "/w==\\n", "subType": "00"}}', R.NOT_EXTENDED_JSON),
        ('{"$binary": {"base64": "/w==", "subType": "100"}}', R.NOT_EXTENDED_JSON),
        ('{"$binary": {"base64": "/w=="}}', R.NOT_EXTENDED_JSON),
        ('{"$timestamp": {"t": 4294967296, "i": 1}}', R.NOT_EXTENDED_JSON),
        ('{"$timestamp": {"t": true, "i": 1}}', R.NOT_EXTENDED_JSON),
        ('{"$timestamp": {"t": 0, "i": 0}}', R.NOT_EXTENDED_JSON),
        ('{"$regularExpression": {"pattern": "a", "options": "xi"}}', R.NOT_EXTENDED_JSON),
        ('{"$regularExpression": {"pattern": "a", "options": "g"}}', R.NOT_EXTENDED_JSON),
        ('{"$regularExpression": {"pattern": "a\\u0000", "options": ""}}', R.NOT_EXTENDED_JSON),
        ('{"$regularExpression": {"pattern": "\\ud800", "options": ""}}', R.BAD_STRING),
        ('{"$regex": "a", "$options": "i"}', R.NOT_EXTENDED_JSON),
        ('{"$code": "x", "$scope": {}}', R.NOT_EXTENDED_JSON),
        ('{"$symbol": "x"}', R.NOT_EXTENDED_JSON),
        ('{"$undefined": true}', R.NOT_EXTENDED_JSON),
        ('{"$dbPointer": {"$ref": "a", "$id": {"$oid": "65a1b2c3d4e5f60718293a4b"}}}', R.NOT_EXTENDED_JSON),
        ('{"$id": 1, "$ref": "a"}', R.NOT_EXTENDED_JSON),
        ('{"$ref": 1, "$id": "a"}', R.NOT_EXTENDED_JSON),
        ('{"$ref": "a", "$id": 1, "x.y": 1}', R.BAD_FIELD_NAME),
        ('{"$minKey": true}', R.NOT_EXTENDED_JSON),
        ('{"$maxKey": 2}', R.NOT_EXTENDED_JSON),
        ('{"$inc": {"a": 1}}', R.BAD_FIELD_NAME),
        ('{"a": 1, "$inc": 1}', R.BAD_FIELD_NAME),
        ('{"a.b": 1}', R.BAD_FIELD_NAME),
        ("9223372036854775808", R.INTEGER_OUT_OF_RANGE),
        ("NaN", R.NOT_JSON),
    ],
)  # fmt: skip
def test_what_has_no_exact_form_is_a_reject(text: str, expected: RejectReason) -> None:
    assert reason(f'{{"v": {text}}}') == expected


def test_the_value_itself_is_an_object_with_names_of_its_own() -> None:
    assert reason('{"$oid": "65a1b2c3d4e5f60718293a4b"}') == R.NOT_AN_OBJECT
    assert reason('{"$ref": "a", "$id": 1}') == R.BAD_FIELD_NAME
    assert reason('{"_id": {"$oid": "65a1b2c3d4e5f60718293a4b"}}') == R.RESERVED_FIELD
    # A server replaces one at the top only.
    assert parse('{"a": [{"$timestamp": {"t": 0, "i": 0}}]}') == {"a": [Timestamp(0, 0)]}


@given(st.lists(st.sampled_from([b'{"a": 1}', b'{"a": {"$numberLong": "1"}}', b'{"a": "$"}', b'{"a": "\\u0024"}', b"x", b'{"$a": 1}', b'{"\\u0024oid": 1}', None]), max_size=8))  # fmt: skip
def test_many_at_once_are_what_each_is_alone(values: list[bytes | None]) -> None:
    found, others = FORMAT.parse_plain(values, LIMITS)
    documents = encode_plain(PREFIX, range(len(values)), found)
    decoder = Decoder(FORMAT, Encoding(), LIMITS)

    assert others == sorted(set(others))
    for index, value in enumerate(values):
        if index not in others:
            alone = decoder.decode(f"{PREFIX}{index}", FakeRecord(0, index, value))
            assert isinstance(alone, Insert)
            assert as_raw(documents[index]).raw == alone.document.raw


def test_values_without_a_type_take_the_plain_way_beside_others() -> None:
    values = [b'{"a": 1}', b'{"a": {"$numberLong": "1"}}'] * 300

    found, others = FORMAT.parse_plain(values, LIMITS)

    assert others == [*range(1, 600, 2)]
    assert found[::2] == [{"a": 1}] * 300


@pytest.mark.parametrize("names", ["reject", "keep", "escape", "replace:_"])
@pytest.mark.parametrize("padding", [0, PLAIN_BYTES])
def test_a_policy_for_names_leaves_the_types_alone(names: str, padding: int) -> None:
    """In the plain way, in the strict way, and in the one of values that are large."""
    format_ = ExtendedJson(Policies(field_names=names))
    value = b'{"n": {"$numberLong": "1"}, "of": {"$date": {"$numberLong": "1"}}, "x": "%b"}' % (b"x" * padding)

    fields, others = format_.parse_plain([value], LIMITS)

    assert (others, fields) == ([0], [{}])
    assert bson.encode(format_.parse(value, LIMITS)) == bson.encode(
        {"n": Int64(1), "of": DatetimeMS(1), "x": "x" * padding}
    )


def test_names_and_numbers_that_are_no_types_are_as_a_policy_says() -> None:
    format_ = ExtendedJson(Policies(field_names="escape", big_integers="decimal128"))
    value = b'{"a.b": {"$inc": 18446744073709551616}, "d": {"$ref": "a", "$id": 1, "x.y": 2}}'

    assert format_.parse(value, LIMITS) == {
        "a%2Eb": {"%24inc": Decimal(18446744073709551616)},
        "d": {"$ref": "a", "$id": 1, "x%2Ey": 2},
    }
    with pytest.raises(RejectedError) as found:
        format_.parse(b'{"v": {"$oid": "x"}}', LIMITS)
    assert found.value.reason == R.NOT_EXTENDED_JSON
