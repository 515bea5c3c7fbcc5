"""The position of one partition since the last rebalance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from workers.records import Records
from workers.types import TopicPartition

if TYPE_CHECKING:
    from workers.kafka.log_history import LogHistory


Fetch = Mapping[TopicPartition, Records]
"""What a poll returned."""


class Admitted(NamedTuple):
    """What a poll returned, divided in two."""

    records: Fetch
    """They are at the right position, and can be decoded."""
    redeliver: Fetch
    """To rewind to: the broker has not yet answered which position is right."""


@dataclass(slots=True)
class Position:
    """See `FetchPositions`."""

    expected: int
    """The offset of its next record, if there is no gap."""
    history: LogHistory
    leader_epoch: int
    """Of the leader with whose log this position was compared."""
    seen_epoch: int = -1
    """Of the newest records that were dropped until this position is compared. Once it is, they are no sign of a move."""
    dropped: bool = False
    """Whether records that came were dropped until this position is compared with the leader's log."""
    commit_at: int | None = None
    """To be committed even if no record follows: the log start, if records before it were lost, or where the logs part."""
    commit_due: bool = False
    """Whether `commit_at` is still to be returned by `take_skipped`."""

    def has_moved(self, leader_epoch: int, records: Records | None) -> bool:
        """Whether the position must be compared with the leader's log.

        A lower leader epoch is of another log too: a backup was restored, with its metadata. Records before the position:
        the client has found by itself that the log does not have its position, and moved without a word.

        Args:
            leader_epoch: of the leader in the client's metadata; -1: not known.
            records: what was fetched.
        """
        if self.dropped or 0 <= leader_epoch != self.leader_epoch:
            return True
        if not records:
            return False
        newer = self.leader_epoch >= 0 and records.last_epoch > max(self.leader_epoch, self.seen_epoch)
        return records.offsets[0] < self.expected or newer

    def read(self, records: Records, margin: int) -> None:
        """These records are delivered. Args: margin: see `LogHistory.read`."""
        self.expected = records.offsets[-1] + 1
        self.history.read(records, margin)

    def seek(self, offset: int) -> None:
        """The client now reads from this offset on."""
        # A rewind to records after a gap that is not explained yet: the next poll must find the gap again.
        self.expected = min(self.expected, offset)
        if self.commit_at == offset:
            self.commit_due = True
