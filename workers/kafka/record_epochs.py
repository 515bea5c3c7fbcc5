"""The leader epoch of the record before an offset, where that record was not read: a search among the leader's epochs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.kafka.log_history import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.kafka.log_history import EpochEnd
    from workers.types import TopicPartition

MOST_QUESTIONS = 64
"""Behind so many elections the epoch stays unknown: such a position is compared with the end of the log only."""


class EpochBegin(NamedTuple):
    """A leader epoch, and the offset of its first record. In this order they are kept in `LogHistory.epochs`."""

    epoch: int
    first: int


def epochs_before(
    offsets: Mapping[TopicPartition, int],
    leader_epochs: Mapping[TopicPartition, int],
    ask: Callable[[Mapping[TopicPartition, int]], Mapping[TopicPartition, EpochEnd]],
) -> dict[TopicPartition, EpochBegin]:
    """By partition, the epoch of the record before the offset: one question for all, and another for each election behind it.

    A position with its epoch is noticed to be of another log where the log was truncated before it, also if it has grown
    again since.

    Args:
        offsets: behind the log start: there is a record before each.
        leader_epochs: of the leaders now; -1: not known.
        ask: by partition, a leader epoch to its `EpochEnd`. A partition without an answer is left out.
    """
    found: dict[TopicPartition, EpochBegin] = {}
    # The record before the offset is of this epoch, or of an earlier one.
    latest = {partition: epoch for partition in offsets if (epoch := leader_epochs.get(partition, -1)) >= FIRST}
    for _ in range(MOST_QUESTIONS):
        found |= {partition: EpochBegin(FIRST, 0) for partition, epoch in latest.items() if epoch == FIRST}
        latest = {partition: epoch for partition, epoch in latest.items() if epoch > FIRST}
        if not latest:
            break
        answers = ask({partition: epoch - 1 for partition, epoch in latest.items()})
        going_on = {}
        for partition, (earlier, end) in answers.items():
            if end < offsets[partition]:
                # The earlier epochs end before the record.
                found[partition] = EpochBegin(latest[partition], max(end, 0))
            elif earlier >= FIRST:
                going_on[partition] = earlier
        latest = going_on
    return found
