"""Records of a list, for a source that has no record batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workers.records import Records


class ListedRecords(Records):
    def __init__(self, records: Sequence[Any]) -> None:
        self._records = list(records)
        self.offsets = [record.offset for record in records]
        self.values = [record.value for record in records]
        self.last_epoch = records[-1].leader_epoch if records else -1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListedRecords) and self._records == other._records

    # Equal by what they hold, as a list is, and so without a hash.
    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, index: Any) -> Any:
        return ListedRecords(self._records[index]) if isinstance(index, slice) else self._records[index]
