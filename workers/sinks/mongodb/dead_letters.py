"""Dead letters in MongoDB: their documents, and their collection."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from workers.sinks.base import EPOCH, DeadLetter, DeadLetterFilter
from workers.sinks.mongodb.client import READING, Collections
from workers.sinks.mongodb.errors import translate_read_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymongo import MongoClient

    from workers.records import Record
    from workers.settings import Settings
    from workers.types import Reject

KEPT_VALUE_BYTES = 8 * 1024 * 1024
KEPT_HEADER_BYTES = 64 * 1024


def to_document(
    reject: Reject, worker: str, now: datetime, most: int = KEPT_VALUE_BYTES + KEPT_HEADER_BYTES
) -> dict[str, Any]:
    """The dead letter of a reject, under the record's own id, so that writing it is idempotent too.

    Keys, values and header values are kept as raw bytes. Those that are too large are cut; `value_bytes` and
    `value_sha256` are of the whole value.

    Args: most: bytes of the value, and of the key, that are kept at most. Less than the default where a server takes
        smaller documents than MongoDB does.
    """
    record = reject.record
    value = record.value
    room = min(most, KEPT_HEADER_BYTES)
    headers = _kept_headers(record, room)
    cut = [
        name
        for name, is_cut in (("key", len(record.key or b"") > room), ("headers", len(headers) < len(record.headers)))
        if is_cut
    ]
    return {
        "_id": reject.id,
        "reason": str(reject.reason),
        "error": reject.error,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": EPOCH + timedelta(milliseconds=record.timestamp) if 0 <= record.timestamp < 2**47 else None,
        "key": record.key if record.key is None else record.key[:room],
        "value": value if value is None else value[: min(most, KEPT_VALUE_BYTES)],
        "value_bytes": None if value is None else len(value),
        "value_sha256": value_hash(record),
        "headers": headers,
        "worker": worker,
        "rejected_at": now,
        "attempts": 1,
    } | ({"cut": cut} if cut else {})


def value_hash(record: Record) -> str | None:
    """The hash of a record's whole value, as a dead letter keeps it."""
    return None if record.value is None else hashlib.sha256(record.value).hexdigest()


def from_document(document: dict[str, Any]) -> DeadLetter:
    """The dead letter of a stored document, with what later commands added to it."""
    fields = {name: value for name, value in document.items() if name in DeadLetter.__dataclass_fields__}
    headers = [(header["key"], header["value"]) for header in document.get("headers", ())]
    return DeadLetter(**{"key": None, "value": None, **fields, "id": document["_id"], "headers": headers})


class MongoDeadLetters:
    """See `DeadLetterStore`."""

    def __init__(self, settings: Settings, client: MongoClient[Any] | None = None) -> None:
        """Args: client: where several share one; whoever closes one of them closes it. None: one of its own."""
        self._client = (collections := Collections(settings, client, **READING)).client
        self._letters = collections.dead_letters

    def connect(self) -> None:
        with translate_read_errors():
            self._client.admin.command("ping")

    def count(self, chosen: DeadLetterFilter) -> int:
        with translate_read_errors():
            return int(self._letters.count_documents(_query(chosen)))

    def find(self, chosen: DeadLetterFilter, limit: int = 0) -> Iterator[DeadLetter]:
        with translate_read_errors():
            yield from map(from_document, self._letters.find(_query(chosen)).sort("rejected_at", 1).limit(limit))

    def get(self, letter_id: str) -> DeadLetter | None:
        with translate_read_errors():
            found = self._letters.find_one({"_id": letter_id})
        return None if found is None else from_document(found)

    def topics(self) -> Sequence[str]:
        with translate_read_errors():
            return sorted(each for each in self._letters.distinct("topic") if isinstance(each, str))

    def record_replay(self, letter_id: str, reject: Reject | None) -> None:
        if reject is None:
            changed: dict[str, Any] = {"replayed_at": datetime.now(UTC)}
        else:
            changed = {"reason": str(reject.reason), "error": reject.error}
        with translate_read_errors():
            self._letters.update_one({"_id": letter_id}, {"$inc": {"attempts": 1}, "$set": changed})

    def drop_payload(self, letter_id: str) -> bool:
        payload = {"value": "", "key": "", "headers": ""}
        kept = {"_id": letter_id, "purged_at": None}
        with translate_read_errors():
            changed = self._letters.update_one(kept, {"$unset": payload, "$set": {"purged_at": datetime.now(UTC)}})
            return changed.modified_count == 1

    def delete(self, letter_id: str) -> bool:
        with translate_read_errors():
            return self._letters.delete_one({"_id": letter_id}).deleted_count == 1

    def close(self) -> None:
        self._client.close()


def _query(chosen: DeadLetterFilter) -> dict[str, Any]:
    query: dict[str, Any] = {}
    if chosen.ids:
        query["_id"] = {"$in": list(chosen.ids)}
    if chosen.reason is not None:
        query["reason"] = str(chosen.reason)
    if chosen.topics is not None:
        query["topic"] = {"$in": list(chosen.topics)}
    if chosen.partition is not None:
        query |= chosen.partition._asdict()
    if chosen.unpurged:
        query["purged_at"] = None
    if chosen.unreplayed:
        query["replayed_at"] = None
    times = {"$gte": chosen.since, "$lt": chosen.until}
    if any(times.values()):
        query["rejected_at"] = {operator: time for operator, time in times.items() if time}
    return query


def _kept_headers(record: Record, room: int) -> list[dict[str, Any]]:
    kept = []
    for key, value in record.headers:
        room -= len(key) + len(value or b"") + 16
        if room < 0:
            break
        kept.append({"key": key, "value": value})
    return kept
