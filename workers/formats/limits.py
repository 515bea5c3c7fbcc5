"""The size limits of a value, and the range of integers."""

from __future__ import annotations

from dataclasses import dataclass

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
"""Most databases, and most languages, have no exact type for a larger integer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A value over one of these is a reject."""

    value_bytes: int = 1024 * 1024
    depth: int = 32
    """Levels of nested objects and arrays; a MongoDB server accepts at most 100."""
    fields: int = 10_000
    """Field values and array elements in the whole value."""
