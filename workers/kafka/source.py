"""The loop's source: one member of the consumer group, on kafka-python 3.0.12."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from kafka import OffsetAndMetadata
from kafka.errors import KafkaError
from kafka.structs import MemberState

from workers.kafka import compat, compat_turns
from workers.kafka.beginning import margin_of
from workers.kafka.client_errors import describe
from workers.kafka.client_polls import POLL_SECONDS, ClientPolls
from workers.kafka.commit import commit
from workers.kafka.contact import Contact
from workers.kafka.fencing import end_on_client_error
from workers.kafka.fetch_positions import FetchPositions
from workers.kafka.fetched_records import from_poll
from workers.kafka.halted_partitions import LOG_TRUNCATED, LOST_RECORDS, HaltedPartitions
from workers.kafka.missing_right import MissingRight
from workers.kafka.partitions import from_client, to_client
from workers.kafka.position import Admitted
from workers.kafka.rebalance_listener import RebalanceListener
from workers.kafka.subscription import subscribe
from workers.kafka.topic_starts import TopicStarts, start_of
from workers.kafka.unread_partitions import UnreadPartitions
from workers.log_fields import Action
from workers.pauses import NO_PAUSES, Pauses
from workers.types import CommitResult, Fetched, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from kafka import KafkaConsumer

    from workers.kafka.topic_memory import TopicMemory
    from workers.pipeline.observer import Observer
    from workers.pipeline.rate_limit import RateLimit
    from workers.records import Records
    from workers.settings import Settings
    from workers.types import Batch, Truncation

MOST_FETCHED_BYTES = 32 * 1024 * 1024
"""Of several topics, for all partitions of a worker together: with a hundred of them, a third of a megabyte of each."""

log = structlog.get_logger()


class _Membership(NamedTuple):
    """What this member was in the group at the last poll."""

    member_id: str = ""
    generation: int = -1
    """The broker's generation id of the group."""
    joins: int = 0
    """The number of assignments."""


