"""Converts partitions to the client's own type, which its methods require, and back. Both types are tuples that are
equal to each other, so a dictionary that the client returns can be indexed by ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka import TopicPartition as ClientPartition

from workers.types import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable


def to_client(partitions: Iterable[TopicPartition]) -> list[ClientPartition]:
    """For an argument of the client's methods."""
    return [ClientPartition(*partition) for partition in partitions]


def from_client(partitions: Iterable[ClientPartition]) -> list[TopicPartition]:
    """For the rest of this project; sorted."""
    return sorted(TopicPartition(*partition) for partition in partitions)
