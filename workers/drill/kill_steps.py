"""What may happen after a worker was killed. Times are seconds since the kill."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from workers.fleet.status.group import compact_partitions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.types import TopicPartition


OF_MANY = re.compile("[0-9]+ of [0-9]+ topics")
"""What `compact_partitions` says of partitions of many topics."""


class Evictor(StrEnum):
    """Who removes a dead member from the group."""

    WATCHDOG = "watchdog"
    SUCCESSOR = "successor"
    """The next process of its slot, before it joins."""
    SESSION_TIMEOUT = "session_timeout"
    """The broker, after WORKERS_SESSION_TIMEOUT without a heartbeat."""
    NOBODY = "nobody"
    """It is a static member: its partitions wait for the next process of its slot."""
    UNKNOWN = "unknown"


class Died(NamedTuple):
    """The kernel has ended the process."""

    seconds: float
    pid: int
    partitions: tuple[TopicPartition, ...]


class Evicted(NamedTuple):
    """The group does not have its member any more."""

    seconds: float | None
    """None: it is not, or that is not known."""
    by: Evictor
    exact: bool = True
    """Whether that is when it happened, and not when it was seen."""


class TakenOver(NamedTuple):
    """Each of its partitions is assigned to a live worker."""

    seconds: float
    partitions: Mapping[str, tuple[TopicPartition, ...]]
    """By worker."""


class StoredAgain(NamedTuple):
    """The first record of each of its partitions is stored."""

    seconds: float | None
    """None: nothing waited in any of them."""
    first: Mapping[TopicPartition, tuple[float, str]]
    """By partition: when that was, and by whom."""
    nothing_waited: tuple[TopicPartition, ...] = ()
    unknown: tuple[TopicPartition, ...] = ()
    """Partitions of workers on another host, whose files are not here."""


class Back(NamedTuple):
    """The next process of its slot has its partitions, or is told that there are none for it."""

    seconds: float
    name: str
    pid: int
    partitions: tuple[TopicPartition, ...]
    backed_off: bool = False
    """Whether it waited before it joined, since its slot had crashed before."""


Step = Died | Evicted | TakenOver | StoredAgain | Back


def in_words(partitions: Collection[TopicPartition]) -> str:
    """For a sentence: `0-2,5`; of several topics `orders:0-2 refunds:5`, of many `40 partitions of 20 topics`."""
    few = compact_partitions(partitions)
    return few.replace(" of ", " partitions of ") if OF_MANY.fullmatch(few) else few
