"""What a group knows of the log of one partition: where its leader epochs begin, and which offsets it has used twice.

A log that is truncated (an unclean leader election, a lost disk, a restored backup) and grows again holds other records
at the same offsets. Kafka tells the two logs apart by the leader epoch of each record (KIP-101, KIP-320): it only ever
grows, and a broker answers at which offset its records of an epoch end. So this keeps the epochs of the records that were
read. It is committed with every offset (`workers.kafka.commit_mark`). Pure: the questions to the broker are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from workers.identity import OffsetRange
from workers.kafka.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.records import Records
    from workers.types import TopicPartition

MAX_EPOCHS = 8
"""Kept of each partition. A log that has none of them was restored from before the last eight leaders."""
MAX_RANGES = 8
UNKNOWN = -1
"""The leader epoch of a position before which no record is known: it cannot be validated."""

FIRST = 0
"""The leader epoch of the first leader of a partition: there was no log before its own."""

NOTHING_BEFORE = (UNKNOWN, 0)
"""See `LogHistory.delivered_before`."""


class EpochEnd(NamedTuple):
    """A broker's answer: the largest leader epoch in its log that is not greater than the one asked for, and the offset
    after its last record. Both are -1 if all its epochs are greater, or it has none.
    """

    epoch: int
    end: int


@dataclass
class LogHistory:
    """One partition. A position in the log is an offset and the leader epoch of the record before it."""

    epochs: list[tuple[int, int]] = field(default_factory=list)
    """Leader epochs, each with the offset of the first record of it that was read; both ascend."""
    reused: list[OffsetRange] = field(default_factory=list)
    """Offsets that held other records before the log was truncated."""
    delivered_before: tuple[int, int] = NOTHING_BEFORE
    """A leader epoch and an offset: records up to this epoch, and before this offset, may have been delivered before all
    that is known here. A person may have set the group back; applications may have changed the documents since."""
    watched: list[OffsetRange] = field(default_factory=list)
    """Behind the beginning of each new leader epoch, except the first of all. If a log lost its end, and the commits about it are lost too, its
    other records begin there. Committed until the commits are past them: the first record behind the beginning need not
    meet one of the other log, and a later owner does not see the beginning any more."""
    left_out: LeftOut = field(default_factory=LeftOut)
    """Offsets that the group does not read, on purpose. Every later commit carries it on."""

    def epoch_before(self, offset: int) -> int:
        """The leader epoch of the record before this offset; UNKNOWN: no record before it was read."""
        return next((epoch for epoch, first in reversed(self.epochs) if first < offset), UNKNOWN)

    def read(self, records: Records, margin: int) -> None:
        """Learn the epochs of these records. Costs nothing for records of the epoch that was read last.

        Args:
            margin: see `reuse`.
        """
        while (last := records.last_epoch) > (known := self.epochs[-1][0] if self.epochs else UNKNOWN):
            low, high = 0, len(records) - 1
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if records[middle].leader_epoch > known else (middle + 1, high)
            epoch, first = records[low].leader_epoch, records.offsets[low]
            self.epochs = [*self.epochs, (epoch, first)][-MAX_EPOCHS:]
            not_new = self.delivered_before[1] if epoch <= self.delivered_before[0] else 0
            if epoch > FIRST:
                self.watched = [*self.watched, OffsetRange(max(first, not_new), first + margin)][-MAX_RANGES:]
            if epoch == last:
                break

    def cut(self, divergence: int) -> None:
        """The log was truncated here: forget the epochs of the records from here on."""
        self.epochs = [(epoch, first) for epoch, first in self.epochs if first < divergence]
        self.watched.clear()
        # What is at these offsets now came later.
        self.left_out = self.left_out.read_again(divergence)

    def reuse(self, first: int, end: int) -> None:
        """The offsets in [first, end) held other records before, which may be stored under them."""
        together = [each for each in self.reused if each.first <= end and first <= each.end]
        apart = [each for each in self.reused if each not in together]
        merged = OffsetRange(min(first, *(r.first for r in together), end), max(end, *(r.end for r in together), first))
        self.reused = sorted([*apart, merged])[-MAX_RANGES:]

    def to_compare(self, first: int, end: int) -> tuple[OffsetRange, ...]:
        """The ranges that reach into [first, end) and hold offsets which may have been used before."""
        if not (self.reused or self.watched):
            return ()
        return tuple(r for r in (*self.reused, *self.watched) if r.first < end and first < r.end and r.first < r.end)

    def before(self, offset: int) -> LogHistory:
        """What is to be committed with this offset."""
        return replace(
            self,
            epochs=[(epoch, first) for epoch, first in self.epochs if first < offset],
            delivered_before=self.delivered_before if self.delivered_before[1] > offset else NOTHING_BEFORE,
            watched=[each for each in self.watched if each.end > offset],
        )


class Question(NamedTuple):
    """A position that may be of a log which is not there any more."""

    history: LogHistory
    offset: int
    current_epoch: int
    """Of the leader, as the client's metadata has it; -1: not known."""


