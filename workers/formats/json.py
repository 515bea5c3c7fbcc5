"""JSON: exactly what was sent, or a reject with its reason.

Two decoders: one for plain values, many at a time, and a strict one that checks every token and is the only source of reasons.
The plain one takes values only if the result and the bytes prove that it is exactly what was sent: orjson rounds large
integers to doubles, and keeps the last of two fields of one name, without an error.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from workers.formats.limits import INT64_MAX, INT64_MIN, Limits
from workers.types import RejectedError, RejectReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INT64_DIGITS = 20
MIN_DOUBLE, MAX_DOUBLE = 1e-300, 9e18
"""A double between them is neither an integer of more than 64 bits nor a number too small for a double."""
PLAIN_BYTES = 64 * 1024
"""The size of the largest plain value: as a document it is far below every limit of size of a database."""
LOOKED_AT_TOGETHER = 256
"""Values. What is done once for all of them costs little for each; and if one is not plain, they are divided in halves."""
BYTES_TOGETHER = 1024 * 1024
"""So many at most, for the memory that it takes."""
LEAST_BYTES = 2
"""Of a field's value or an array's element in JSON, with the comma or bracket that follows: `0,`."""


def parse_json(value: bytes | None, limits: Limits) -> dict[str, Any]:
    """The fields of a value that is one JSON object in UTF-8.

    Raises:
        RejectedError: for any other value; bad input raises no other error.
    """
    found = _plain([value], limits, limits.value_bytes)
    return found[0] if found else parse_json_strict(value, limits)


def parse_plain(values: Sequence[bytes | None], limits: Limits) -> tuple[list[dict[str, Any]], list[int]]:
    """The fields of each value that is plain: one JSON object of at most `PLAIN_BYTES`, without anything that needs a look
    at each token, a backslash or a number near the limits of a double for example.

    So all its strings are valid Unicode without half surrogates, and its integers have at most 64 bits.

    Returns:
        The fields by value, {} for those that are not plain; and the indexes of these, for the strict decoder.
    """
    found: list[dict[str, Any]] = []
    others: list[int] = []
    for first in range(0, len(values), LOOKED_AT_TOGETHER):
        _parse_into(found, others, values[first : first + LOOKED_AT_TOGETHER], limits)
    return found, others


def _parse_into(found: list[dict[str, Any]], others: list[int], values: Sequence[bytes | None], limits: Limits) -> None:
    plain = _plain(values, limits, PLAIN_BYTES)
    if plain is not None:
        found += plain
    elif len(values) == 1:
        others.append(len(found))
        found.append({})
    else:
        middle = len(values) // 2
        _parse_into(found, others, values[:middle], limits)
        _parse_into(found, others, values[middle:], limits)


def _plain(values: Sequence[bytes | None], limits: Limits, most_bytes: int) -> list[dict[str, Any]] | None:
    """The fields of these values; None: at least one of them is not plain.

    All are looked at together, level by level of their nesting, so that nearly all of it is done by a few calls into C.
    """
    try:
        # A tombstone is None, which has no length.
        sizes = [*map(len, values)]  # type: ignore[arg-type]
        longest = max(sizes)
        if longest > min(limits.value_bytes, most_bytes) or (sum(sizes) > BYTES_TOGETHER and len(values) > 1):
            return None
        text = b"".join(values)  # type: ignore[arg-type]
        if b"\\" in text:
            return None
        found = [*map(orjson.loads, values)]  # type: ignore[arg-type]
    except (TypeError, orjson.JSONDecodeError):
        return None
    if {*map(type, found)} != {dict}:
        return None
    quotes = count = depth = 0
    objects: list[dict[str, Any]] = found
    arrays: list[list[Any]] = []
    while objects or arrays:
        depth += 1
        names = set().union(*objects)
        if not _are_good(names) or (depth == 1 and "_id" in names):
            return None
        children = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(arrays)]
        kinds = [*map(type, children)]
        count += len(children)
        quotes += 2 * (sum(map(len, objects)) + kinds.count(str))
        if not (_are_integers_exact(children, kinds) and _are_doubles_exact(children, kinds)):
            return None
        objects = [each for each in children if type(each) is dict] if dict in kinds else []
        arrays = [each for each in children if type(each) is list] if list in kinds else []
    # Without a backslash each name and each string has two quotes in its value, and there are no others. A value of which a
    # duplicate field was dropped has fewer in the result, and none has more: so it shows in the sum of all of them.
    if quotes != text.count(b'"') or depth > limits.depth:
        return None
    # Each value for itself has too few bytes for too many fields, or is alone, or they are divided until it is.
    return None if count > limits.fields and longest > LEAST_BYTES * limits.fields else found


def _are_good(names: Iterable[str]) -> bool:
    """Whether each can be the name of a field. Without a backslash none has a control character."""
    return all(name.isidentifier() or (name and name[0] != "$" and "." not in name) for name in names)


def _are_integers_exact(children: Sequence[Any], kinds: Sequence[type]) -> bool:
    if int not in kinds:
        return True
    integers = [each for each in children if type(each) is int]
    return min(integers) >= INT64_MIN and max(integers) <= INT64_MAX


def _are_doubles_exact(children: Sequence[Any], kinds: Sequence[type]) -> bool:
    if float not in kinds:
        return True
    sizes = [abs(each) for each in children if type(each) is float]
    return min(sizes) > MIN_DOUBLE and max(sizes) < MAX_DOUBLE


def parse_json_strict(value: bytes | None, limits: Limits) -> dict[str, Any]:
    """The same as `parse_json`, by checking every token.

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
        fields = _JSON.decode(text)
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
    """The format `json`: see `workers.pipeline.reader.Format`."""

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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise RejectedError(RejectReason.DUPLICATE_FIELD, "an object has two fields of one name")
    for name in fields:
        if not name or name[0] == "$" or "." in name or "\0" in name:
            raise RejectedError(
                RejectReason.BAD_FIELD_NAME, "a field name is empty, begins with $, or contains a dot or a NUL"
            )
    return fields


def _integer(digits: str) -> int:
    if len(digits) <= INT64_DIGITS:
        number = int(digits)
        if INT64_MIN <= number <= INT64_MAX:
            return number
    raise RejectedError(RejectReason.INTEGER_OUT_OF_RANGE, "an integer needs more than 64 bits")


def _double(digits: str) -> float:
    number = float(digits)
    # A JSON number means its nearest double; rounding to 0 or infinity would change the value.
    if number in (float("inf"), float("-inf")) or (
        number == 0 and any(digit in "123456789" for digit in digits.lower().partition("e")[0])
    ):
        raise RejectedError(RejectReason.NUMBER_OUT_OF_RANGE, "a number is outside the range of a double")
    return number


def _constant(name: str) -> float:
    raise RejectedError(RejectReason.NOT_JSON, f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_double, parse_constant=_constant)
