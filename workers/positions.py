"""Where each partition must be read: the committed offset, if it counts in this incarnation of the topic, or the start.

The client has positions of its own, and they are right nearly always. This file is about the rest: a topic that was
deleted and made again, and records that Kafka removed before they were read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from kafka.errors import KafkaError

from workers.admin import describe
from workers.log import Action, listed
from workers.record import TopicIdentity

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from kafka import KafkaConsumer, TopicPartition

log = structlog.get_logger()

Fetch = dict[Any, Any]
"""What the client's poll returned: records by TopicPartition."""


class Positions:
    """What is expected of the partitions that one consumer has. Forgotten at every rebalance."""

    def __init__(
        self, consumer: KafkaConsumer, topic: str, timeout: float, lost: Callable[[TopicPartition, int, int], None]
    ) -> None:
        """Args: lost: told the partition, the first offset and the number of records that were lost to retention."""
        self._consumer = consumer
        self._topic = topic
        self._timeout_ms = int(timeout * 1000)
        self._lost = lost
        self._recreated = False
        self._expected: dict[Any, int] = {}
        """By partition that was admitted since the last rebalance: the offset that its next record should have."""
        self._behind_loss: dict[Any, int] = {}
        """By partition: the beginning of its log, where records before it were lost since the last rebalance."""
        self._skipped: dict[Any, int] = {}
        """Those of them that nobody has taken yet."""
        self.topic_id: UUID | None = None
        self.incarnations = 0
        """How often the topic was made again under this consumer."""

    def forget(self) -> None:
        """The assignment is a new one."""
        self._expected.clear()
        self._behind_loss.clear()
        self._skipped.clear()

    def take_skipped(self) -> dict[Any, int]:
        """By partition: the beginning of its log, where records before it were lost and this was not said yet.

        They are committed even if nothing follows them: every later owner would count them again.
        """
        skipped, self._skipped = self._skipped, {}
        return skipped

    def moved(self, tp: TopicPartition, offset: int) -> None:
        """The client was told to go on from here."""
        if tp in self._expected:
            self._expected[tp] = offset
            if self._behind_loss.get(tp) == offset:
                # What was to be committed here was not.
                self._skipped[tp] = offset

    def incarnation(self) -> TopicIdentity | None:
        """The topic as the client's metadata has it now; None while it is gone.

        Fetches go by name, so a topic that was deleted and made again goes on under the old positions without any
        error if it has grown past them. The metadata, refreshed by the client after a fetch of a deleted topic
        failed, has the new id.
        """
        # The client offers the id in no public place; tests/integration/test_client_canary.py watches this one.
        topic_id = self._consumer._cluster.topic_id(self._topic)
        if topic_id is None:
            return None
        if self.topic_id not in (None, topic_id):
            log.warning(
                "the topic was deleted and made again: reading it from its beginning",
                action=Action.READ,
                topic_id=str(topic_id),
            )
            self.forget()
            self._recreated = True
            self.incarnations += 1
        self.topic_id = topic_id
        return TopicIdentity(self._topic, topic_id)

    def admit(self, fetched: Fetch) -> tuple[Fetch, Fetch]:
        """The records that may be used, and those that must come again once it is known where to begin."""
        new = {tp for tp in self._consumer.assignment() if tp not in self._expected}
        if new:
            try:
                beginnings = self._consumer.beginning_offsets(list(new), timeout_ms=self._timeout_ms)
                commits = {tp: self._consumer.committed(tp, metadata=True, timeout_ms=self._timeout_ms) for tp in new}
            except KafkaError as error:
                log.warning(
                    "cannot read the committed offsets yet",
                    action=Action.READ,
                    partitions=listed({tp.partition for tp in new}),
                    error=describe(error),
                )
                return _split(fetched, new)
            self._begin(beginnings, commits)
        admitted, _ = _split(fetched, new)
        for tp, records in admitted.items():
            self._notice_gap(tp, records[0].offset)
            self._expected[tp] = records[-1].offset + 1
        return admitted, {}

    def _begin(self, beginnings: dict[Any, int], commits: dict[Any, Any]) -> None:
        """Go to where these partitions must begin, wherever the client stands.

        It keeps the position of a partition that it had before the rebalance, though what it read may not be committed.
        """
        for tp, committed in commits.items():
            if self._recreated or committed is None or committed.offset < 0:
                # The broker forgets the commits of a topic that it deletes.
                first = beginnings[tp]
            elif committed.metadata in ("", str(self.topic_id)):
                # Without metadata it was set by a person or another tool, for the topic as it is.
                first = committed.offset
            else:
                log.warning(
                    "the commit is of a deleted topic: reading from the beginning",
                    action=Action.READ,
                    partition=tp.partition,
                )
                first = beginnings[tp]
            self._expected[tp] = first
            self._notice_gap(tp, beginnings[tp])
            self._consumer.seek(tp, self._expected[tp])
        self._recreated = False

    def _notice_gap(self, tp: Any, offset: int) -> None:
        """Tell whether records between the expected offset and this one were removed before they were read.

        Most gaps are none: compaction and transaction markers leave offsets without a record.
        """
        expected = self._expected[tp]
        if offset <= expected:
            return
        beginning = self._consumer.beginning_offsets([tp], timeout_ms=self._timeout_ms)[tp]
        if beginning > expected:
            self._expected[tp] = self._behind_loss[tp] = self._skipped[tp] = min(beginning, offset)
            self._lost(tp, expected, self._expected[tp] - expected)


def _split(fetched: Fetch, out: set[Any]) -> tuple[Fetch, Fetch]:
    kept = {tp: records for tp, records in fetched.items() if tp not in out}
    return kept, {tp: records for tp, records in fetched.items() if tp in out}
