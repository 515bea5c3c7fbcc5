"""Text and bytes: the value as it is, in one field, and nothing else of it is looked at."""

from __future__ import annotations

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.batches import TOPIC, Encoding
from tests.support.fake_broker import FakeRecord
from workers.formats.binary import Binary
from workers.formats.limits import Limits
from workers.formats.plain_json import PLAIN_BYTES
from workers.formats.text import Text
from workers.pipeline.decoder import Decoder, Format
from workers.sinks.mongodb.encoding import as_raw, encode_plain
from workers.types import Insert, Reject, RejectReason

LIMITS = Limits(value_bytes=2 * PLAIN_BYTES)
PREFIX = TOPIC.partition_prefix(0)
FORMATS = [Text("line"), Binary("line")]
VALUES = st.none() | st.binary(max_size=20) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace"))


def decoded(format_: Format, value: bytes | None) -> Insert | Reject:
    return Decoder(format_, Encoding(), LIMITS).decode(f"{PREFIX}0", FakeRecord(0, 0, value))


def stored(format_: Format, value: bytes) -> object:
    insert = decoded(format_, value)
    assert isinstance(insert, Insert)
    return bson.decode(insert.document.raw)


@given(VALUES.filter(lambda value: value is not None))
def test_what_is_stored_gives_the_bytes_back(value: bytes) -> None:
    assert stored(FORMATS[1], value) == {"_id": f"{PREFIX}0", "line": value}
    text = decoded(FORMATS[0], value)
    if isinstance(text, Insert):
        assert bson.decode(text.document.raw)["line"].encode() == value
    else:
        assert text.reason == RejectReason.NOT_UTF8
        with pytest.raises(UnicodeDecodeError):
            value.decode()


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"", ""), (b"\xef\xbb\xbfa", "\ufeffa"), (b"a\0b\r\n", "a\0b\r\n"), ("\U0001f600".encode(), "\U0001f600")],
)
def test_of_a_text_nothing_is_left_out(value: bytes, text: str) -> None:
    assert stored(FORMATS[0], value) == {"_id": f"{PREFIX}0", "line": text}


@pytest.mark.parametrize("format_", FORMATS)
def test_a_tombstone_and_a_value_that_is_too_large_are_rejects(format_: Format) -> None:
    for value, reason in ((None, RejectReason.TOMBSTONE), (b"x" * (2 * PLAIN_BYTES + 1), RejectReason.TOO_LARGE)):
        reject = decoded(format_, value)
        assert isinstance(reject, Reject)
        assert reject.reason == reason


def test_half_a_character_is_no_text_and_its_place_is_told() -> None:
    reject = decoded(FORMATS[0], b"ab\xc3")
    assert isinstance(reject, Reject)
    assert (reject.reason, reject.error) == (RejectReason.NOT_UTF8, "byte 2 is not UTF-8: unexpected end of data")


@pytest.mark.parametrize("format_", FORMATS)
@given(st.lists(VALUES | st.just(b"x" * (PLAIN_BYTES + 1)), max_size=6))
def test_many_at_once_are_what_each_is_alone(format_: Format, values: list[bytes | None]) -> None:
    found, others = format_.parse_plain(values, LIMITS)
    documents = encode_plain(PREFIX, [0] * len(values), found)

    for index, value in enumerate(values):
        alone = decoded(format_, value)
        # What is large is plain as little as what is a reject: see `PLAIN_BYTES`.
        assert (index in others) == (isinstance(alone, Reject) or len(value or b"") > PLAIN_BYTES)
        if index not in others:
            assert isinstance(alone, Insert)
            assert as_raw(documents[index]).raw == alone.document.raw
