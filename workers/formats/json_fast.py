"""The fast JSON decoder, for common values. What it does not decode, the strict decoder decodes or rejects.

It returns a value only if the result and the bytes prove that it is exactly what was sent: orjson rounds large integers
to doubles, and keeps the last of two fields of one name, without an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from workers.formats.limits import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from workers.formats.limits import Limits

MIN_DOUBLE, MAX_DOUBLE = 1e-300, 9e18
"""A double between them is neither an integer of more than 64 bits nor a number too small for a double."""


def parse_json_fast(value: bytes, limits: Limits) -> dict[str, Any] | None:
    """The fields of a value that is one JSON object without special cases; None: the strict decoder must decode it."""
    if len(value) > limits.value_bytes or b"\\" in value:
        return None
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if type(fields) is not dict or "_id" in fields:
        return None
    quotes = _quotes(fields, limits)
    # Without a backslash each name and each string has two quotes: fewer in the result mean a duplicate field name.
    return fields if quotes == value.count(b'"') else None


def _quotes(fields: dict[str, Any], limits: Limits) -> int:
    """The number of quotes in the JSON of these fields; -1 if a name, a number or the size needs the strict decoder."""
    quotes = values = depth = 0
    level: list[Any] = [fields]
    while level:
        depth += 1
        below = []
        for container in level:
            values += len(container)
            children = container
            if type(container) is dict:
                quotes += 2 * len(container)
                children = container.values()
                for name in container:
                    if not name.isidentifier() and (not name or name[0] == "$" or "." in name):
                        return -1
            for child in children:
                kind = type(child)
                if kind is int:
                    if not INT64_MIN <= child <= INT64_MAX:
                        return -1
                elif kind is str:
                    quotes += 2
                elif kind is float:
                    if not MIN_DOUBLE < abs(child) < MAX_DOUBLE:
                        return -1
                elif kind is dict or kind is list:
                    below.append(child)
        level = below
    return quotes if depth <= limits.depth and values <= limits.fields else -1
