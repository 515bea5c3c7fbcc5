"""Dead letters in MongoDB: the document that a rejected record becomes, and the collection of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from workers.sinks.base import EPOCH, DeadLetter, DeadLetterFilter
from workers.sinks.mongodb.client import READING, Collections
from workers.sinks.mongodb.errors import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.settings import Settings
    from workers.types import Record, Reject

KEPT_VALUE_BYTES = 8 * 1024 * 1024
KEPT_HEADER_BYTES = 64 * 1024


def to_document(reject: Reject, worker: str, now: datetime) -> dict[str, Any]:
    """The dead letter of a reject, under the record's own id, so that it too exists exactly once.

    Keys, values and header values are kept as the raw bytes that they are; nothing in them is decoded. What is too
    large is cut, and `value_bytes` and `value_sha256` tell what it was.
    """
    record = reject.record
    value = record.value
    return {
        "_id": reject.id,
        "reason": str(reject.reason),
        "error": reject.error,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": EPOCH + timedelta(milliseconds=record.timestamp) if 0 <= record.timestamp < 2**47 else None,
        "key": record.key if record.key is None else record.key[:KEPT_HEADER_BYTES],
        "value": value if value is None else value[:KEPT_VALUE_BYTES],
        "value_bytes": None if value is None else len(value),
        "value_sha256": None if value is None else hashlib.sha256(value).hexdigest(),
        "headers": _kept_headers(record),
        "worker": worker,
        "rejected_at": now,
        "attempts": 1,
    }


def from_document(document: dict[str, Any]) -> DeadLetter:
    """What `to_document` wrote, and what became of it since."""
    fields = {name: value for name, value in document.items() if name in DeadLetter.__dataclass_fields__}
    headers = [(header["key"], header["value"]) for header in document.get("headers", ())]
    return DeadLetter(**{"key": None, "value": None, **fields, "id": document["_id"], "headers": headers})


class MongoDeadLetters:
    """See `DeadLetterStore`."""

    def __init__(self, settings: Settings) -> None:
        self._client = (collections := Collections(settings, **READING)).client
        self._letters = collections.dead_letters

    def connect(self) -> None:
        with explained():
            self._client.admin.command("ping")

    def count(self, chosen: DeadLetterFilter) -> int:
        with explained():
            return int(self._letters.count_documents(_query(chosen)))

    def find(self, chosen: DeadLetterFilter, most: int = 0) -> Iterator[DeadLetter]:
        with explained():
            yield from map(from_document, self._letters.find(_query(chosen)).sort("rejected_at", 1).limit(most))

    def get(self, letter_id: str) -> DeadLetter | None:
        with explained():
            found = self._letters.find_one({"_id": letter_id})
        return None if found is None else from_document(found)

    def attempted(self, letter_id: str, again: Reject | None) -> None:
        if again is None:
            now: dict[str, Any] = {"replayed_at": datetime.now(UTC)}
        else:
            now = {"reason": str(again.reason), "error": again.error}
        with explained():
            self._letters.update_one({"_id": letter_id}, {"$inc": {"attempts": 1}, "$set": now})

    def drop_payload(self, letter_id: str) -> None:
        payload = {"value": "", "key": "", "headers": ""}
        with explained():
            self._letters.update_one({"_id": letter_id}, {"$unset": payload, "$set": {"purged_at": datetime.now(UTC)}})

    def delete(self, letter_id: str) -> None:
        with explained():
            self._letters.delete_one({"_id": letter_id})

    def close(self) -> None:
        self._client.close()


def _query(chosen: DeadLetterFilter) -> dict[str, Any]:
    query: dict[str, Any] = {}
    if chosen.ids:
        query["_id"] = {"$in": list(chosen.ids)}
    if chosen.reason is not None:
        query["reason"] = str(chosen.reason)
    if chosen.partition is not None:
        query |= chosen.partition._asdict()
    times = {"$gte": chosen.since, "$lt": chosen.until}
    if any(times.values()):
        query["rejected_at"] = {word: time for word, time in times.items() if time}
    return query


def _kept_headers(record: Record) -> list[dict[str, Any]]:
    kept, room = [], KEPT_HEADER_BYTES
    for key, value in record.headers:
        room -= len(key) + len(value or b"") + 16
        if room < 0:
            break
        kept.append({"key": key, "value": value})
    return kept
