"""Kafka as the loop sees it: one member of the consumer group, and the rules that kafka-python 3.0.12 asks for."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from kafka import ConsumerRebalanceListener, OffsetAndMetadata
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import MemberState

from workers.errors import UnavailableError
from workers.kafka import compat
from workers.kafka.client_errors import describe
from workers.kafka.fetch_positions import Admitted, FetchPositions
from workers.kafka.options import group_member_options, open_consumer
from workers.kafka.partitions import from_client, to_client
from workers.log_fields import Action
from workers.types import CommitResult, Fetched, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from workers.pipeline.observer import Observer
    from workers.settings import Settings

POLL_SECONDS = 0.25
"""How long one poll waits, and so how late a stop is noticed: poll has no wakeup."""
REBALANCED = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)

LOST_RECORDS = (
    "Kafka removed records before they were read, and WORKERS_ON_LOST_RECORDS=stop; set it to continue and restart "
    "this worker to go on behind them"
)

log = structlog.get_logger()


class _Membership(NamedTuple):
    """What this member was in the group at the last poll."""

    member_id: str = ""
    generation: int = -1
    """The group's, by the broker."""
    joins: int = 0
    """How often partitions were assigned."""


class KafkaSource:
    """One member of the group. Build it in the process that uses it: its IO thread does not survive a fork.

    All methods but `connected` are for the loop's thread; the client's IO thread calls the observer's `rebalanced`.
    An exception out of `poll` that is not handled here must end the process: the client's next poll may spin for ever.
    """

    def __init__(
        self,
        settings: Settings,
        observer: Observer,
        stopping: Callable[[], bool],
        joined: Callable[[str], None] = lambda _member_id: None,
    ) -> None:
        """Connect and subscribe; the group is joined by the first polls.

        Args: joined: told the member id after every join, for whoever has to evict this member when it is dead.

        Raises:
            UnavailableError: no broker answered, or it refused this client.
        """
        self._settings = settings
        self._observer = observer
        self._stopping = stopping
        self._joined = joined
        self._member = _Membership()
        self._assignments = 0
        self._halted: set[TopicPartition] = set()
        self._consumer = open_consumer(settings, group_member_options(settings))
        self._positions = FetchPositions(self._consumer, settings.topic, settings.commit_timeout, self._lost)
        self._listener = _Listener(observer)
        self._consumer.subscribe([settings.topic], listener=self._listener)

    def poll(self, max_records: int, *, wait: bool) -> Fetched | None:
        """See `Source.poll`.

        Raises:
            UnavailableError: the client gave up; it must not be asked again.
        """
        # What is in flight is committed before a rebalance, so that nobody has to read it again.
        if not wait and compat.rebalance_pending(self._consumer):
            return None
        with _fatal():
            fetched = self._poll_client(max_records, wait=wait)
            self._observer.iterated()
            self._sync_membership()
            topic = self._positions.incarnation()
            admitted = self._positions.admit(fetched) if topic else Admitted({}, fetched)
        halted = {partition: records for partition, records in admitted.records.items() if partition in self._halted}
        self._redeliver({**admitted.redeliver, **halted})
        # One that went to another member and came back is paused no more.
        self.halt(halted)
        records = {partition: each for partition, each in admitted.records.items() if partition not in halted}
        skipped = self._positions.take_skipped()
        skipped = {partition: offset for partition, offset in skipped.items() if partition not in self._halted}
        if not topic or not (records or skipped):
            return None
        return Fetched({topic.name: topic}, records, skipped, assignment_epoch=self.assignment_epoch)

    @property
    def assignment_epoch(self) -> int:
        """See `Fetched.assignment_epoch`."""
        return self._assignments + self._positions.incarnations

    def commit(self, next_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> CommitResult:
        """Commit with the topic's id as metadata, so that a later owner sees which incarnation the offsets count in.

        Raises:
            UnavailableError: another process has this member's static id.
        """
        # The client would offer them in the generation that it has now, and the broker does not ask who owns what. It gets
        # another one within poll only: a join that goes on behind poll's back is not over before the next.
        if assignment_epoch != self.assignment_epoch:
            return CommitResult.REBALANCED
        metadata = str(self._positions.topic_id)
        offsets = {
            partition: OffsetAndMetadata(next_offsets[TopicPartition(*partition)], metadata, -1)
            for partition in to_client(next_offsets)
        }
        try:
            self._consumer.commit(offsets, timeout_ms=int(self._settings.commit_timeout * 1000))
        except FencedInstanceIdError as error:
            name = self._settings.worker
            raise UnavailableError(f"another process is {name} in this group now; use another WORKERS_SLOT") from error
        except REBALANCED:
            return CommitResult.REBALANCED
        except KafkaTimeoutError:
            return CommitResult.TIMEOUT
        except KafkaError as error:
            log.error("Kafka refused a commit", action=Action.COMMIT, error=describe(error))
            return CommitResult.ERROR
        return CommitResult.OK

    def rewind(self, first_offsets: Mapping[TopicPartition, int], assignment_epoch: int) -> None:
        if assignment_epoch != self.assignment_epoch:
            return
        for partition in to_client(first_offsets.keys() & self._consumer.assignment()):
            offset = first_offsets[TopicPartition(*partition)]
            self._consumer.seek(partition, offset)
            self._positions.moved(TopicPartition(*partition), offset)

    def hold(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping() and (left := until - time.monotonic()) > 0:
            self._consumer.pause(*self._consumer.assignment())
            with _fatal():
                fetched = self._consumer.poll(timeout_ms=int(min(POLL_SECONDS, left) * 1000))
            self._observer.iterated()
            # A partition that was assigned in this very poll was not paused yet.
            self._redeliver(_ours(fetched))
        self._consumer.resume(*(partition for partition in self._consumer.paused() if partition not in self._halted))

    def halt(self, partitions: Collection[TopicPartition]) -> None:
        self._halted.update(partitions)
        self._consumer.pause(*to_client(self._consumer.assignment().intersection(partitions)))

    def close(self) -> None:
        try:
            self._consumer.close(autocommit=False, timeout_ms=int(self._settings.commit_timeout * 1000))
        except KafkaError as error:
            # Everything is committed; at worst the group waits for the session timeout.
            log.warning("could not leave the group", action=Action.REBALANCE, error=describe(error))

    def connected(self) -> bool:
        """Whether this worker is in the group with an assignment, which may be empty. Safe on any thread."""
        member, known = self._consumer.group_metadata(), self._member
        return member.state is MemberState.STABLE and (member.member_id, member.generation_id) == known[:2]

    def _poll_client(self, max_records: int, *, wait: bool) -> dict[TopicPartition, list[Any]]:
        if wait:
            return _ours(self._consumer.poll(timeout_ms=int(POLL_SECONDS * 1000), max_records=max_records))
        with compat.suppress_rejoin(self._consumer):
            return _ours(self._consumer.poll(timeout_ms=0, max_records=max_records))

    def _sync_membership(self) -> None:
        """Begin a new assignment epoch, if this member was given partitions, or another place in the group."""
        member = self._consumer.group_metadata()
        if member.state is MemberState.REBALANCING:
            compat.request_rejoin(self._consumer)
        # The client has the generation a moment before the assignment: only its listener knows that both are there.
        now = _Membership(member.member_id, member.generation_id, self._listener.joins)
        if now == self._member:
            return
        if now.joins != self._member.joins:
            self._observer.owns(from_client(self._consumer.assignment()))
        self._member = now
        self._assignments += 1
        self._positions.forget()
        if now.generation >= 0:
            self._joined(now.member_id)

    def _redeliver(self, fetched: Mapping[TopicPartition, Any]) -> None:
        """Rewind to these records, which are not used."""
        first_offsets = {partition: records[0].offset for partition, records in fetched.items()}
        self.rewind(first_offsets, self.assignment_epoch)

    def _lost(self, partition: TopicPartition, first: int, count: int) -> None:
        self._observer.records_lost(partition, first, count)
        if self._settings.on_lost_records == "stop":
            self.halt({partition})
            self._observer.halted({partition}, LOST_RECORDS)


def _ours(fetched: Mapping[Any, list[Any]]) -> dict[TopicPartition, list[Any]]:
    return {TopicPartition(*partition): records for partition, records in fetched.items()}


@contextmanager
def _fatal() -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise UnavailableError(f"Kafka: {describe(error)}; this worker ends, and the next one begins afresh") from error


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python is untyped
    """Counts, and no more: it runs on the client's IO thread, where a blocking call of the consumer would deadlock."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.joins = 0

    def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        self._observer.rebalanced("revoked", from_client(revoked))

    def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        self._observer.rebalanced("assigned", from_client(assigned))
        self.joins += 1

    def on_partitions_lost(self, lost: Collection[Any]) -> None:
        self._observer.rebalanced("lost", from_client(lost))
