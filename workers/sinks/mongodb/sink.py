"""The sink for MongoDB: a batch is written once every record of it is a document or a dead letter.

Documents are inserted, never replaced, under an id made of topic, partition and offset. A redelivered record fails with
a duplicate key; the stored document is then read and compared: equal is a duplicate, other content a conflict.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pymongo

from workers.errors import BadConfigurationError, RetryReason, SinkUnavailableError
from workers.operations import Operations
from workers.pipeline.backoff import Backoff
from workers.sinks.mongodb.client import Collections, open_client
from workers.sinks.mongodb.dead_letter_writer import DeadLetterWriter
from workers.sinks.mongodb.encoding import as_raw, encode, encode_plain
from workers.sinks.mongodb.errors import translate_write_errors
from workers.sinks.mongodb.inserts import Inserter, InsertOutcomes
from workers.sinks.mongodb.judge import Judge
from workers.sinks.mongodb.probe import require_policies
from workers.sinks.mongodb.reused_offsets import ReusedOffsets
from workers.sinks.refusals import Suspects, UndecidedError, undecided
from workers.types import Insert, Reject, RejectReason, TopicPartition, WriteResult, partition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument
    from pymongo import MongoClient

    from workers.settings import Settings
    from workers.types import Batch

PING_SECONDS = 2.0
MOST_NAMESPACE_BYTES = 255
"""Of database and collection together: https://www.mongodb.com/docs/manual/reference/limits/"""
LATE = 0.9
"""Of the write timeout: a write that fails after so much of it has run out of time, whatever the driver calls it."""


