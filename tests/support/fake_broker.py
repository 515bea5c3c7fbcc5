"""A broker in memory: partitions, one consumer group, and what can go wrong with both.

What it grants and refuses is what Kafka's classic coordinator grants and refuses: a rebalance ends when every member
has come back or is thrown out; a commit is checked for member and generation, never for ownership.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from workers.identity import TopicIdentity
from workers.kafka.log_history import EpochEnd

FIRST_ID = UUID("08b40071-0000-4000-8000-000000000000")


class FakeRecord(NamedTuple):
    """The fields of the client's record that this project reads."""

    partition: int
    offset: int
    value: bytes | None
    timestamp: int = 1_700_000_000_000
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    topic: str = "numtest"
    leader_epoch: int = 0


class Answer(Enum):
    """What becomes of a commit, and what the member is told."""

    LANDS = "landed, and answered"
    LOST = "landed, but the answer never came"
    NEVER_ARRIVES = "neither landed nor answered"
    FAILS = "refused with an error that is no rebalance"


class UnknownMemberError(Exception):
    """The group has no such member any more."""


@dataclass
class FakePartition:
    """Offsets count on for ever; `None` is an offset without a record (a transaction's marker, compaction)."""

    log: list[FakeRecord | None] = field(default_factory=list)
    beginning: int = 0
    epochs: list[int] = field(default_factory=list)
    """The leader epoch of each offset."""
    epoch: int = 0
    """Of the leader."""

    @property
    def end(self) -> int:
        return len(self.log)

    def append(self, record: FakeRecord | None) -> None:
        self.log.append(record)
        self.epochs.append(self.epoch)

    def epoch_end(self, epoch: int) -> EpochEnd:
        """As a broker's `LeaderEpochFileCache.endOffsetFor` answers."""
        firsts = {each: max(self.epochs.index(each), self.beginning) for each in self.epochs[self.beginning :]}
        firsts.setdefault(self.epoch, self.end)
        if epoch > self.epoch:
            return EpochEnd(-1, -1)
        if epoch == self.epoch:
            return EpochEnd(epoch, self.end)
        higher = min(first for each, first in firsts.items() if each > epoch)
        return EpochEnd(max((each for each in firsts if each <= epoch), default=epoch), higher)

    def read(self, offset: int, most: int) -> list[FakeRecord]:
        found = [record for record in self.log[max(offset, self.beginning) :] if record is not None]
        return found[:most]


