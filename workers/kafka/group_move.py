"""Where a person moves a group: which offsets are read again, and which are skipped. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.kafka.beginning import NEVER
from workers.kafka.left_out import Skip
from workers.kafka.log_history import LogHistory

if TYPE_CHECKING:
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.kafka.record_epochs import EpochBegin
    from workers.types import TopicPartition


class Note(NamedTuple):
    """Who moves the group, when and why."""

    at: int
    """Unix time, in seconds."""
    by: str
    because: str


class Move(NamedTuple):
    """One partition."""

    partition: TopicPartition
    offsets: PartitionOffsets
    """Now."""
    to: int

    @property
    def origin(self) -> int:
        """The offset that the group would read next, if it were not moved."""
        return self.offsets.next_offset

    @property
    def read_again(self) -> int:
        """How many offsets come again, at most so many records."""
        return max(0, self.origin - self.to)

    @property
    def skipped(self) -> int:
        """How many offsets are left out, at most so many records."""
        return max(0, self.to - self.origin)

    @property
    def is_needed(self) -> bool:
        """Whether the commit changes. A partition without a commit gets one: from then on `start` means nothing for it."""
        return self.offsets.committed != self.to

    @property
    def problem(self) -> str | None:
        """Why the group cannot be moved there; None: it can."""
        first, end = self.offsets.start, self.offsets.end
        if not first <= self.to <= end:
            held = f"holds the offsets {first:,} to {end - 1:,}" if first < end else f"is empty at offset {end:,}"
            return f"{self.partition}: offset {self.to:,} is beyond the log, which {held}; give {first} to {end}"
        if self.offsets.truncation:
            return (
                f"{self.partition}: the log was truncated before the committed offset, and no worker has noticed yet; start "
                f"the workers once, until they say so"
            )
        return None

    def history(self, now: LogHistory, *, marked: bool, before: EpochBegin | None, note: Note) -> LogHistory:
        """What is to be committed with the new offset.

        Args:
            now: of the commit as it is.
            marked: whether that is ours.
            before: the leader epoch of the record before the new offset; None: not known.
        """
        history = now.before(self.to)
        if before and before.epoch > history.epoch_before(self.to):
            history.epochs = [*history.epochs, before]
        if self.skipped:
            skip = Skip(self.origin, self.to, *note)
            history.left_out = history.left_out.skip(skip, self.offsets.start)
        else:
            history.left_out = history.left_out.read_again(self.to)
        if self.read_again or not marked:
            # Applications may have changed documents since: what comes again is compared as it was stored.
            epoch = self.offsets.leader_epoch
            delivered = (epoch, self.offsets.high_watermark) if epoch >= 0 else (NEVER, NEVER)
            history = replace(history, delivered_before=delivered)
        return history

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **self.partition._asdict(),
            "committed": self.offsets.committed,
            "from": self.origin,
            "to": self.to,
            "log_start": self.offsets.start,
            "log_end": self.offsets.end,
            "read_again": self.read_again,
            "skipped": self.skipped,
        }
