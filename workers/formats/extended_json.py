"""MongoDB's Extended JSON, version 2: https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/

JSON in which an object such as `{"$date": "2026-11-27T12:00:00Z"}` is a value of a type that JSON does not have. Canonical and
relaxed may stand beside each other. Of version 1 it takes what tools write to this day and what can mean one thing only:
`{"$date": <milliseconds>}` and `{"$binary": "...", "$type": "00"}`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bson import Timestamp

from workers.formats import plain_json
from workers.formats.extended_types import NAMES, TYPES, malformed, not_exact
from workers.formats.json import object_of, parse_constant, parse_double, parse_integer, parse_json_strict
from workers.types import RejectedError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.formats.limits import Limits

WRAPPER = b'"$'
"""What a value has in which something is not as it is in JSON, and a plain value has not, or only within a text."""


class ExtendedJson:
    """The format `extended_json`: see `workers.pipeline.decoder.Format`."""

    @staticmethod
    def parse(value: bytes | None, limits: Limits) -> dict[str, Any]:
        fields = parse_json_strict(value, limits, _JSON)
        for name, content in fields.items():
            if name[0] == "$":
                raise RejectedError(RejectReason.BAD_FIELD_NAME, "a field name begins with $")
            if type(content) is Timestamp and content.time == content.inc == 0:
                raise not_exact("a timestamp of zero at the top of a document is replaced by the time of the server")
        return fields

    @staticmethod
    def parse_plain(values: Sequence[bytes | None], limits: Limits) -> tuple[list[dict[str, Any]], list[int]]:
        """What is plain JSON is plain here too: it has no name that begins with $."""
        plain = [index for index, value in enumerate(values) if value is None or WRAPPER not in value]
        if len(plain) == len(values):
            return plain_json.parse_plain(values, limits)
        found: list[dict[str, Any]] = [{} for _ in values]
        fields, not_plain = plain_json.parse_plain([values[index] for index in plain], limits)
        for index, each in zip(plain, fields, strict=True):
            found[index] = each
        others = set(range(len(values))).difference(plain).union(plain[index] for index in not_plain)
        return found, sorted(others)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    names = {name for name, _ in pairs if name[:1] == "$"}
    if not names:
        return object_of(pairs)
    if len({name for name, _ in pairs}) != len(pairs):
        raise RejectedError(RejectReason.DUPLICATE_FIELD, "an object has two fields of one name")
    if "$ref" in names:
        return _reference(pairs)
    fields = dict(pairs)
    make = TYPES.get(frozenset(fields))
    if make is None:
        if known := sorted(names & NAMES):
            raise malformed(known[0])
        raise RejectedError(RejectReason.BAD_FIELD_NAME, "a field name begins with $, and is none of Extended JSON")
    try:
        return make(*fields.values()) if len(fields) == 1 else make(fields)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        raise malformed(min(names)) from None


def _reference(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A DBRef, which is no type of BSON, but an object: https://www.mongodb.com/docs/manual/reference/database-references/"""
    fields = dict(pairs)
    order = [name for name in fields if name[:1] == "$"]
    texts = [fields["$ref"], fields.get("$db", "")]
    if (
        order not in (["$ref", "$id"], ["$ref", "$id", "$db"])
        or [*fields][: len(order)] != order
        or {*map(type, texts)} != {str}
    ):
        raise malformed("$ref")
    object_of([pair for pair in pairs if pair[0] not in order])
    return fields


_JSON = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=parse_integer, parse_float=parse_double, parse_constant=parse_constant
)
