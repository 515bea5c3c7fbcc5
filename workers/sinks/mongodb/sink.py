"""The sink for MongoDB: a batch is written once every record of it is a document or a dead letter.

Documents are inserted, never replaced, under an id made of topic, partition and offset. A redelivered record fails with
a duplicate key; the stored document is then read and compared: equal is a duplicate, other content a conflict.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pymongo

from workers.errors import BadConfigurationError, RetryReason, SinkUnavailableError
from workers.pipeline.backoff import Backoff
from workers.sinks.mongodb.client import Collections
from workers.sinks.mongodb.dead_letter_writer import DeadLetterWriter
from workers.sinks.mongodb.encoding import encode
from workers.sinks.mongodb.errors import translate_write_errors
from workers.sinks.mongodb.inserts import Inserter, InsertOutcomes
from workers.sinks.refusals import Suspects, UndecidedError, refused_alone, undecided
from workers.types import Insert, Reject, RejectReason, TopicPartition, WriteResult, partition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bson.raw_bson import RawBSONDocument

    from workers.settings import Settings
    from workers.sinks.refusals import Refusal
    from workers.types import Batch

PING_SECONDS = 2.0
LATE = 0.9
"""Of the write timeout: a write that fails after so much of it has run out of time, whatever the driver calls it."""
SAMPLE = 8
"""So many documents of a command that is refused as a whole are tried alone, until one is taken."""


class MongoSink:
    """A collection of documents, and a collection of dead letters. See `Sink`."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare a client; it does not connect yet. Build it in the process that uses it."""
        self._timeout = settings.write_timeout
        self._collections = Collections(settings, appname=f"kafka-mongo-workers {settings.worker}", maxPoolSize=4)
        self._documents = self._collections.documents
        self._inserter = Inserter(self._collections)
        self._dead_letters = DeadLetterWriter(self._collections, settings.worker)
        self._suspects = Suspects(settings.refusal_patience, clock)

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
        with self._writing():
            outcome = self._store([operation for part in parts for operation in part.operations])
            rejects = [reject for part in parts for reject in part.rejects] + [*outcome.refused.values()]
            new = self._dead_letters.write(rejects)
        return _result(batch, outcome, rejects, new)

    def write_one(self, operation: Insert) -> Reject | None:
        """See `Sink.write_one`. Waits for the refusal patience if it must; one wait is enough for all of one cause."""
        backoff, stop = Backoff(), threading.Event()
        while True:
            try:
                with self._writing():
                    return self._store([operation], is_replay=True).refused.get(operation.id)
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

    def _store(self, inserts: Sequence[Insert], *, is_replay: bool = False) -> InsertOutcomes:
        """Insert; afterwards each is stored, found stored, or refused.

        Raises:
            UndecidedError: some were refused for an unknown cause, and must be redelivered.
        """
        outcome = self._inserter.insert(inserts)
        if outcome.suspects and not is_replay:
            outcome = self._leave_out_settled(inserts, outcome)
        if self._suspects:
            stored = (each.id for each in inserts if each.id not in outcome.suspects and each.id not in outcome.refused)
            self._suspects.passed(stored)
        if outcome.suspects:
            stored_others = outcome.stored_behind_a_suspect(inserts)
            self._suspects.refused(outcome.suspects, alone=not outcome.as_a_whole, stored_others=stored_others)
            left = self._suspects.seconds_left(outcome.suspects, known=is_replay)
            if left > 0:
                raise undecided(outcome.suspects, f"tried again for {left:.0f} s before a record is blamed for it")
            self._judge(inserts, outcome)
        return outcome

    def _leave_out_settled(self, inserts: Sequence[Insert], outcome: InsertOutcomes) -> InsertOutcomes:
        """Take over the verdicts of earlier deliveries: a record with a dead letter is not tried again.

        Asked only for new suspects: their dead letters were written after the last commit, if at all.
        """
        if any(each.retry_reason is RetryReason.CONNECTION_LOST for each in outcome.suspects.values()):
            # Nobody there is found out sooner by this than by the question.
            self.ping()
        unknown = [each for each in outcome.suspects if each not in self._suspects]
        # Entered first: if the question takes too long, it is not asked a second time.
        new = {each: outcome.suspects[each] for each in unknown}
        self._suspects.refused(new, alone=not outcome.as_a_whole)
        settled = self._dead_letters.settled(unknown)
        if not settled:
            return outcome
        if outcome.as_a_whole:
            again = self._inserter.insert([each for each in inserts if each.id not in settled])
            again.add(outcome)
            outcome = again
        for insert in inserts:
            if found := settled.get(insert.id):
                outcome.suspects.pop(insert.id, None)
                outcome.refuse(insert, found.reason, found.error)
        return outcome

    def _judge(self, inserts: Sequence[Insert], outcome: InsertOutcomes) -> None:
        """Find which suspects are the cause: see `workers.sinks.refusals`. The rest is stored by that.

        Raises:
            UndecidedError: nothing proves that the server takes documents, or the cause was seen to pass.
        """
        refusals = outcome.suspects
        suspects = [each for each in inserts if each.id in refusals]
        if outcome.as_a_whole:
            self._require_one_of(suspects, outcome)
            divided = self._inserter.insert(suspects, divide=True)
            self._suspects.passed(each.id for each in suspects if each.id not in divided.suspects)
            stored_others = divided.stored_behind_a_suspect(suspects)
            self._suspects.refused(divided.suspects, alone=True, stored_others=stored_others)
            outcome.add(divided)
            refusals = outcome.suspects = divided.suspects
            suspects = [each for each in suspects if each.id in refusals]
        if not suspects:
            return
        self._suspects.require_proof(refusals, len(inserts))
        neighbour = next((each for each in inserts if each.id not in refusals and each.id not in outcome.refused), None)
        guilty = refused_alone(
            suspects, lambda each: self._write_alone(each, outcome), lambda: self._prove(neighbour, suspects, refusals)
        )
        stored = (each.id for each in suspects if each.id not in guilty and each.id not in outcome.refused)
        causes = self._suspects.passed(stored)
        if causes & {refusal.cause for refusal in guilty.values()}:
            raise undecided(guilty, "others were stored that were refused for the same cause: it passes")
        for suspect in suspects:
            if refusal := guilty.get(suspect.id):
                outcome.refuse(suspect, refusal.reject_reason, refusal.error)
        outcome.suspects = {}

    def _write_alone(self, insert: Insert, outcome: InsertOutcomes) -> Refusal | None:
        alone = self._inserter.insert([insert])
        outcome.add(alone)
        return alone.suspects.get(insert.id)

    def _require_one_of(self, suspects: Sequence[Insert], outcome: InsertOutcomes) -> None:
        """Prove that the server takes one of these alone: any few of them, since the first may all be the cause."""
        for each in random.sample(suspects, min(SAMPLE, len(suspects))):
            if not self._write_alone(each, outcome):
                return
        if len(suspects) == 1:
            return
        raise undecided(outcome.suspects, "and so is each that was tried alone", no_proof=True)

    def _prove(self, neighbour: Insert | None, suspects: Sequence[Insert], refusals: dict[str, Refusal]) -> None:
        """Write a document again that is stored: nothing changes, and the server has taken a write.

        The neighbour is one of the batch; a redelivery writes it again too. Without one it is any of the topic's, which is
        looked up first: what a user has deleted must not come back.
        """
        first = suspects[0]
        if neighbour is None and (found := self._collections.find_any(first.id[: first.id.index("/") + 1])):
            neighbour = Insert(found["_id"], found, first.record)
        if neighbour is None:
            raise undecided(refusals, "and there is no other document to compare with; waiting for one", no_proof=True)
        if self._inserter.insert([neighbour]).suspects:
            raise undecided(refusals, "and so is a document that was stored before", no_proof=True)


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
