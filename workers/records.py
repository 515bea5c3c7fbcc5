"""A record of Kafka, and the records of one partition as columns.

The data path works on the columns. An object is made of a record only for those who ask for one: a dead letter, the poison
guard, `verify`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol, overload


class Record(Protocol):
    """The attributes of a Kafka record that this package uses."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def leader_epoch(self) -> int:
        """Of the leader that appended it (KIP-101); -1 if the client does not know it."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970; -1 if the producer set none."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Records(Sequence[Record]):
    """Records of one partition, by ascending offset. A slice is one too."""

    offsets: Sequence[int]
    """Of each record."""
    values: Sequence[bytes | None]
    """Of each record."""
    last_epoch: int
    """The leader epoch of the last record, which is the highest; -1: not known, or no record."""

    def __len__(self) -> int:
        return len(self.values)

    # Columns for those who need them: where nobody asks, they cost nothing.

    def topic(self) -> str:
        """Of all records. There must be one."""
        return self[0].topic

    def partition(self) -> int:
        """Of all records. There must be one."""
        return self[0].partition

    def timestamps(self) -> Sequence[int]:
        """Of each record."""
        return [record.timestamp for record in self]

    def keys(self) -> Sequence[bytes | None]:
        """Of each record."""
        return [record.key for record in self]

    def headers(self) -> Sequence[Sequence[tuple[str, bytes | None]]]:
        """Of each record."""
        return [record.headers for record in self]

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    @abstractmethod
    def __getitem__(self, index: int | slice) -> Record | Records:
        """Args: index: of a record; or a slice without a step."""