class FakeBroker:
    """One topic and one group."""

    def __init__(self, partitions: int, name: str = "numtest") -> None:
        self.topic = TopicIdentity(name, FIRST_ID)
        self.partitions = [FakePartition() for _ in range(partitions)]
        self.committed: dict[int, int] = {}
        self.marks: dict[int, tuple[str, int]] = {}
        """By partition: the metadata and the leader epoch of the commit."""
        self.cuts: dict[int, int] = {}
        """By partition: where its log was truncated since the last commit that is of the log as it is now."""
        self.went_back: dict[int, int] = {}
        """By partition: where a commit whose answer was lost found the committed offset. It may go back to there."""
        self.begun_at: dict[int, int] = {}
        """By partition: the offset of the very first commit of the topic, of all partitions that it named."""
        self.next_answer = Answer.LANDS
        self.generation = 0
        self.members: dict[str, bool] = {}
        """By member id: whether it has come (back) to the rebalance under way."""
        self.rebalancing = False
        self.assignment: dict[str, list[int]] = {}
        self._joined = 0

    def append(self, partition: int, value: bytes | None) -> FakeRecord:
        log = self.partitions[partition]
        record = FakeRecord(partition, log.end, value, leader_epoch=log.epoch)
        log.append(record)
        return record

    def add_partition(self) -> None:
        """The topic grows: the group rebalances, to assign what is new."""
        self.partitions.append(FakePartition())
        if self.members:
            self._rebalance()

    def append_gap(self, partition: int) -> None:
        self.partitions[partition].append(None)

    def expire(self, partition: int, before: int) -> None:
        """Retention removes the records before this offset."""
        chosen = self.partitions[partition]
        chosen.beginning = max(chosen.beginning, min(before, chosen.end))

    def elect(self, partition: int) -> None:
        """Another leader, with the same log."""
        self.partitions[partition].epoch += 1

    def truncate(self, partition: int, at: int) -> None:
        """Another leader, whose log lacks the records from here on."""
        log = self.partitions[partition]
        del log.log[at:], log.epochs[at:]
        log.epoch += 1
        self.cuts[partition] = min(at, self.cuts.get(partition, at))

    def is_current(self, partition: int) -> bool:
        """Whether the commit is of the log as it is now."""
        offset, epoch = self.committed.get(partition, 0), self.marks.get(partition, ("", -1))[1]
        log = self.partitions[partition]
        if epoch < 0 or offset <= log.beginning:
            return True
        # Of the last record before it: transaction markers have epochs of their own.
        before = [at for at in range(log.beginning, min(offset, log.end)) if log.log[at] is not None]
        if not before or offset > log.end:
            return offset <= log.end
        # A start is committed with the epoch of whatever is before it, which may be a marker.
        return epoch in (log.epochs[before[-1]], log.epochs[offset - 1])

    def stored_to(self) -> dict[int, int]:
        """By partition: up to where the commit says that the records are stored that the log holds now."""
        return {
            p: offset if self.is_current(p) else min(offset, self.cuts.get(p, offset))
            for p, offset in self.committed.items()
        }

    def recreate(self) -> None:
        """Delete the topic and make it again: offsets begin at 0 again, and the group has none."""
        self.topic = TopicIdentity(self.topic.name, UUID(int=self.topic.uuid.int + (1 << 96)))
        self.partitions = [FakePartition() for _ in self.partitions]
        self.begun_at = {}
        self.committed.clear()
        self.marks.clear()

    def start(self, partition: int) -> int:
        """Where the group reads it: from its commit, or from the earliest record that is there."""
        return self.committed.get(partition, self.partitions[partition].beginning)

    @property
    def pending(self) -> int:
        """Records that the group has not committed yet, and partitions whose beginning is beyond what it committed."""
        return sum(
            (start < partition.beginning)
            + (not self.is_current(index))
            + sum(record is not None and record.offset >= max(start, partition.beginning) for record in partition.log)
            for index, partition in enumerate(self.partitions)
            for start in [self.stored_to().get(index, partition.beginning)]
        )

    def join(self, member: str) -> None:
        """A new member, or a known one that comes back for a rebalance."""
        if member not in self.members:
            self.members[member] = False
            self._rebalance()
        self.members[member] = True
        self._settle()

    def new_member_id(self) -> str:
        self._joined += 1
        return f"member-{self._joined}"

    def remove(self, member: str) -> None:
        """It left, was evicted by its successor, or was silent for the session timeout. It may still run."""
        if self.members.pop(member, None) is not None:
            self._rebalance()
            self._settle()

    def commit(
        self, member: str, generation: int, next_offsets: dict[int, int], marks: dict[int, tuple[str, int]]
    ) -> Answer:
        """Take offsets, checked as the coordinator does it: member and generation, not ownership.

        Raises:
            UnknownMemberError: not a member of this generation.
        """
        answer, self.next_answer = self.next_answer, Answer.LANDS
        if member not in self.members or generation != self.generation:
            raise UnknownMemberError
        if answer in (Answer.LANDS, Answer.LOST):
            self.begun_at = self.begun_at or dict(next_offsets)
            for partition, offset in next_offsets.items():
                if answer is Answer.LOST:
                    before = self.committed.get(partition, 0)
                    self.went_back[partition] = min(self.went_back.get(partition, before), before)
                self.committed[partition] = offset
                self.marks[partition] = marks.get(partition, ("", -1))
                # Up to the cut both logs are one: what was read behind it before may still be committed.
                if self.is_current(partition) and offset > self.cuts.get(partition, offset):
                    del self.cuts[partition]
        return answer

    def _rebalance(self) -> None:
        self.rebalancing = True
        self.members = dict.fromkeys(self.members, False)

    def _settle(self) -> None:
        if not self.rebalancing or not all(self.members.values()):
            return
        self.rebalancing = False
        self.generation += 1
        members, count = sorted(self.members), len(self.partitions)
        self.assignment = {member: [] for member in members}
        for partition in range(count if members else 0):
            # Kafka's range assignor: contiguous, the first ones get the rest.
            share, rest = divmod(count, len(members))
            owner = (
                partition // (share + 1)
                if partition < rest * (share + 1)
                else rest + (partition - rest * (share + 1)) // max(share, 1)
            )
            self.assignment[members[owner]].append(partition)
