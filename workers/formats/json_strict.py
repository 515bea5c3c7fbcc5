"""Bytes to document. Strict: what cannot be stored exactly as it was sent is a reject, with its reason.

Nothing here raises for bad input, and what comes out as a document is BSON already: whatever can fail about one
record has failed before its batch is written.
"""

from __future__ import annotations

import json
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from workers.formats.json_fast import parse_json_fast
from workers.formats.limits import INT64_MAX, INT64_MIN, Limits
from workers.types import Batch, Document, Fetched, Record, Reject, RejectReason, TopicIdentity

INT64_DIGITS = 20
MAX_BSON_BYTES = 16 * 1024 * 1024
"""What a MongoDB server accepts as one document (its `maxBsonObjectSize`)."""


class _RejectedError(Exception):
    def __init__(self, reason: RejectReason, error: str) -> None:
        self.reason = reason
        self.error = error
        super().__init__(error)


def decode_batch(fetched: Fetched, limits: Limits) -> Batch:
    """Decode what one poll returned, by partition in offset order, into the batch to be written."""
    topic = fetched.topic
    batch = Batch(topic, fetched.assignment_epoch, [], [], dict(fetched.skipped), dict(fetched.skipped))
    for partition, records in fetched.records.items():
        batch.first_offsets[partition] = records[0].offset
        batch.next_offsets[partition] = records[-1].offset + 1
        for record in records:
            outcome = _condemn(record, topic) if fetched.quarantined else decode_record(record, topic, limits)
            if isinstance(outcome, Document):
                batch.documents.append(outcome)
            else:
                batch.rejects.append(outcome)
    return batch


def _condemn(record: Record, topic: TopicIdentity) -> Reject:
    return Reject(
        topic.document_id(record.partition, record.offset),
        RejectReason.KILLED_WORKER,
        "workers died each time they decoded it",
        record,
    )


def decode_record(record: Record, topic: TopicIdentity, limits: Limits) -> Document | Reject:
    """The document that a record becomes, or the reason why it becomes none."""
    return decode_as(topic.document_id(record.partition, record.offset), record, limits)


def decode_as(document_id: str, record: Record, limits: Limits) -> Document | Reject:
    """The same, under an id that is given."""
    try:
        fields = parse_json(record.value, limits)
        return Document(document_id, RawBSONDocument(_encode(document_id, fields)), record)
    except _RejectedError as rejected:
        return Reject(document_id, rejected.reason, rejected.error, record)


def parse_json(value: bytes | None, limits: Limits) -> dict[str, Any]:
    """The fields of a value that is one JSON object in UTF-8.

    Raises:
        _RejectedError: with the reason code, for anything else.
    """
    if value is None:
        raise _RejectedError(RejectReason.TOMBSTONE, "the value is null (a tombstone)")
    return parse_json_fast(value, limits) or parse_json_strict(value, limits)


def parse_json_strict(value: bytes, limits: Limits) -> dict[str, Any]:
    """What `parse_json` says, by looking at every token.

    Raises:
        _RejectedError: see `parse_json`.
    """
    if len(value) > limits.value_bytes:
        raise _RejectedError(
            RejectReason.TOO_LARGE, f"the value has {len(value)} bytes; the limit is {limits.value_bytes}"
        )
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _RejectedError(RejectReason.NOT_UTF8, f"byte {error.start} is not UTF-8: {error.reason}") from None
    try:
        fields = _JSON.decode(text)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise _RejectedError(RejectReason.EMPTY, "the value is empty") from None
        raise _RejectedError(RejectReason.NOT_JSON, f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _RejectedError(RejectReason.TOO_DEEP, f"nested deeper than {limits.depth} levels") from None
    if not isinstance(fields, dict):
        raise _RejectedError(RejectReason.NOT_AN_OBJECT, f"the value is JSON, but no object: {type(fields).__name__}")
    if "_id" in fields:
        raise _RejectedError(
            RejectReason.RESERVED_FIELD, "the value has a field _id; ids are made of the record's place"
        )
    _check_bounds(fields, limits)
    return fields


def _check_bounds(fields: dict[str, Any], limits: Limits) -> None:
    seen, depth, level = len(fields), 1, _containers(fields)
    while level:
        depth += 1
        if depth > limits.depth:
            raise _RejectedError(RejectReason.TOO_DEEP, f"nested deeper than {limits.depth} levels")
        seen += sum(map(len, level))
        level = [below for container in level for below in _containers(container)]
    if seen > limits.fields:
        raise _RejectedError(RejectReason.TOO_MANY_FIELDS, f"more than {limits.fields} fields and elements")


def _containers(container: dict[str, Any] | list[Any]) -> list[Any]:
    children = container.values() if type(container) is dict else container
    return [child for child in children if type(child) is dict or type(child) is list]


def _encode(document_id: str, fields: dict[str, Any]) -> bytes:
    try:
        encoded = bson.encode({"_id": document_id, **fields})
    except UnicodeEncodeError:
        raise _RejectedError(RejectReason.BAD_STRING, "a string holds half of a surrogate pair") from None
    except (BSONError, OverflowError, RecursionError) as error:
        raise _RejectedError(RejectReason.REFUSED_BY_SERVER, f"BSON cannot hold it: {type(error).__name__}") from None
    if len(encoded) > MAX_BSON_BYTES:
        raise _RejectedError(
            RejectReason.TOO_LARGE, f"the document has {len(encoded)} bytes; MongoDB takes {MAX_BSON_BYTES}"
        )
    return encoded


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _RejectedError(RejectReason.DUPLICATE_FIELD, "a field name stands twice in one object")
    for name in fields:
        if not name or name[0] == "$" or "." in name or "\0" in name:
            raise _RejectedError(
                RejectReason.BAD_FIELD_NAME, "a field name is empty, begins with $, or holds a dot or a NUL"
            )
    return fields


def _integer(digits: str) -> int:
    if len(digits) <= INT64_DIGITS:
        number = int(digits)
        if INT64_MIN <= number <= INT64_MAX:
            return number
    raise _RejectedError(RejectReason.INTEGER_OUT_OF_RANGE, "an integer needs more than 64 bits")


def _double(digits: str) -> float:
    number = float(digits)
    # Rounding to the nearest double is what JSON numbers mean; becoming 0 or infinity is a change of the value.
    if number in (float("inf"), float("-inf")) or (
        number == 0 and any(digit in "123456789" for digit in digits.lower().partition("e")[0])
    ):
        raise _RejectedError(RejectReason.NUMBER_OUT_OF_RANGE, "a number is outside the range of a double")
    return number


def _constant(name: str) -> float:
    raise _RejectedError(RejectReason.NOT_JSON, f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_double, parse_constant=_constant)
