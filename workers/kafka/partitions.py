"""Partitions in the client's own type, which it insists on. Both are tuples that equal each other, so what the client
returns by partition can be looked up with ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka import TopicPartition as ClientPartition

from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable


def to_client(partitions: Iterable[TopicPartition]) -> list[ClientPartition]:
    """For a call of the client's."""
    return [ClientPartition(*partition) for partition in partitions]


def from_client(partitions: Iterable[ClientPartition]) -> list[TopicPartition]:
    """In order."""
    return sorted(TopicPartition(*partition) for partition in partitions)