class MongoSink:
    """A collection of documents, and a collection of dead letters. See `Sink`."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        client: MongoClient[Any] | None = None,
    ) -> None:
        """Prepare a client; it does not connect yet. Build it in the process that uses it.

        Args: client: of `client_of`, where several sinks share one.
        """
        self._settings, self._timeout = settings, settings.write_timeout
        self._of_route = settings.routes is not None
        self._collections = Collections(settings, client or client_of(settings))
        self._documents = self._collections.documents
        self._inserter = Inserter(self._collections)
        self._dead_letters = DeadLetterWriter(self._collections, settings.worker)
        self._suspects = Suspects(settings.refusal_patience, clock)
        self._judge = Judge(self._collections, self._inserter, self._dead_letters, self._suspects, self.ping)

    def ping(self) -> None:
        with translate_write_errors(), pymongo.timeout(PING_SECONDS):
            self._collections.client.admin.command("ping")

    def check(self) -> None:
        """See `Sink.check`."""
        self.check_collection()
        require_policies(self._collections.client, self._settings)

    def check_collection(self) -> None:
        """Refuse a collection that drops documents, or accepts an id twice. Raises as `check`."""
        names = (self._documents.name, self._collections.dead_letters.name)
        for name in names:
            if len(f"{self._documents.database.name}.{name}".encode()) > MOST_NAMESPACE_BYTES:
                raise BadConfigurationError(
                    [
                        f"{name} is too long a name beside that of the database: MongoDB takes {MOST_NAMESPACE_BYTES} bytes for both"
                    ]
                )
        with translate_write_errors(), pymongo.timeout(PING_SECONDS):
            for name in names:
                for found in self._documents.database.list_collections(filter={"name": name}):
                    self._require_plain(name, str(found.get("type")), found.get("options", {}))

    def _require_plain(self, name: str, kind: str, options: Mapping[str, Any]) -> None:
        setting = "WORKERS_ROUTES: the collection " if self._of_route else "WORKERS_COLLECTION="
        where = f"{setting}{self._documents.name}"
        if name != self._documents.name:
            where += f": {name}, the collection of its dead letters,"
        if options.get("capped"):
            raise BadConfigurationError([f"{where} is capped: it drops its oldest documents. Use another one"])
        if kind != "collection":
            raise BadConfigurationError([f"{where} is a {kind}: ids are not unique there. Use a plain collection"])

    def encode(self, document_id: str, value: dict[str, Any]) -> RawBSONDocument:
        return encode(document_id, value)

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        return encode_plain(prefix, offsets, values)

    def write(self, batch: Batch) -> WriteResult:
        """See `Sink.write`: within the write timeout, dead letters included."""
        parts = batch.partitions.values()
        with self._writing():
            reused = ReusedOffsets.of(batch)
            outcome = self._store_all(Operations.joined((part.operations for part in parts), as_raw), reused)
            not_decoded = [reject for part in parts for reject in part.rejects]
            rejects = [*not_decoded, *outcome.refused.values()]
            new = self._dead_letters.write(rejects)
            if reused:
                reused.note_documents(not_decoded, self._collections.find)
                new |= self._write_second_letters([each for each in rejects if each.id not in new], reused)
                reused.report(batch)
        return _result(batch, outcome, rejects, new)

    def write_one(self, operation: Insert) -> Reject | None:
        """See `Sink.write_one`. Waits for the refusal patience if it must; one wait is enough for all of one cause."""
        backoff, stop = Backoff(), threading.Event()
        while True:
            try:
                with self._writing():
                    outcome = self._store_all([operation], ReusedOffsets(), is_replay=True)
                    return outcome.refused.get(operation.id)
            except UndecidedError as error:
                if error.no_proof:
                    raise
                stop.wait(backoff.next_wait(error.retry_after))

    def close(self) -> None:
        self._collections.client.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        started = time.monotonic()
        try:
            with translate_write_errors(), pymongo.timeout(self._timeout):
                yield
        except UndecidedError:
            raise
        except SinkUnavailableError as error:
            # To judge many records may take longer than a write may, above all where the server hangs up on each and the
            # driver looks for it again. That is no outage: in a smaller batch there are fewer of them.
            if self._suspects and time.monotonic() - started > LATE * self._timeout:
                raise SinkUnavailableError(RetryReason.TIMEOUT, str(error), error.retry_after) from error
            if error.reason not in (RetryReason.TIMEOUT, RetryReason.DEAD_LETTERS):
                self._suspects.interrupted()
            raise

    def _store_all(
        self, inserts: Sequence[Insert], reused: ReusedOffsets, *, is_replay: bool = False
    ) -> InsertOutcomes:
        """See `_store`; where a log used an offset twice, under second ids too (decision 15)."""
        outcome = self._store(inserts, is_replay=is_replay)
        conflicts = {each.id for each in outcome.refused.values() if each.reason is RejectReason.CONFLICT}
        if not conflicts:
            return outcome
        different = [each for each in inserts if each.id in conflicts]
        known, others, _ = reused.divide(different, self._collections.find)
        beside = self._store([*others.values()], is_replay=is_replay)
        for first_id in known | others.keys():
            del outcome.refused[first_id]
        outcome.duplicates |= known | {first_id for first_id, each in others.items() if each.id in beside.duplicates}
        outcome.refused |= beside.refused
        return outcome

    def _write_second_letters(self, rejects: Sequence[Reject], reused: ReusedOffsets) -> set[str]:
        """Write the dead letters of rejects under whose ids there are those of other records; return the rejects' ids."""
        others = reused.letters(rejects, self._collections.dead_letters)
        written = self._dead_letters.write([each._replace(id=second_id) for second_id, each in others.items()])
        return {others[second_id].id for second_id in written}

    def _store(self, inserts: Sequence[Insert], *, is_replay: bool = False) -> InsertOutcomes:
        """Insert; afterwards each is stored, found stored, or refused.

        Raises:
            UndecidedError: some were refused for an unknown cause, and must be redelivered.
        """
        outcome = self._inserter.insert(inserts)
        if outcome.suspects and not is_replay:
            outcome = self._judge.leave_out_settled(inserts, outcome)
        if self._suspects:
            stored = (each.id for each in inserts if each.id not in outcome.suspects and each.id not in outcome.refused)
            self._suspects.passed(stored)
        if outcome.suspects:
            stored_others = outcome.stored_behind_a_suspect(inserts)
            self._suspects.refused(outcome.suspects, alone=not outcome.as_a_whole, stored_others=stored_others)
            left = self._suspects.seconds_left(outcome.suspects, known=is_replay)
            if left > 0:
                raise undecided(outcome.suspects, f"tried again for {left:.0f} s before a record is blamed for it")
            self._judge.judge(inserts, outcome)
        return outcome


def client_of(settings: Settings) -> MongoClient[Any]:
    """The client of a sink; it does not connect yet."""
    return open_client(settings, appname=f"kafka-mongo-workers {settings.worker}", maxPoolSize=4)


def _result(batch: Batch, outcome: InsertOutcomes, rejects: Sequence[Reject], new: set[str]) -> WriteResult:
    """Count every record once. A reject whose dead letter was stored before is a duplicate, like a document."""
    stored = {partition: len(part.operations) for partition, part in batch.partitions.items()}
    duplicates: Counter[TopicPartition] = Counter()
    dead_letters: Counter[tuple[TopicPartition, RejectReason]] = Counter()
    if outcome.duplicates:
        for partition, part in batch.partitions.items():
            duplicates[partition] = sum(operation.id in outcome.duplicates for operation in part.operations)
            stored[partition] -= duplicates[partition]
    refused: Counter[TopicPartition] = Counter()
    for reject in rejects:
        partition = partition_of(reject.record)
        if reject.id in outcome.refused:
            stored[partition] -= 1
            refused[partition] += reject.id in new
        if reject.id in new:
            dead_letters[partition, reject.reason] += 1
        else:
            duplicates[partition] += 1
    return WriteResult(stored, duplicates, dead_letters, +refused)
