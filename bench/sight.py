"""What is in the database by now, asked so that it costs the database nothing that counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

from pymongo import MongoClient

from bench.backlog import Backlog
from bench.servers import Place

LONGEST_PAUSE = 0.5


class Sight:
    """The collection of one place. Use it with `with`."""

    def __init__(self, place: Place, document_id: Callable[[int, int], str] | None = None) -> None:
        settings = place.settings
        self._id = document_id or place.topic.document_id
        self._client: MongoClient[Any] = MongoClient(settings.mongodb_uri.get_secret_value())
        self._collection = self._client[settings.database][settings.collection]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def of(self, backlog: Backlog) -> Callable[[], bool]:
        """A condition: the last record of each partition is stored. One id is asked for at a time."""
        left = [self._id(*each) for each in backlog.last_places()]

        def stored() -> bool:
            while left and self.has(left[-1]):
                left.pop()
            return not left

        return stored

    def has(self, document_id: str) -> bool:
        return self._collection.find_one({"_id": document_id}, {"_id": 1}) is not None

    def counted(self, total: int) -> Callable[[], bool]:
        """A condition: so many are stored. Counting is dear, so it is done only when half of what was left should be."""
        first: list[tuple[float, int]] = []
        due = 0.0

        def all_stored() -> bool:
            nonlocal due
            if (now := time.monotonic()) < due:
                return False
            if count := self.count():
                first.append((now, count))
            grown = count - first[0][1] if first else 0
            left = (total - count) * (now - first[0][0]) / grown if grown else LONGEST_PAUSE
            due = now + min(LONGEST_PAUSE, left / 2)
            return count >= total

        return all_stored

    def count(self) -> int:
        return self._collection.estimated_document_count()

    def require(self, records: int) -> None:
        """A rate of something that loses records is none."""
        if (count := self.count()) != records:
            raise RuntimeError(f"{count:,} documents are stored of {records:,} records")
