"""The log of the auditor: each record that is not accounted for once, with its place, and when it is accounted for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from workers.log_fields import Action, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.auditor.findings import Place, Unaccounted
    from workers.types import TopicPartition

MOST_LINES = 20
"""For one look: the rest is one line with their number."""
WHAT = {
    "missing": "a record is missing: it was committed, and there is no document and no dead letter of it",
    "twice": "a record is there twice: as a document and as a dead letter",
    "conflicting": "a document has another content than its record",
    "unexpected": "a document or a dead letter has no record in Kafka",
}
"""By outcome."""

log = structlog.get_logger()


class Teller:
    """What it is told is new: nothing is told twice."""

    def found(self, found: Mapping[Place, Unaccounted]) -> None:
        """These are not accounted for."""
        for (partition, offset), each in list(found.items())[:MOST_LINES]:
            log.error(
                WHAT[each.outcome],
                action=Action.VERIFY,
                outcome=each.outcome,
                topic=partition.topic,
                partition=partition.partition,
                offset=offset,
                look=f"workers peek {partition.topic}/{partition.partition}/{offset}",
            )
        if len(found) > MOST_LINES:
            log.error(
                "more records are not accounted for; `workers verify` counts them all",
                action=Action.VERIFY,
                count=len(found) - MOST_LINES,
            )

    def mended(self, found: Mapping[Place, Unaccounted]) -> None:
        """These are as they must be again."""
        self._no_more(found, "a record is accounted for again", "more records are accounted for again")

    def read_again(self, found: Mapping[Place, Unaccounted]) -> None:
        """The group is to store these once more, and then they are verified."""
        self._no_more(
            found,
            "a record that was not accounted for is read again: the group was set back",
            "more records that were not accounted for are read again",
        )

    def _no_more(self, found: Mapping[Place, Unaccounted], each_text: str, more_text: str) -> None:
        for (partition, offset), each in list(found.items())[:MOST_LINES]:
            log.info(
                each_text,
                action=Action.VERIFY,
                outcome=each.outcome,
                topic=partition.topic,
                partition=partition.partition,
                offset=offset,
            )
        if len(found) > MOST_LINES:
            log.info(more_text, action=Action.VERIFY, count=len(found) - MOST_LINES)

    def gone(self, found: Mapping[Place, Unaccounted]) -> None:
        """The log does not hold these any more, so nothing can be proven of them."""
        for (partition, offset), each in list(found.items())[:MOST_LINES]:
            log.error(
                "a record that was not accounted for is not in Kafka any more: retention or compaction has removed it, or the "
                "log was truncated",
                action=Action.VERIFY,
                outcome=each.outcome,
                topic=partition.topic,
                partition=partition.partition,
                offset=offset,
            )
        if len(found) > MOST_LINES:
            log.error(
                "more records that were not accounted for are not in Kafka any more",
                action=Action.VERIFY,
                count=len(found) - MOST_LINES,
            )

    def set_back(self, partitions: Iterable[TopicPartition]) -> None:
        """The group reads these partitions again, from before what it had committed."""
        log.warning(
            "the group was set back, or lost its commits; what it reads again is verified again, and until then nothing is proven",
            action=Action.VERIFY,
            partitions=listed(partitions),
        )

    def removed(self, partition: TopicPartition, first: int, end: int) -> None:
        """Retention has removed these offsets before they were verified."""
        log.warning(
            "Kafka removed records before they were verified",
            action=Action.VERIFY,
            topic=partition.topic,
            partition=partition.partition,
            first_offset=first,
            next_offset=end,
        )
