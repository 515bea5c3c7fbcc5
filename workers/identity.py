"""The identity of a record: topic, topic id, partition and offset; and the leader epoch, where an offset was used twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

SECOND = "@"
"""In every second id and in no other: a topic name does not contain it."""


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """One incarnation of a topic: its name and the id that the broker gave it.

    The offsets of a topic that is deleted and recreated begin at 0 again, so a name, a partition and an offset do not
    identify a record; with the topic id they do (KIP-516).
    """

    name: str
    uuid: UUID
    prefix: str = field(init=False)
    """The beginning of every document id of this incarnation."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix", f"{self.name}-{self.uuid.hex[:8]}/")

    def partition_prefix(self, partition: int) -> str:
        """The beginning of the document ids of this partition; the offset follows."""
        return f"{self.prefix}{partition}/"

    def document_id(self, partition: int, offset: int) -> str:
        """The document id of the record at this offset, for example `numtest-08b40071/3/42`.

        Injective: a topic name contains no slash, and the rest are numbers.
        """
        return f"{self.partition_prefix(partition)}{offset}"


def second_id(document_id: str, leader_epoch: int) -> str:
    """The document id of a record at an offset whose own id belongs to a record that the log does not hold any more.

    For example `numtest-08b40071/3/42@7`. A truncated log uses offsets again, under a later leader epoch (KIP-101), so this
    is injective too. Decision 15.
    """
    return f"{document_id}{SECOND}{leader_epoch}"


class ParsedId(NamedTuple):
    """What a document id says."""

    partition: int
    offset: int
    leader_epoch: int | None
    """Only in an id of `second_id`."""


def parse_id(document_id: object, topic: TopicIdentity) -> ParsedId | None:
    """The inverse of `TopicIdentity.document_id` and `second_id`; None: an id of anything else."""
    if not isinstance(document_id, str) or not document_id.startswith(topic.prefix):
        return None
    partition, _, rest = document_id.removeprefix(topic.prefix).partition("/")
    offset, _, epoch = rest.partition(SECOND)
    if not (partition.isdecimal() and offset.isdecimal() and (epoch.isdecimal() or not epoch)):
        return None
    parsed = ParsedId(int(partition), int(offset), int(epoch) if epoch else None)
    again = topic.document_id(parsed.partition, parsed.offset)
    again = again if parsed.leader_epoch is None else second_id(again, parsed.leader_epoch)
    return parsed if again == document_id else None


class OffsetRange(NamedTuple):
    """The offsets in [first, end) of one partition."""

    first: int
    end: int

    def __contains__(self, offset: object) -> bool:
        return isinstance(offset, int) and self.first <= offset < self.end
