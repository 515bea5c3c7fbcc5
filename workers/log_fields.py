"""The fields of log lines that have few values, for whoever searches or counts them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class Action(StrEnum):
    """What the data path was at, on every line about partitions or records: few words, for whoever searches.

    How it went is in `level`, and what happened is in `event`, which is for people.
    """

    READ = "read"
    """Where and how far partitions are read, records that were lost, and those that may have killed a worker."""
    WRITE = "write"
    """The database is away, or back."""
    DEAD_LETTER = "dead_letter"
    """Records became dead letters."""
    COMMIT = "commit"
    """A batch was written, and its offsets were committed or, as a warning or an error, were not."""
    REBALANCE = "rebalance"
    """Partitions were assigned, revoked or lost, or there is none for this worker."""
    EVICT = "evict"
    """A dead worker was removed from the group."""


def listed(partitions: Collection[int]) -> str:
    """Several partitions in one value, as `partitions` has them."""
    return ",".join(str(partition) for partition in sorted(partitions)) or "none"
