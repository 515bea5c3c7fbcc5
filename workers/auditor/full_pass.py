"""One pass over everything that was verified before: what is damaged later, by whatever cause, is found then. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping


class Span(NamedTuple):
    """The offsets in [first, end) of one partition."""

    partition: TopicPartition
    first: int
    end: int


class FullPass:
    """Goes through the partitions one after the other, in pieces."""

    def __init__(self, begun: float, ends: Mapping[TopicPartition, int], done: Mapping[TopicPartition, int]) -> None:
        """Args:
        begun: Unix time.
        ends: by partition, where this pass ends. What comes later is verified when it is stored, and again in the next pass.
        done: by partition, all offsets before this are done.
        """
        self.begun, self.ends, self.done = begun, dict(ends), dict(done)

    def cut(self, log_ends: Mapping[TopicPartition, int]) -> None:
        """End where the logs end now: one may have been truncated. What comes there later is verified as new."""
        self.ends = {partition: min(end, log_ends.get(partition, end)) for partition, end in self.ends.items()}

    def next(self, starts: Mapping[TopicPartition, int], most: int) -> Span | None:
        """The next piece, of at most so many offsets; None: the pass is done, or only partitions that are not known are left.

        Args: starts: the log starts, of the partitions for which Kafka answers.
        """
        for partition, end in sorted(self.ends.items()):
            if partition in starts:
                first = max(self.done.get(partition, 0), starts[partition])
                if first < end:
                    return Span(partition, first, min(end, first + most))
        return None

    def finish(self, span: Span) -> None:
        """Take note that a piece is done."""
        self.done[span.partition] = max(span.end, self.done.get(span.partition, 0))

    def left(self, starts: Mapping[TopicPartition, int]) -> int:
        """Offsets that are still to be read."""
        return sum(
            max(0, end - max(self.done.get(partition, 0), starts.get(partition, 0)))
            for partition, end in self.ends.items()
        )
