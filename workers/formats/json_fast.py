"""The quick way through JSON that is plain. What it does not take, for whatever reason, the strict way judges.

It takes only what it can tell, from the result and the bytes alone, to be exactly what was sent: orjson rounds large
integers to doubles and keeps the last of two equal names without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from workers.formats.limits import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from workers.formats.limits import Limits

LEAST_DOUBLE, MOST_DOUBLE = 1e-300, 9e18
"""Between them a double was written as one: neither an integer beyond 64 bits nor a number too small for a double."""


def parse_json_fast(value: bytes, limits: Limits) -> dict[str, Any] | None:
    """The fields of a value that is one JSON object with nothing special about it, or None."""
    if len(value) > limits.value_bytes or b"\\" in value:
        return None
    try:
        fields = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if type(fields) is not dict or "_id" in fields:
        return None
    quotes = _quotes(fields, limits)
    # Without a backslash each name and each string has two quotes: one fewer here was a name that stood there twice.
    return fields if quotes == value.count(b'"') else None


def _quotes(fields: dict[str, Any], limits: Limits) -> int:
    """How many quotes it takes to write this; -1 if a name, a number or the size is not plain."""
    quotes = seen = depth = 0
    level: list[Any] = [fields]
    while level:
        depth += 1
        below = []
        for container in level:
            seen += len(container)
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
                    if not LEAST_DOUBLE < abs(child) < MOST_DOUBLE:
                        return -1
                elif kind is dict or kind is list:
                    below.append(child)
        level = below
    return quotes if depth <= limits.depth and seen <= limits.fields else -1
