"""A key is stored by its format, or as its bytes, and never makes a record a dead letter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson import Decimal128, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from tests.support.json_values import ALMOST_JSON
from workers.formats import keys
from workers.formats.extended_json import ExtendedJson
from workers.formats.json import Json
from workers.sinks.mongodb.encoding import encode

JSON, EXTENDED = keys.as_json(Json().parse), keys.as_json(ExtendedJson().parse)


@pytest.mark.parametrize(
    ("decode", "key", "stored"),
    [
        (keys.as_bytes, b"42", b"42"),
        (keys.as_text, "stra\u00dfe".encode(), "stra\u00dfe"),
        (keys.as_text, b"", ""),
        (keys.as_text, b"\xff", b"\xff"),
        (JSON, b"42", 42),
        (JSON, b' "a" ', "a"),
        (JSON, b"null", None),
        (JSON, b'{"_id": 7, "list": [1.5]}', {"_id": 7, "list": [1.5]}),
        (JSON, b'"\\ud83d\\ude00"', "\U0001f600"),
        # What is no JSON, or has no exact form, is what it was.
        (JSON, b"", b""),
        (JSON, b"a", b"a"),
        (JSON, b"18446744073709551616", b"18446744073709551616"),
        (JSON, b'{"a.b": 1}', b'{"a.b": 1}'),
        (JSON, b'"\\ud800"', b'"\\ud800"'),
        (JSON, b'1,"another":2', b'1,"another":2'),
        (JSON, b'1,"key":2', b'1,"key":2'),
        (JSON, b"1}", b"1}"),
        (JSON, b"[" * 100_000, b"[" * 100_000),
        (JSON, b'{"$oid": "65a1b2c3d4e5f60718293a4b"}', b'{"$oid": "65a1b2c3d4e5f60718293a4b"}'),
        (EXTENDED, b'{"$oid": "65a1b2c3d4e5f60718293a4b"}', ObjectId("65a1b2c3d4e5f60718293a4b")),
        (EXTENDED, b'{"n": {"$numberDecimal": "1.10"}}', {"n": Decimal128("1.10")}),
        (EXTENDED, b'{"$oid": "x"}', b'{"$oid": "x"}'),
        (EXTENDED, b'{"$code": "\\ud800"}', b'{"$code": "\\ud800"}'),
    ],
)  # fmt: skip
def test_a_key_is_what_it_is_or_its_bytes(decode: Callable[[bytes], Any], key: bytes, stored: object) -> None:
    assert decode(key) == stored
    assert type(decode(key)) is type(stored)


@given(ALMOST_JSON | st.binary(max_size=20))
def test_whatever_a_key_is_a_document_can_hold_it(key: bytes) -> None:
    for decode in (keys.as_bytes, keys.as_text, JSON, EXTENDED):
        stored = encode("x", {"key": decode(key)}).raw
        # As the driver encodes it, for the plain way.
        assert bson.encode({"_id": "x", "key": decode(key)}) == stored