class KafkaSource:
    """One member of the group. Build it in the process that uses it: its IO thread does not survive a fork.

    Call all methods except `connected` on the loop's thread; the client's IO thread calls the observer's `rebalanced`.
    An exception out of `poll` that is not handled here must end the process: the client's next poll may never return.
    """

    def __init__(
        self,
        settings: Settings,
        consumer: KafkaConsumer,
        observer: Observer,
        stopping: Callable[[], bool],
        on_joined: Callable[[str], None] = lambda _member_id: None,
        pauses: Callable[[], Pauses] = lambda: NO_PAUSES,
        limit: RateLimit | None = None,
        memory: TopicMemory | None = None,
    ) -> None:
        """Subscribe; the first polls join the group.

        Args:
            consumer: connected, with `group_member_options`; this source closes it.
            on_joined: called with the member id once the broker has given it, and after every join. Evicting takes the id.
            pauses: what people have paused now; the same object, as long as nothing changes. Asked before every poll.
            limit: of how many records are read; None: there is none.
        """
        self._settings = settings
        self._observer = observer
        self._stopping = stopping
        self._on_joined = on_joined
        self._membership = _Membership()
        self._assignments = 0
        self._right = MissingRight(settings, observer, stopping)
        self._consumer = consumer
        self._positions = FetchPositions(
            self._consumer,
            settings.commit_timeout,
            margin_of(settings.max_poll_records),
            self._on_records_lost,
            self._on_truncated,
            TopicStarts(consumer, int(settings.commit_timeout * 1000), start_of(settings.route_table), memory),
        )
        self._listener = RebalanceListener(observer)
        self._contact = Contact(settings, consumer)
        routes = settings.route_table
        self._unread = UnreadPartitions(consumer, HaltedPartitions(consumer, routes, observer), pauses, observer)
        self._polls = ClientPolls(consumer, self._unread, observer, limit)
        subscribe(self._consumer, routes, self._listener)

    def poll(self, max_records: int, *, wait: bool) -> Fetched | None:
        """See `Source.poll`.

        Raises:
            UnavailableError: the client failed; do not poll again.
            FencedError: another process has this member's static id.
        """
        # Commit the batch in flight before a rebalance, or it is redelivered to the next owner.
        if not wait and compat.rebalance_pending(self._consumer):
            return None
        with end_on_client_error(self._consumer, self._settings.worker), self._right.awaited():
            self._unread.look()
            fetched = self._polls.poll(max_records, wait=wait)
            self._observer.iterated()
            self._contact.check()
            self._sync_membership()
            topics = self._positions.topics()
            there = {partition: records for partition, records in fetched.items() if partition.topic in topics}
            admitted = self._positions.admit(there) if topics else Admitted({}, {})
        if self._right.missing:
            return None
        unread = {partition: records for partition, records in admitted.records.items() if partition in self._unread}
        gone = {partition: records for partition, records in fetched.items() if partition not in there}
        self._redeliver({**admitted.redeliver, **unread, **gone})
        self._unread.hold_back(unread)
        records = {partition: each for partition, each in admitted.records.items() if partition not in unread}
        skipped = self._positions.take_skipped()
        skipped = {partition: offset for partition, offset in skipped.items() if partition not in self._unread.halted}
        if not (records or skipped):
            return None
        self._polls.returned(records)
        reused = {p: ranges for p, each in records.items() if (ranges := self._positions.to_compare(p, each))}
        return Fetched(topics, records, skipped, None, reused, self.assignment_epoch)

    @property
    def assignment_epoch(self) -> int:
        """See `Fetched.assignment_epoch`."""
        return self._assignments + self._positions.incarnations

    def commit(self, next_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> CommitResult:
        """Commit, with a mark: a later owner sees to which incarnation of the topic, and which log, the offsets belong.

        Raises:
            FencedError: another process has this member's static id.
        """
        # The client would commit in its current generation, and the broker does not check who owns a partition. The
        # generation changes only within poll: a join that the IO thread continues is not complete before the next poll.
        if assignment_epoch != self.assignment_epoch:
            return CommitResult.REBALANCED
        offsets = {
            client: OffsetAndMetadata(offset, *self._positions.mark(partition, offset))
            for partition, offset in next_offsets.items()
            for client in to_client([partition])
        }
        return commit(self._consumer, offsets, self._settings)

    def rewind(self, first_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> None:
        if assignment_epoch != self.assignment_epoch:
            return
        # The client's partitions are equal to ours: see `TopicPartition`.
        assigned = self._consumer.assignment()
        for partition, offset in first_offsets.items():
            if partition in assigned:
                self._positions.seek(partition, offset)
            else:
                self._positions.given_up(partition, offset)

    def hold(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopping() and (left := deadline - time.monotonic()) > 0:
            self._consumer.pause(*self._consumer.assignment())
            fetched: Any = {}
            with end_on_client_error(self._consumer, self._settings.worker), self._right.awaited():
                fetched = self._consumer.poll(timeout_ms=int(min(POLL_SECONDS, left) * 1000))
            self._observer.iterated()
            # A partition that was assigned in this poll was not paused yet.
            self._redeliver(from_poll(fetched))
        self._unread.resume_others()

    def halt(self, partitions: Collection[TopicPartition]) -> None:
        self._unread.halted.add(partitions)

    def close(self) -> None:
        try:
            self._consumer.close(autocommit=False, timeout_ms=int(self._settings.commit_timeout * 1000))
        except KafkaError as error:
            # Everything is committed; at worst the partitions are idle until the session timeout.
            log.warning("could not leave the group", action=Action.REBALANCE, error=describe(error))

    def written(self, batch: Batch) -> None:
        """Learn from a batch that was written at which offsets documents of another log are stored."""
        if batch.assignment_epoch == self.assignment_epoch:
            for partition, part in batch.partitions.items():
                if part.replaced:
                    self._positions.replaced(partition, part.replaced)

    def connected(self) -> bool:
        """Whether this worker is in the group, with an assignment, which may be empty. Safe on any thread."""
        member, known = self._consumer.group_metadata(), self._membership
        joined = member.state is MemberState.STABLE and (member.member_id, member.generation_id) == known[:2]
        able = not self._right.missing and not compat.is_fenced(self._consumer)
        return joined and able and self._contact.answers()

    def _sync_membership(self) -> None:
        """Begin a new assignment epoch if this member has a new assignment, member id or generation."""
        member = self._consumer.group_metadata()
        if member.state is MemberState.REBALANCING:
            compat.request_rejoin(self._consumer)
        # The client has the generation a moment before the assignment; its listener is called when it has both.
        now = _Membership(member.member_id, member.generation_id, self._listener.joins)
        if now == self._membership:
            return
        if now.joins != self._membership.joins:
            self._observer.owns(from_client(self._consumer.assignment()))
        self._membership = now
        self._contact.joined()
        self._assignments += 1
        self._positions.forget()
        self._unread.assigned()
        if self._settings.route_table.has_several_topics:
            compat_turns.limit_fetches(self._consumer, MOST_FETCHED_BYTES)
        if now.member_id:
            # The broker gives the id before the member has joined: killed in between, it is a dead member all the same.
            self._on_joined(now.member_id)

    def _redeliver(self, fetched: Mapping[TopicPartition, Records]) -> None:
        """Rewind to these records."""
        first_offsets = {partition: records.offsets[0] for partition, records in fetched.items()}
        self.rewind(first_offsets, self.assignment_epoch)

    def _on_records_lost(self, partition: TopicPartition, first: int, count: int) -> None:
        self._observer.records_lost(partition, first, count)
        if self._settings.on_lost_records == "stop":
            self.halt({partition})
            self._observer.halted({partition}, LOST_RECORDS)

    def _on_truncated(self, partition: TopicPartition, truncation: Truncation) -> None:
        self._observer.log_truncated(partition, truncation)
        if self._settings.on_lost_records == "stop":
            self.halt({partition})
            self._observer.halted({partition}, LOG_TRUNCATED)
