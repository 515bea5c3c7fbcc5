"""The sink for MongoDB: a batch is written once every record of it is a document or a dead letter.

Documents are inserted, never replaced, under an id made of topic, partition and offset. A redelivered record fails with
a duplicate key; the stored document is then read and compared: equal is a duplicate, other content a conflict.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo.errors import BulkWriteError, PyMongoError

from workers.errors import BadConfigurationError, RetryReason, SinkUnavailableError
from workers.sinks.mongodb.client import Collections
from workers.sinks.mongodb.dead_letters import to_document
from workers.sinks.mongodb.encoding import documents_equal, encode
from workers.sinks.mongodb.errors import (
    DUPLICATE_KEY,
    ErrorClass,
    classify,
    classify_code,
    one_line,
    translate_write_errors,
)
from workers.sinks.mongodb.reused_offsets import ReusedOffsets
from workers.types import Insert, Reject, RejectReason, TopicPartition, WriteResult, partition_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bson.raw_bson import RawBSONDocument

    from workers.settings import Settings
    from workers.types import Batch

PING_SECONDS = 2.0
ATTEMPTS_ALONE = 3
"""A document is the cause of an unknown error if it fails this often alone, while the server answers."""


@dataclass(slots=True)
class _InsertOutcomes:
    """The outcomes of the inserts of one write. An insert that is in none of these is stored."""

    reused: ReusedOffsets
    duplicates: set[str] = field(default_factory=set)
    """Ids under which the same content was stored before."""
    refused: dict[str, Reject] = field(default_factory=dict)
    """By id."""
    with_dead_letter: set[str] = field(default_factory=set)
    """The ids among the refused whose dead letter `_isolate` has written."""

    def refuse(self, insert: Insert, reason: RejectReason, error: str) -> None:
        self.refused[insert.id] = Reject(insert.id, reason, error, insert.record)


class MongoSink:
    """A collection of documents, and a collection of dead letters. See `Sink`."""

    def __init__(self, settings: Settings) -> None:
        """Prepare a client; it does not connect yet. Build it in the process that uses it."""
        self._timeout = settings.write_timeout
        self._worker = settings.worker
        self._collections = Collections(settings, appname=f"kafka-mongo-workers {settings.worker}", maxPoolSize=4)
        self._documents = self._collections.documents

    def ping(self) -> None:
        with translate_write_errors(), pymongo.timeout(PING_SECONDS):
            self._collections.client.admin.command("ping")

    def check(self) -> None:
        """See `Sink.check`: refuses a collection that drops documents, or accepts an id twice."""
        with translate_write_errors(), pymongo.timeout(PING_SECONDS):
            found = self._documents.database.list_collections(filter={"name": self._documents.name})
            kinds = [(each.get("type"), each.get("options", {})) for each in found]
        for kind, options in kinds:
            where = f"WORKERS_COLLECTION={self._documents.name}"
            if options.get("capped"):
                raise BadConfigurationError([f"{where} is capped: it drops its oldest documents. Use another one"])
            if kind != "collection":
                raise BadConfigurationError([f"{where} is a {kind}: ids are not unique there. Use a plain collection"])

    def encode(self, document_id: str, value: dict[str, Any]) -> RawBSONDocument:
        return encode(document_id, value)

    def write(self, batch: Batch) -> WriteResult:
        """See `Sink.write`: within the write timeout, dead letters included."""
        parts = batch.partitions.values()
        with translate_write_errors(), pymongo.timeout(self._timeout):
            operations = [operation for part in parts for operation in part.operations]
            outcome = self._insert(operations, ReusedOffsets.of(batch))
            rejects = [reject for part in parts for reject in part.rejects] + [*outcome.refused.values()]
            new = self._write_dead_letters(rejects) | outcome.with_dead_letter
            if outcome.reused:
                others = outcome.reused.letters([r for r in rejects if r.id not in new], self._collections.dead_letters)
                written = self._write_dead_letters([reject._replace(id=other) for other, reject in others.items()])
                new |= {others[other].id for other in written}
                outcome.reused.report(batch)
        return _result(batch, outcome, rejects, new)

    def write_one(self, operation: Insert) -> Reject | None:
        with translate_write_errors(), pymongo.timeout(self._timeout):
            outcome = self._insert([operation], ReusedOffsets())
        return outcome.refused.get(operation.id)

    def close(self) -> None:
        self._collections.client.close()

    def _insert(self, inserts: Sequence[Insert], reused: ReusedOffsets) -> _InsertOutcomes:
        outcome = _InsertOutcomes(reused)
        self._insert_into(outcome, inserts)
        return outcome

    def _insert_into(self, outcome: _InsertOutcomes, inserts: Sequence[Insert]) -> None:
        if not inserts:
            return
        try:
            self._documents.insert_many([insert.document for insert in inserts], ordered=False)
        except BulkWriteError as error:
            self._classify_failures(outcome, inserts, error)
        except PyMongoError as error:
            if classify(error).error_class is not ErrorClass.UNKNOWN:
                raise
            self._isolate(outcome, inserts, error)

    def _classify_failures(self, outcome: _InsertOutcomes, inserts: Sequence[Insert], error: BulkWriteError) -> None:
        """Handle each failure of a bulk by its code. Never log the error's text: it contains the documents."""
        if concerns := error.details.get("writeConcernErrors"):
            detail = f"write concern error {concerns[0].get('code')}"
            raise SinkUnavailableError(RetryReason.NOT_ACKNOWLEDGED, detail) from None
        duplicates, unknown = [], []
        for failure in error.details.get("writeErrors", ()):
            insert, code = inserts[failure["index"]], failure.get("code")
            error_class, reason = classify_code(code)
            if code == DUPLICATE_KEY:
                duplicates.append(insert)
            elif error_class is ErrorClass.UNAVAILABLE:
                raise SinkUnavailableError(reason, f"the database answered a write with code {code}") from None
            elif error_class is ErrorClass.RECORD:
                message = one_line(failure.get("errmsg", ""))
                outcome.refuse(insert, RejectReason.REFUSED_BY_SERVER, f"code {code}: {message}")
            else:
                unknown.append(insert)
        self._compare(outcome, duplicates)
        for insert in unknown:
            self._isolate(outcome, [insert], error)

    def _isolate(self, outcome: _InsertOutcomes, inserts: Sequence[Insert], error: PyMongoError) -> None:
        """Halve the inserts until the document on which the server fails is alone.

        Its dead letter is written at once: only if that write succeeds is the document at fault, and not the database.
        """
        self.ping()
        if len(inserts) > 1:
            middle = len(inserts) // 2
            self._insert_into(outcome, inserts[:middle])
            self._insert_into(outcome, inserts[middle:])
            return
        for _ in range(ATTEMPTS_ALONE - 1):
            try:
                self._documents.insert_one(inserts[0].document)
            except PyMongoError as failure:
                if classify(failure).error_class is ErrorClass.UNAVAILABLE:
                    raise
                if getattr(failure, "code", None) == DUPLICATE_KEY:
                    self._compare(outcome, inserts)
                    return
                error = failure
            else:
                return
            self.ping()
        outcome.refuse(
            inserts[0], RejectReason.REFUSED_BY_SERVER, f"it fails also when written alone: {type(error).__name__}"
        )
        outcome.with_dead_letter |= self._write_dead_letters([outcome.refused[inserts[0].id]])

    def _compare(self, outcome: _InsertOutcomes, inserts: Sequence[Insert]) -> None:
        """Compare inserts that failed with a duplicate key with what is stored under their ids."""
        stored = self._collections.find([insert.id for insert in inserts]) if inserts else {}
        different = []
        for insert in inserts:
            found = stored.get(insert.id)
            if found is None:
                outcome.refuse(insert, RejectReason.DUPLICATE_KEY, "a unique index other than _id's refuses it")
            elif documents_equal(found, insert.document):
                outcome.duplicates.add(insert.id)
            else:
                different.append(insert)
        if different:
            known, others, conflicts = outcome.reused.divide(different, self._collections.find)
            outcome.duplicates |= known
            for insert in conflicts:
                outcome.refuse(insert, RejectReason.CONFLICT, "another document is stored under this id")
            self._insert_into(outcome, others)

    def _write_dead_letters(self, rejects: Sequence[Reject]) -> set[str]:
        """Insert dead letters; return the ids of those that were not stored before."""
        if not rejects:
            return set()
        now = datetime.now(UTC)
        try:
            self._collections.dead_letters.insert_many(
                [to_document(reject, self._worker, now) for reject in rejects], ordered=False
            )
        except BulkWriteError as error:
            failures = error.details.get("writeErrors", [])
            codes = [failure.get("code") for failure in failures if failure.get("code") != DUPLICATE_KEY]
            if codes or error.details.get("writeConcernErrors"):
                raise SinkUnavailableError(
                    RetryReason.DEAD_LETTERS, f"the database refused a dead letter: codes {codes[:3]}"
                ) from None
            return {reject.id for reject in rejects} - {rejects[failure["index"]].id for failure in failures}
        return {reject.id for reject in rejects}


def _result(batch: Batch, outcome: _InsertOutcomes, rejects: Sequence[Reject], new: set[str]) -> WriteResult:
    """Count every record once. A reject whose dead letter was stored before is a duplicate, like a document."""
    stored = {partition: len(part.operations) for partition, part in batch.partitions.items()}
    duplicates: Counter[TopicPartition] = Counter()
    dead_letters: Counter[tuple[TopicPartition, RejectReason]] = Counter()
    if outcome.duplicates:
        for partition, part in batch.partitions.items():
            duplicates[partition] = sum(operation.id in outcome.duplicates for operation in part.operations)
            stored[partition] -= duplicates[partition]
    for reject in rejects:
        partition = partition_of(reject.record)
        if reject.id in outcome.refused:
            stored[partition] -= 1
        if reject.id in new:
            dead_letters[partition, reject.reason] += 1
        else:
            duplicates[partition] += 1
    return WriteResult(stored, duplicates, dead_letters)
