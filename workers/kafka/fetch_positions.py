"""Where each partition must be read: the committed offset, if it counts in this incarnation of the topic, or the start.

The client has positions of its own, and they are right nearly always. This file is about the rest: a topic that was
deleted and made again, and records that Kafka removed before they were read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from kafka.errors import KafkaError

from workers.kafka import compat
from workers.kafka.client_errors import describe
from workers.log_fields import Action, listed
from workers.types import TopicIdentity

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from kafka import KafkaConsumer, TopicPartition

log = structlog.get_logger()

Fetch = dict[Any, Any]
"""What the client's poll returned: records by TopicPartition."""


class FetchPositions:
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
            # Behind a gap that nobody could look at yet, the client is further than what is expected.
            self._expected[tp] = min(self._expected[tp], offset)
            if self._behind_loss.get(tp) == offset:
                # What was to be committed here was not.
                self._skipped[tp] = offset

    def incarnation(self) -> TopicIdentity | None:
        """The topic as the client's metadata has it now; None while it is gone.

        Fetches go by name, so a topic that was deleted and made again goes on under the old positions without any
        error if it has grown past them. The metadata, refreshed by the client after a fetch of a deleted topic
        failed, has the new id.
        """
        topic_id = compat.topic_id(self._consumer, self._topic)
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
        known = {tp: records for tp, records in fetched.items() if tp in self._expected}
        gaps = {tp for tp, records in known.items() if records[0].offset > self._expected[tp]}
        admitted = {tp: records for tp, records in known.items() if tp not in gaps}
        unsure = {tp: records for tp, records in fetched.items() if tp not in admitted}
        if new or gaps:
            try:
                beginnings = self._consumer.beginning_offsets(list(new | gaps), timeout_ms=self._timeout_ms)
                commits = {tp: self._consumer.committed(tp, metadata=True, timeout_ms=self._timeout_ms) for tp in new}
            except KafkaError as error:
                log.warning(
                    "cannot read the offsets yet",
                    action=Action.READ,
                    partitions=listed({tp.partition for tp in new | gaps}),
                    error=describe(error),
                )
            else:
                self._begin(beginnings, commits)
                for tp in gaps:
                    # Most gaps are no loss: compaction and transaction markers leave offsets without a record.
                    self._pass_over(tp, min(beginnings[tp], known[tp][0].offset))
                # What came of new partitions comes again, from where they begin.
                admitted, unsure = known, {}
        for tp, records in admitted.items():
            self._expected[tp] = records[-1].offset + 1
        return admitted, unsure

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
            self._pass_over(tp, beginnings[tp])
            self._consumer.seek(tp, self._expected[tp])
        self._recreated = False

    def _pass_over(self, tp: Any, beginning: int) -> None:
        """Expect nothing before the beginning of the log, and tell of records that nobody read there."""
        expected = self._expected[tp]
        if beginning > expected:
            self._expected[tp] = self._behind_loss[tp] = self._skipped[tp] = beginning
            self._lost(tp, expected, beginning - expected)
