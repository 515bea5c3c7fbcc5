"""JSON: exactly what was sent, or a reject with its reason.

Two decoders: one for plain values, many at a time (`plain_json`), and a strict one that checks every token and is the only
source of reasons.
"""

from __future__ import annotations

import json
from typing import Any

from workers.formats.limits import INT64_MAX, INT64_MIN, Limits
from workers.formats.plain_json import PLAIN_BYTES, parse_plain, parse_together
from workers.types import RejectedError, RejectReason

INT64_DIGITS = 20


def parse_json(value: bytes | None, limits: Limits) -> dict[str, Any]:
    """The fields of a value that is one JSON object in UTF-8.

    Raises:
        RejectedError: for any other value; bad input raises no other error.
    """
    if (
        value is not None
        and len(value) > PLAIN_BYTES
        and (found := parse_together([value], limits, limits.value_bytes))
    ):
        return found[0]
    return parse_json_strict(value, limits)


def parse_json_strict(value: bytes | None, limits: Limits, decoder: json.JSONDecoder | None = None) -> dict[str, Any]:
    """The same as `parse_json`, by checking every token.

    Args: decoder: of another kind of JSON, whose hooks raise `RejectedError` as those here do.

    Raises:
        RejectedError: see `parse_json`.
    """
    if value is None:
        raise RejectedError(RejectReason.TOMBSTONE, "the value is null (a tombstone)")
    if len(value) > limits.value_bytes:
        raise RejectedError(
            RejectReason.TOO_LARGE, f"the value has {len(value)} bytes; the limit is {limits.value_bytes}"
        )
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RejectedError(RejectReason.NOT_UTF8, f"byte {error.start} is not UTF-8: {error.reason}") from None
    try:
        fields = (decoder or _JSON).decode(text)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise RejectedError(RejectReason.EMPTY, "the value is empty") from None
        raise RejectedError(RejectReason.NOT_JSON, f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise RejectedError(RejectReason.TOO_DEEP, f"nested deeper than {limits.depth} levels") from None
    if not isinstance(fields, dict):
        raise RejectedError(RejectReason.NOT_AN_OBJECT, f"the value is JSON, but no object: {type(fields).__name__}")
    if "_id" in fields:
        raise RejectedError(
            RejectReason.RESERVED_FIELD, "the value has a field _id; the id is made of topic, partition and offset"
        )
    _check_bounds(fields, limits)
    return fields


class Json:
    """The format `json`: see `workers.pipeline.decoder.Format`."""

    parse = staticmethod(parse_json)
    parse_plain = staticmethod(parse_plain)


def _check_bounds(fields: dict[str, Any], limits: Limits) -> None:
    values, depth, level = len(fields), 1, _containers(fields)
    while level:
        depth += 1
        if depth > limits.depth:
            raise RejectedError(RejectReason.TOO_DEEP, f"nested deeper than {limits.depth} levels")
        values += sum(map(len, level))
        level = [below for container in level for below in _containers(container)]
    if values > limits.fields:
        raise RejectedError(RejectReason.TOO_MANY_FIELDS, f"more than {limits.fields} fields and elements")


def _containers(container: dict[str, Any] | list[Any]) -> list[Any]:
    children = container.values() if type(container) is dict else container
    return [child for child in children if type(child) is dict or type(child) is list]


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, with good names that are all different."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RejectedError(RejectReason.DUPLICATE_FIELD, "an object has two fields of one name")
    for name in fields:
        if not name or name[0] == "$" or "." in name or "\0" in name:
            raise RejectedError(
                RejectReason.BAD_FIELD_NAME, "a field name is empty, begins with $, or contains a dot or a NUL"
            )
    return fields


def parse_integer(digits: str) -> int:
    """An integer of at most 64 bits."""
    if len(digits) <= INT64_DIGITS:
        number = int(digits)
        if INT64_MIN <= number <= INT64_MAX:
            return number
    raise RejectedError(RejectReason.INTEGER_OUT_OF_RANGE, "an integer needs more than 64 bits")


def parse_double(digits: str) -> float:
    """The double that is nearest, if it is not zero or infinite where the number is not."""
    number = float(digits)
    # A JSON number means its nearest double; rounding to 0 or infinity would change the value.
    if number in (float("inf"), float("-inf")) or (
        number == 0 and any(digit in "123456789" for digit in digits.lower().partition("e")[0])
    ):
        raise RejectedError(RejectReason.NUMBER_OUT_OF_RANGE, "a number is outside the range of a double")
    return number


def parse_constant(name: str) -> float:
    """What Python's decoder calls for NaN and Infinity."""
    raise RejectedError(RejectReason.NOT_JSON, f"{name} is not JSON")


_JSON = json.JSONDecoder(
    object_pairs_hook=object_of, parse_int=parse_integer, parse_float=parse_double, parse_constant=parse_constant
)
