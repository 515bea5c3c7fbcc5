"""Writes dead letters, and finds those that an earlier delivery has written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from pymongo.errors import BulkWriteError, DocumentTooLarge, PyMongoError

from workers.errors import RetryReason, SinkUnavailableError
from workers.sinks.mongodb.client import IDS_PER_QUERY, Collections
from workers.sinks.mongodb.codes import DUPLICATE_KEYS
from workers.sinks.mongodb.dead_letters import KEPT_HEADER_BYTES, KEPT_VALUE_BYTES, to_document
from workers.sinks.mongodb.errors import ErrorClass, classify
from workers.sinks.mongodb.messages import describe_error, describe_failure, retry_after
from workers.types import RejectReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.types import Reject

KEPT_BYTES = (KEPT_VALUE_BYTES + KEPT_HEADER_BYTES, 512 * 1024, 16 * 1024, 0)
"""Bytes of a value, tried in this order: a server may take smaller documents than MongoDB, and say so only then."""
TOO_LARGE_CODES = {16, 10334}
"""InvalidLength (Cosmos DB) and BSONObjectTooLarge."""


class Settled(NamedTuple):
    """The dead letter of a record, from an earlier delivery of it."""

    reason: RejectReason
    error: str
    value_sha256: str | None
    """Of its record's value: the same id may be of a record that the log does not hold any more."""


class DeadLetterWriter:
    """Inserts into the collection of dead letters, which may have limits and rules of its own."""

    def __init__(self, collections: Collections, worker: str) -> None:
        self._dead_letters = collections.dead_letters
        self._worker = worker

    def write(self, rejects: Sequence[Reject]) -> set[str]:
        """Insert the dead letters of these; return the ids of those that were not stored before.

        Raises:
            SinkUnavailableError: one was refused, whatever the cause. The driver's errors are raised as they are.
        """
        now = datetime.now(UTC)
        new: set[str] = set()
        for kept_bytes in KEPT_BYTES:
            if not rejects:
                break
            rejects = self._write(rejects, [to_document(each, self._worker, now, kept_bytes) for each in rejects], new)
        if rejects:
            raise SinkUnavailableError(RetryReason.DEAD_LETTERS, "a dead letter is too large even without its value")
        return new

    def settled(self, ids: Sequence[str]) -> Mapping[str, Settled]:
        """By id, those that have a dead letter already and were not replayed since."""
        found: dict[str, Settled] = {}
        wanted = {"reason": 1, "error": 1, "replayed_at": 1, "value_sha256": 1}
        for first in range(0, len(ids), IDS_PER_QUERY):
            query = {"_id": {"$in": list(ids[first : first + IDS_PER_QUERY])}}
            for letter in self._dead_letters.find(query, wanted, batch_size=IDS_PER_QUERY):
                if not letter.get("replayed_at"):
                    # Another version may know other reasons.
                    known = letter.get("reason") in set(RejectReason)
                    reason = RejectReason(letter["reason"]) if known else RejectReason.REFUSED_BY_SERVER
                    found[letter["_id"]] = Settled(reason, str(letter.get("error", "")), letter.get("value_sha256"))
        return found

    def _write(self, rejects: Sequence[Reject], letters: Sequence[dict[str, Any]], new: set[str]) -> list[Reject]:
        """Returns those whose dead letter is too large for this server."""
        try:
            self._dead_letters.insert_many(letters, ordered=False)
        except DocumentTooLarge:
            # The driver's own, for a document larger than a message that the server takes; it does not say which.
            return self._halves(rejects, letters, new) if len(rejects) > 1 else list(rejects)
        except BulkWriteError as error:
            failures = error.details.get("writeErrors", [])
            if concerns := error.details.get("writeConcernErrors"):
                said = describe_failure(concerns[0].get("code"), concerns[0].get("errmsg"))
                raise SinkUnavailableError(
                    RetryReason.DEAD_LETTERS, f"the database did not acknowledge a dead letter: {said}"
                ) from None
            failed = {rejects[failure["index"]].id for failure in failures}
            new |= {reject.id for reject in rejects} - failed
            too_large, known = [], []
            for failure in failures:
                code, message = failure.get("code"), str(failure.get("errmsg", ""))
                if code in TOO_LARGE_CODES:
                    too_large.append(rejects[failure["index"]])
                elif code in DUPLICATE_KEYS:
                    known.append(rejects[failure["index"]].id)
                else:
                    said = f"the database refused a dead letter: {describe_failure(code, message)}"
                    wait = max(map(retry_after, failures))
                    raise SinkUnavailableError(RetryReason.DEAD_LETTERS, said, wait) from None
            self._require_stored(known)
            return too_large
        except PyMongoError as error:
            if classify(error).error_class in (ErrorClass.UNAVAILABLE, ErrorClass.FATAL):
                raise
            if len(rejects) > 1 and classify(error).error_class is ErrorClass.COMMAND:
                return self._halves(rejects, letters, new)
            code = getattr(error, "code", None)
            if code in DUPLICATE_KEYS:
                self._require_stored([each.id for each in rejects])
                return []
            if code in TOO_LARGE_CODES:
                return list(rejects)
            raise SinkUnavailableError(
                RetryReason.DEAD_LETTERS,
                f"the database refused a dead letter: {describe_error(error)}",
                retry_after(getattr(error, "details", None) or None),
            ) from None
        new |= {reject.id for reject in rejects}
        return []

    def _require_stored(self, ids: Sequence[str]) -> None:
        """Check that a duplicate key was that of `_id`: a record whose dead letter another index refuses would be lost."""
        for first in range(0, len(ids), IDS_PER_QUERY):
            some = list(ids[first : first + IDS_PER_QUERY])
            found = self._dead_letters.find({"_id": {"$in": some}}, {"_id": 1}, batch_size=IDS_PER_QUERY)
            if len(list(found)) < len(some):
                raise SinkUnavailableError(
                    RetryReason.DEAD_LETTERS,
                    f"a unique index of {self._dead_letters.name} other than _id's refuses a dead letter; drop that index",
                )

    def _halves(self, rejects: Sequence[Reject], letters: Sequence[dict[str, Any]], new: set[str]) -> list[Reject]:
        middle = len(rejects) // 2
        first = self._write(rejects[:middle], letters[:middle], new)
        return first + self._write(rejects[middle:], letters[middle:], new)
