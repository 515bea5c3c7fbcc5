"""What MongoDB holds, read for whoever has to compare it with something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.sinks.mongodb.client import LOOK_UP, READING, Collections
from workers.sinks.mongodb.encoding import documents_equal, encode
from workers.sinks.mongodb.errors import explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument

    from workers.settings import Settings

REASON = {"reason": 1, "replayed_at": 1}


class MongoReader:
    """See `SinkReader`."""

    def __init__(self, settings: Settings) -> None:
        self._collections = Collections(settings, **READING)

    def connect(self) -> None:
        with explained():
            self._collections.client.admin.command("ping")

    def encode(self, document_id: str, value: dict[str, Any]) -> RawBSONDocument:
        return encode(document_id, value)

    def documents(self, ids: Sequence[str]) -> Mapping[str, RawBSONDocument]:
        with explained():
            return self._collections.find(list(ids))

    def equal(self, stored: RawBSONDocument, document: RawBSONDocument) -> bool:
        return documents_equal(stored, document)

    def dead_letters(self, ids: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        with explained():
            for first in range(0, len(ids), LOOK_UP):
                query = {"_id": {"$in": list(ids[first : first + LOOK_UP])}}
                found |= _reasons(self._collections.dead_letters.find(query, REASON, batch_size=LOOK_UP))
        return found

    def few_dead_letters(self, few: int = 100_000) -> Mapping[str, str] | None:
        with explained():
            found = _reasons(self._collections.dead_letters.find({}, REASON, limit=few + 1))
        return found if len(found) <= few else None

    def ids(self) -> Iterator[object]:
        for collection in (self._collections.documents, self._collections.dead_letters):
            with explained():
                for document in collection.find({}, {"_id": 1}, batch_size=10_000):
                    yield document["_id"]

    def close(self) -> None:
        self._collections.client.close()


def _reasons(letters: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {letter["_id"]: letter["reason"] for letter in letters if not letter.get("replayed_at")}
