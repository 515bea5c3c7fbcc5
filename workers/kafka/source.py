"""Kafka as the loop sees it: one member of the consumer group, and the rules that kafka-python 3.0.12 asks for."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import structlog
from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
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
from workers.kafka.fetch_positions import FetchPositions
from workers.kafka.options import group_member_options, open_consumer
from workers.log_fields import Action
from workers.types import CommitResult, Fetched

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


class KafkaSource:
    """One member of the group. Build it in the process that uses it: its IO thread does not survive a fork.

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
        self._member = ("", -1, 0)
        """At the last poll: the member id, the group's generation, and how often partitions were assigned."""
        self._rebalances = 0
        self._stopped: set[int] = set()
        self._consumer = open_consumer(settings, group_member_options(settings))
        self._positions = FetchPositions(self._consumer, settings.topic, settings.commit_timeout, self._lost)
        self._listener = _Listener(observer)
        self._consumer.subscribe([settings.topic], listener=self._listener)

    def poll(self, most: int, *, wait: bool) -> Fetched | None:
        """See `Source.poll`.

        Raises:
            UnavailableError: the client gave up; it must not be asked again.
        """
        # What is in flight is committed before a rebalance, so that nobody has to read it again.
        if not wait and compat.rebalance_pending(self._consumer):
            return None
        with _fatal():
            with nullcontext() if wait else compat.suppress_rejoin(self._consumer):
                fetched = self._consumer.poll(timeout_ms=int(POLL_SECONDS * 1000) if wait else 0, max_records=most)
            self._observer.iterated()
            self._notice_rebalance()
            topic = self._positions.incarnation()
            admitted, refused = self._positions.admit(fetched) if topic else ({}, fetched)
        stopped = {tp: records for tp, records in admitted.items() if tp.partition in self._stopped}
        refused |= stopped
        self._give_back(refused)
        # One that went to another member and came back is paused no more.
        self.stop({tp.partition for tp in stopped})
        records = {tp.partition: records for tp, records in admitted.items() if tp not in refused}
        lost = self._positions.take_skipped()
        skipped = {tp.partition: offset for tp, offset in lost.items() if tp.partition not in self._stopped}
        if not topic or not (records or skipped):
            return None
        return Fetched(topic, records, skipped, assignment_epoch=self.assignment_epoch)

    @property
    def assignment_epoch(self) -> int:
        """See `Fetched.assignment_epoch`."""
        return self._rebalances + self._positions.incarnations

    def commit(self, next_offsets: Mapping[int, int], assignment_epoch: int) -> CommitResult:
        """Commit with the topic's id as metadata, so that a later owner sees which incarnation the offsets count in.

        Raises:
            UnavailableError: another process has this member's static id.
        """
        # The client would offer them in the generation that it has now, and the broker does not ask who owns what. It gets
        # another one within poll only: a join that goes on behind poll's back is not over before the next.
        if assignment_epoch != self.assignment_epoch:
            return CommitResult.REBALANCED
        offsets = {
            self._tp(partition): OffsetAndMetadata(offset, str(self._positions.topic_id), -1)
            for partition, offset in next_offsets.items()
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

    def rewind(self, first_offsets: Mapping[int, int], assignment_epoch: int) -> None:
        if assignment_epoch != self.assignment_epoch:
            return
        assigned = self._consumer.assignment()
        for partition, offset in first_offsets.items():
            if self._tp(partition) in assigned:
                self._consumer.seek(self._tp(partition), offset)
                self._positions.moved(self._tp(partition), offset)

    def hold(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping() and (left := until - time.monotonic()) > 0:
            self._consumer.pause(*self._consumer.assignment())
            with _fatal():
                fetched = self._consumer.poll(timeout_ms=int(min(POLL_SECONDS, left) * 1000))
            self._observer.iterated()
            # A partition that was assigned in this very poll was not paused yet.
            self._give_back(fetched)
        self._consumer.resume(*(tp for tp in self._consumer.paused() if tp.partition not in self._stopped))

    def stop(self, partitions: Collection[int]) -> None:
        self._stopped.update(partitions)
        assigned = self._consumer.assignment()
        self._consumer.pause(*(self._tp(partition) for partition in partitions if self._tp(partition) in assigned))

    def close(self) -> None:
        try:
            self._consumer.close(autocommit=False, timeout_ms=int(self._settings.commit_timeout * 1000))
        except KafkaError as error:
            # Everything is committed; at worst the group waits for the session timeout.
            log.warning("could not leave the group", action=Action.REBALANCE, error=describe(error))

    def connected(self) -> bool:
        """Whether this worker is in the group with an assignment, which may be empty. Safe on any thread."""
        member = self._consumer.group_metadata()
        return member.state is MemberState.STABLE and (member.member_id, member.generation_id) == self._member[:2]

    def _notice_rebalance(self) -> None:
        member = self._consumer.group_metadata()
        if member.state is MemberState.REBALANCING:
            compat.request_rejoin(self._consumer)
        # The client has the generation a moment before the assignment: only its listener knows that both are there.
        known = (member.member_id, member.generation_id, joins := self._listener.joins)
        if known == self._member:
            return
        if joins != self._member[2]:
            self._observer.owns(sorted(tp.partition for tp in self._consumer.assignment()))
        self._member = known
        self._rebalances += 1
        self._positions.forget()
        if member.generation_id >= 0:
            self._joined(member.member_id)

    def _give_back(self, fetched: Mapping[Any, Any]) -> None:
        """Have these records, which are not used, delivered again."""
        self.rewind({tp.partition: records[0].offset for tp, records in fetched.items()}, self.assignment_epoch)

    def _lost(self, tp: TopicPartition, first: int, count: int) -> None:
        self._observer.lost(tp.partition, first, count)
        if self._settings.on_lost_records == "stop":
            self.stop({tp.partition})
            self._observer.stopped({tp.partition}, LOST_RECORDS)

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.topic, partition)


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

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._observer.rebalanced("revoked", [tp.partition for tp in revoked])

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._observer.rebalanced("assigned", [tp.partition for tp in assigned])
        self.joins += 1

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._observer.rebalanced("lost", [tp.partition for tp in lost])