class Validation(NamedTuple):
    """Where a position's log and the leader's part."""

    divergence: int | None
    """The first offset at which they may differ; None: nowhere before the position."""
    end: int | None = None
    """The end of the leader's log, if it was asked for; else None."""
    everything: bool = False
    """No leader epoch that is known is in the leader's log, so all of it may differ."""


_ALL = Validation(0, everything=True)


def validate(
    questions: Mapping[TopicPartition, Question],
    ask: Callable[[Mapping[TopicPartition, int]], Mapping[TopicPartition, EpochEnd]],
) -> dict[TopicPartition, Validation]:
    """Ask the leaders where the log of each position and theirs part: one request for all, and mostly only once.

    Before a position no record may be known: it was rewound to the first record that was read, behind a gap. It is of the
    leader's log if that record is. Without any record a position is valid up to the end of the log.

    Args:
        ask: by partition, a leader epoch to its `EpochEnd`. A partition without an answer is left out.

    Returns:
        By partition; one without an answer is left out.
    """
    found: dict[TopicPartition, Validation] = {}
    searches = {partition: _Search(question) for partition, question in questions.items()}
    while asked := {p: each.epoch for p, each in searches.items() if p not in found and each.epoch >= 0}:
        answers = ask(asked)
        searches = {partition: searches[partition] for partition in answers}
        for partition, answer in answers.items():
            if (validation := searches[partition].learn(answer)) is not None:
                found[partition] = validation
    return found


class _Search:
    """The search for the divergence of one position, from the newest epoch that is known back to one that both logs have.

    A follower truncates its log by the same search (KIP-101). A consumer of Kafka's asks only once, and takes the answer
    also if it names an epoch that it never read: behind two unclean elections it skips records.
    """

    def __init__(self, question: Question) -> None:
        self._offset = self._upper = question.offset
        self._known = [each for each in question.history.epochs if each[1] < question.offset]
        self._first = question.history.epochs[0] if question.history.epochs and not self._known else None
        """The first record that was read, at the position or behind it, if none is known before."""
        self._current_epoch = question.current_epoch

    @property
    def epoch(self) -> int:
        """To ask for."""
        if self._first:
            return self._first[0]
        return self._known[-1][0] if self._known else self._current_epoch

    def learn(self, answer: EpochEnd) -> Validation | None:
        """Returns None if another question is needed."""
        if self._first:
            if answer.epoch == self._first[0] and answer.end > self._first[1]:
                return Validation(None)
            return Validation(answer.end if 0 <= answer.end < self._offset else None) if answer.epoch >= 0 else _ALL
        if not self._known:
            return Validation(answer.end if 0 <= answer.end < self._offset else None, answer.end)
        if answer.epoch < 0:
            # All epochs of the leader's log are lower.
            self._upper = self._known.pop()[1]
            return None if self._known else _ALL
        while self._known and self._known[-1][0] > answer.epoch:
            self._upper = self._known.pop()[1]
        if self._known and self._known[-1][0] < answer.epoch:
            return None
        divergence = min(answer.end, self._upper)
        return Validation(divergence if divergence < self._offset else None)
