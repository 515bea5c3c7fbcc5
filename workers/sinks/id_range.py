"""A range of ids, as a `SinkReader` scans it."""

from __future__ import annotations

from typing import NamedTuple


class IdRange(NamedTuple):
    """Ids that are text, compared by their characters: those that are not less than `first`, and less than `end`."""

    first: str | None = None
    """None: from the least on."""
    end: str | None = None
    """None: to the greatest. Without both, every id, also one that is no text."""


EVERY_ID = IdRange()
