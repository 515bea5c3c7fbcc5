"""What people have paused: everything, a topic or a partition; by whom, since when, and why. Pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workers.types import TopicPartition


class Pause(NamedTuple):
    """One order to read no further, until somebody resumes it."""

    because: str
    """The reason, one line."""
    by: str
    """`user@host`."""
    since: float
    """Unix time."""
    topic: str | None = None
    """None: every topic of the group."""
    partition: int | None = None
    """None: every partition of the topic."""

    def covers(self, partition: TopicPartition) -> bool:
        """Whether this partition is not to be read."""
        return self.topic in (None, partition.topic) and self.partition in (None, partition.partition)

    @property
    def what(self) -> str:
        """For a sentence: `everything`, `all of numtest`, `partition 3 of numtest`."""
        if self.topic is None:
            return "everything"
        return f"all of {self.topic}" if self.partition is None else f"partition {self.partition} of {self.topic}"

    @property
    def why(self) -> str:
        """For a sentence: `since 2026-11-27 03:00 by ann@db1: nightly backup`. The time is local."""
        return f"since {time.strftime('%Y-%m-%d %H:%M', time.localtime(self.since))} by {self.by}: {self.because}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "by": self.by,
            "since": self.since,
            "because": self.because,
        }


class Pauses(NamedTuple):
    """All of a group, on one host."""

    all: tuple[Pause, ...] = ()
    problem: str | None = None
    """Why what was ordered last is not known, in one line: what was known before stays in force, or else all is paused."""

    def of(self, partition: TopicPartition) -> Pause | None:
        """Why this partition is not to be read: the oldest that covers it; None: it is to be read."""
        return min((each for each in self.all if each.covers(partition)), key=lambda each: each.since, default=None)

    def among(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Pause]:
        """By partition that is paused: why."""
        if not self.all:
            return {}
        return {partition: found for partition in partitions if (found := self.of(partition))}

    def as_list(self) -> list[dict[str, Any]]:
        """For JSON, the oldest first."""
        return [each.as_dict() for each in sorted(self.all, key=lambda each: each.since)]


NO_PAUSES = Pauses()


def described(pauses: Iterable[Pause]) -> str:
    """For a sentence: `everything is paused since ... by ...: ...`; several with `; ` between them."""
    return "; ".join(f"{each.what} is paused {each.why}" for each in sorted(set(pauses), key=lambda each: each.since))
