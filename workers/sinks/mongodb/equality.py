"""Whether two documents are the same."""

from __future__ import annotations

from typing import Any

import bson


def documents_equal(stored: bytes, ours: bytes) -> bool:
    """Whether two BSON documents are the same: fields, order, types and values.

    A server may give back -0.0 as 0.0 (FerretDB 1 does), so those two count as one.
    """
    return stored == ours or _alike(bson.decode(stored), bson.decode(ours))


def _alike(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(_alike, one.values(), other.values()))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
