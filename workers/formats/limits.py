"""How large a value may be before it is a reject, and what no setting changes."""

from __future__ import annotations

from dataclasses import dataclass

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
"""A larger integer has no exact place in most databases, nor in most languages."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a value may be before it is a reject."""

    value_bytes: int = 1024 * 1024
    depth: int = 32
    """Objects and arrays nested in each other; a MongoDB server stops at 100."""
    fields: int = 10_000
    """Field values and array elements, in the whole document."""
