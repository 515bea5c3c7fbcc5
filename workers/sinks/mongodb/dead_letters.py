"""The document that a rejected record becomes: everything that is needed to explain it and to replay it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.types import Record, Reject

SUFFIX = "_dead_letters"
"""Dead letters of the collection `numtest` are in `numtest_dead_letters`."""
KEPT_VALUE_BYTES = 8 * 1024 * 1024
KEPT_HEADER_BYTES = 64 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def dead_letter(reject: Reject, topic: str, worker: str, now: datetime) -> dict[str, Any]:
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
        "topic": topic,
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


def _kept_headers(record: Record) -> list[dict[str, Any]]:
    kept, room = [], KEPT_HEADER_BYTES
    for key, value in record.headers:
        room -= len(key) + len(value or b"") + 16
        if room < 0:
            break
        kept.append({"key": key, "value": value})
    return kept
