"""One command for as many documents as the server takes in one message."""

from __future__ import annotations

import json
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import example, given
from hypothesis import strategies as st
from pymongo.errors import DocumentTooLarge

from workers.formats.json import Json
from workers.formats.limits import Limits
from workers.formats.plain_json import PLAIN_BYTES, parse_plain
from workers.formats.policies import Policies
from workers.settings import load
from workers.sinks.mongodb import insert_command
from workers.sinks.mongodb.client import Collections
from workers.sinks.mongodb.encoding import as_raw, encode, encode_plain
from workers.sinks.mongodb.insert_command import (
    BSON_PER_ELEMENT,
    BSON_PER_JSON,
    ID_BYTES,
    InsertCommand,
    bson_fits,
)
from workers.types import RejectedError

PREFIX = "t" * 249 + "-08b40071/1000000/"


@pytest.fixture
def command(server):
    server.refuses = lambda _collection, each: {"code": 121, "errmsg": "no"} if each.get("refused") else None
    collections = Collections(load(mongodb_uri=server.uri))
    yield InsertCommand(collections)
    collections.client.close()


def messages(server) -> list[int]:
    """The number of documents of each command that arrived."""
    return [count for _, count, _ in server.inserts]


def plain(count: int, size: int = 10) -> list[dict[str, Any]]:
    return [{"_id": f"x/{number}", "text": "x" * size, "refused": number % 1_000 == 999} for number in range(count)]


def values_of(count: int, size: int) -> list[bytes]:
    return [b"x" * size] * count


def test_what_is_near_the_limit_by_its_values_is_counted_and_not_encoded(server, command, monkeypatch):
    """5,000 documents of 1,000 bytes: eight times as much would be too much, and they are a third of it."""
    monkeypatch.setattr(insert_command, "as_raw", None)
    documents = [{"_id": f"x/{number}", "text": "x" * 970} for number in range(5_000)]

    command.send(documents, [b'{"text": "%s"}' % (b"x" * 970)] * 5_000)

    assert messages(server) == [5_000]


def test_what_the_server_takes_in_one_message_is_sent_in_one(server, command):
    failures = command.send(plain(5_000), values_of(5_000, 20))

    assert messages(server) == [5_000]
    assert [failure["index"] for failure in failures] == [999, 1_999, 2_999, 3_999, 4_999]


def test_a_batch_of_too_many_documents_is_divided_and_each_failure_has_its_place_in_the_batch(server, command):
    server.most_documents = 700

    failures = command.send(plain(5_000), values_of(5_000, 20))

    assert messages(server) == [700] * 7 + [100]
    assert [*server.collections["numtest"]] == [f"x/{number}" for number in range(5_000) if number % 1_000 != 999]
    assert [failure["index"] for failure in failures] == [999, 1_999, 2_999, 3_999, 4_999]


@pytest.mark.parametrize("values", [None, [b"x" * 9_000] * 60])
def test_a_batch_of_too_many_bytes_is_divided(server, command, values):
    server.largest_message = 100_000

    command.send(plain(60, size=9_000), values)

    assert [*server.collections["numtest"]] == [f"x/{number}" for number in range(60)]
    assert messages(server) == [10] * 6, "eleven and the command have 100.1 kB"


def test_a_command_is_never_larger_than_the_driver_sends_one(server, command):
    """It refuses a larger one, and closes the connection, though the server takes larger messages."""
    documents = [RawBSONDocument(bson.encode({"_id": number, "text": "x" * 1_000_000})) for number in range(20)]

    command.send(documents)

    assert messages(server) == [16, 4]


def test_the_largest_document_is_sent(server, command):
    empty = len(bson.encode({"_id": 1, "text": ""}))
    largest = RawBSONDocument(bson.encode({"_id": 1, "text": "x" * (16 * 1024 * 1024 - empty)}))

    command.send([*plain(3), largest, *plain(3)])

    assert sum(messages(server)) == 7


def test_a_document_that_the_server_does_not_take_is_found_before_anything_is_sent(server, command):
    large = RawBSONDocument(bson.encode({"_id": 1, "text": "x" * 200_000}))
    server.largest_message = 150_000

    with pytest.raises(DocumentTooLarge, match="has 200025 bytes; the server takes"):
        command.send([*plain(3), large])
    assert messages(server) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from([1e5, 0.5, "", "a"]),
    lambda inner: (
        st.lists(inner, max_size=30) | st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, max_size=9)
    ),
    max_leaves=200,
)


@given(VALUES)
def test_the_documents_of_plain_values_are_not_larger_than_is_assumed(value):
    _assert_bounded(json.dumps({"a": value}, separators=(",", ":")).encode())


@pytest.mark.parametrize("element", [b"0", b"[]", b"{}", b'""', b"1e5", b"true", b"null", b"[[]]", b'{"a":0}'])
def test_the_documents_of_the_worst_values_are_not_larger_either(element):
    count = (PLAIN_BYTES - 8) // (len(element) + 1)
    _assert_bounded(b'{"a":[%s]}' % b",".join([element] * count))


NAMES = st.text(st.sampled_from(".a%$"), min_size=1, max_size=9).filter(lambda name: name != "_id")


@given(
    st.recursive(
        st.sampled_from([0, 1.5, "", None, 2**64]),
        lambda inner: st.lists(inner, max_size=9) | st.dictionaries(NAMES, inner, max_size=9),
        max_leaves=90,
    ),
    st.sampled_from(["escape", "replace:12345678", "keep"]),
)
@example({"." * 5_000: 0}, "replace:12345678")
@example([0.5] * 2_000, "keep")
def test_the_documents_of_no_policy_are_larger_than_is_assumed(value, field_names):
    policies = Policies(
        field_names=field_names, decimals="decimal128", big_integers="decimal128", not_an_object="wrap:a"
    )
    assert policies.may_grow
    sent = json.dumps(value, separators=(",", ":")).encode()
    try:
        fields = Json(policies).parse_strict(sent, Limits(fields=2**31, depth=100))
    except RejectedError:
        # Two names would be one.
        return
    size = len(encode("", fields).raw)

    assert size <= ID_BYTES + BSON_PER_JSON * len(sent)
    assert not bson_fits([sent] * 9, 9 * BSON_PER_JSON * len(sent) - 1, may_grow=True)


def _assert_bounded(value: bytes) -> None:
    fields, others = parse_plain([value], Limits(fields=2**31, depth=100))
    assert not others
    (document,) = encode_plain(PREFIX, [2**63 - 1], fields)
    size = len(as_raw(document).raw) - ID_BYTES
    assert size <= BSON_PER_JSON * len(value)
    assert size <= len(value) + BSON_PER_ELEMENT * (value.count(b",") + value.count(b"{") + value.count(b"["))
    exact = len(bson.encode(fields[0]))
    assert not bson_fits([None, value, value], 2 * exact - 1)
    assert bson_fits([None, value, value], 2 * BSON_PER_JSON * len(value))
