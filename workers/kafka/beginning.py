"""Where a partition begins in a new assignment: its committed offset, the log start, or where the logs part. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.kafka.log_history import UNKNOWN, LogHistory, Validation
from workers.types import Truncation

if TYPE_CHECKING:
    from workers.identity import OffsetRange
    from workers.kafka.commit_mark import Commit

NEVER = 2**62
"""An epoch and an offset that no log reaches: those of the leader are not known."""

BATCHES_NOT_COMMITTED = 2
"""Written at most behind a commit: the next batch is begun before the one in flight is committed."""
OFFSETS_PER_RECORD = 2
"""Transaction markers and compaction leave offsets without a record: as many as there are records, in small transactions."""


def margin_of(max_poll_records: int) -> int:
    """How far behind a commit, in offsets, records may be stored that were not committed."""
    return BATCHES_NOT_COMMITTED * OFFSETS_PER_RECORD * max_poll_records


class Leader(NamedTuple):
    """The log of a partition, as its leader has it."""

    start: int
    end: int | None
    """None: not known."""
    epoch: int
    """Of the leader; -1: not known."""


class Beginning(NamedTuple):
    """Where to read on, and what is known of the log."""

    offset: int
    history: LogHistory
    truncation: Truncation | None = None
    """To be told."""


def begin(
    commit: Commit | None, leader: Leader, validation: Validation, parted: OffsetRange | None, margin: int
) -> Beginning:
    """Where to begin a partition, from its commit and the leader's log.

    Args:
        commit: None: nothing is committed that counts for this topic.
        validation: of the commit.
        parted: where the log was truncated under this worker, and up to where it had read it.
        margin: how far behind a commit, in offsets, records may be stored that were not committed.
    """
    if commit is None:
        offset, history = leader.start, LogHistory()
    else:
        offset, history = commit.offset, commit.history.before(commit.offset)
    if commit is None or not commit.marked:
        unknown = leader.end is None or leader.epoch < 0
        history.delivered_before = (NEVER, NEVER) if unknown else (leader.epoch, leader.end or 0)
    old_epoch = history.epoch_before(offset)
    divergence = leader.start if validation.everything else validation.divergence
    if divergence is None:
        if parted is None:
            return Beginning(offset, history)
        # Only what was read and not committed is of the other log.
        history.reuse(parted.first, parted.end)
        return Beginning(offset, history, Truncation(parted.end, parted.first, old_epoch, leader.epoch))
    read_to = max(offset + margin, parted.end if parted else 0)
    truncation = Truncation(offset, divergence, old_epoch, leader.epoch)
    # The epochs of a log of which nothing is left may be greater than those of the log that is there.
    history.cut(0 if validation.everything else divergence)
    history.reuse(divergence, read_to)
    # Behind the end, without an epoch: nobody knows what else is of another log.
    return Beginning(leader.start if old_epoch == UNKNOWN else divergence, history, truncation)
