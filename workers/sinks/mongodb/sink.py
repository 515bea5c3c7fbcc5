"""MongoDB as the loop sees it: a batch is written when every record of it is a document or a dead letter.

Documents are inserted, never replaced, under an id made of the record's place. A record that is delivered again
meets its own id there; what is then found under the id is compared, not assumed.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import BulkWriteError, PyMongoError

from workers.errors import BadConfigurationError, SinkUnavailableError
from workers.sinks.mongodb import errors as verdict
from workers.sinks.mongodb.dead_letters import SUFFIX, dead_letter
from workers.sinks.mongodb.equality import documents_equal
from workers.sinks.mongodb.errors import DUPLICATE_KEY, ErrorClass, one_line, translated
from workers.types import Batch, Document, Reject, RejectReason, Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.settings import Settings

PING_SECONDS = 2.0
LOOK_UP = 500
"""Ids in one query. FerretDB compares each document with each id, so the cost grows with the square."""
TRIALS = 3
"""How often a document must fail alone, while the server answers, before it is held to be the cause."""


class MongoSink:
    """One database: the collection of documents, and beside it the collection of dead letters."""

    def __init__(self, settings: Settings) -> None:
        """Prepare a client; nothing is asked of the server yet. Build it in the process that uses it."""
        self._timeout = settings.write_timeout
        self._topic = settings.topic
        self._worker = settings.worker
        self._proofs: set[str] = set()
        """Dead letters that `_isolate` has written in this write already."""
        self._client: MongoClient[Any] = MongoClient(
            settings.mongodb_uri.get_secret_value(),
            appname=f"kafka-mongo-workers {settings.worker}",
            w="majority",
            journal=True,
            connectTimeoutMS=5_000,
            serverSelectionTimeoutMS=5_000,
            maxPoolSize=4,
            tz_aware=True,
        )
        database = self._client[settings.database]
        raw = CodecOptions(document_class=RawBSONDocument)
        # Whatever the URI prefers: on a secondary, a document that was just stored may not be there yet.
        primary = pymongo.ReadPreference.PRIMARY
        self._documents = database.get_collection(settings.collection, codec_options=raw, read_preference=primary)
        self._dead_letters = database[settings.collection + SUFFIX]

    def ping(self) -> None:
        """Return when the server answers.

        Raises:
            SinkUnavailableError: it does not, or it refuses this client.
        """
        with translated(), pymongo.timeout(PING_SECONDS):
            self._client.admin.command("ping")

    def check(self) -> None:
        """Return when the server answers and the collection can keep the promise.

        Raises:
            SinkUnavailableError: the server does not answer, or it refuses this client.
            BadConfigurationError: the collection is of a kind that drops documents, or takes an id twice.
        """
        with translated(), pymongo.timeout(PING_SECONDS):
            database = self._documents.database
            found = database.list_collections(filter={"name": self._documents.name})
            kinds = [(each.get("type"), each.get("options", {})) for each in found]
        for kind, options in kinds:
            where = f"WORKERS_COLLECTION={self._documents.name}"
            if options.get("capped"):
                raise BadConfigurationError([f"{where} is capped: it drops its oldest documents. Use another one"])
            if kind != "collection":
                raise BadConfigurationError([f"{where} is a {kind}: ids are not unique there. Use a plain collection"])

    def write(self, batch: Batch) -> Written:
        """Write the batch within the write timeout, dead letters included.

        Raises:
            SinkUnavailableError: see there. Some of the batch may be in the database; it will be found there next time.
        """
        self._proofs.clear()
        with translated(), pymongo.timeout(self._timeout):
            known, refused = self._insert(batch.documents)
            rejects = batch.rejects + refused
            buried = self._bury(rejects) | self._proofs
        return _count(batch, known, refused, rejects, buried)

    def insert(self, document: Document) -> Reject | None:
        """Write one document as `write` would; return the reject that came of it, for which nothing was written.

        Raises:
            SinkUnavailableError: as for `write`.
        """
        with translated(), pymongo.timeout(self._timeout):
            _, refused = self._insert([document])
        return refused[0] if refused else None

    def close(self) -> None:
        self._client.close()

    def _insert(self, documents: Sequence[Document]) -> tuple[set[str], list[Reject]]:
        """Insert; return the ids that were stored before, and the rejects that came of it."""
        if not documents:
            return set(), []
        try:
            self._documents.insert_many([document.raw for document in documents], ordered=False)
        except BulkWriteError as error:
            return self._look_into(documents, error)
        except PyMongoError as error:
            if verdict.classify(error).fault is not ErrorClass.UNKNOWN:
                raise
            return self._isolate(documents, error)
        return set(), []

    def _look_into(self, documents: Sequence[Document], error: BulkWriteError) -> tuple[set[str], list[Reject]]:
        # Never the text of a BulkWriteError: it holds every document that failed.
        for concern in error.details.get("writeConcernErrors", ()):
            raise SinkUnavailableError("not_acknowledged", f"write concern error {concern.get('code')}") from None
        duplicates, refused, unknown = [], [], []
        for failure in error.details.get("writeErrors", ()):
            document, code = documents[failure["index"]], failure.get("code")
            fault, reason = verdict.classify_code(code)
            if code == DUPLICATE_KEY:
                duplicates.append(document)
            elif fault is ErrorClass.UNAVAILABLE:
                raise SinkUnavailableError(reason, f"the database answered a write with code {code}") from None
            elif fault is ErrorClass.RECORD:
                message = one_line(failure.get("errmsg", ""))
                refused.append(_reject(document, RejectReason.REFUSED_BY_SERVER, f"code {code}: {message}"))
            else:
                unknown.append(document)
        known, strangers = self._compare(duplicates)
        for document in unknown:
            seen, rejects = self._isolate([document], error)
            known |= seen
            refused += rejects
        return known, refused + strangers

    def _isolate(self, documents: Sequence[Document], error: PyMongoError) -> tuple[set[str], list[Reject]]:
        """Halve until the document that the server fails on is alone.

        Its dead letter is written at once: that write succeeding is what proves that the document is at fault and
        not the database.
        """
        self.ping()
        if len(documents) > 1:
            middle = len(documents) // 2
            known, refused = self._insert(documents[:middle])
            more_known, more_refused = self._insert(documents[middle:])
            return known | more_known, refused + more_refused
        for _ in range(TRIALS - 1):
            try:
                self._documents.insert_one(documents[0].raw)
            except PyMongoError as again:
                if verdict.classify(again).fault is ErrorClass.UNAVAILABLE:
                    raise
                if getattr(again, "code", None) == DUPLICATE_KEY:
                    return self._compare(documents)
                error = again
            else:
                return set(), []
            self.ping()
        reject = _reject(documents[0], RejectReason.REFUSED_BY_SERVER, f"alone it fails: {type(error).__name__}")
        self._proofs |= self._bury([reject])
        return set(), [reject]

    def _compare(self, documents: Sequence[Document]) -> tuple[set[str], list[Reject]]:
        """Read back what is stored under the ids that were taken."""
        if not documents:
            return set(), []
        stored: dict[str, bytes] = {}
        for first in range(0, len(documents), LOOK_UP):
            ids = [document.id for document in documents[first : first + LOOK_UP]]
            found = self._documents.find({"_id": {"$in": ids}}, batch_size=LOOK_UP)
            stored.update((document["_id"], document.raw) for document in found)
        known, strangers = set(), []
        for document in documents:
            other = stored.get(document.id)
            if other is None:
                strangers.append(
                    _reject(document, RejectReason.DUPLICATE_KEY, "a unique index other than _id's refuses it")
                )
            elif documents_equal(other, document.bson):
                known.add(document.id)
            else:
                strangers.append(_reject(document, RejectReason.CONFLICT, "another document is stored under this id"))
        return known, strangers

    def _bury(self, rejects: Sequence[Reject]) -> set[str]:
        """Insert dead letters; return the ids of those that were not there before."""
        if not rejects:
            return set()
        now = datetime.now(UTC)
        ids = {reject.id for reject in rejects}
        try:
            self._dead_letters.insert_many(
                [dead_letter(reject, self._topic, self._worker, now) for reject in rejects], ordered=False
            )
        except BulkWriteError as error:
            failures = error.details.get("writeErrors", [])
            others = [failure.get("code") for failure in failures if failure.get("code") != DUPLICATE_KEY]
            if others or error.details.get("writeConcernErrors"):
                raise SinkUnavailableError(
                    "dead_letters", f"the database refused a dead letter: {others[:3]}"
                ) from None
            return ids - {rejects[failure["index"]].id for failure in failures}
        return ids


def _count(
    batch: Batch, known: set[str], refused: Sequence[Reject], rejects: Sequence[Reject], buried: set[str]
) -> Written:
    stored = Counter([document.record.partition for document in batch.documents])
    duplicates: Counter[int] = Counter()
    if known:
        duplicates.update(document.record.partition for document in batch.documents if document.id in known)
        stored -= duplicates
    stored.subtract(reject.record.partition for reject in refused)
    duplicates.update(reject.record.partition for reject in rejects if reject.id not in buried)
    dead_letters = Counter((reject.record.partition, reject.reason) for reject in rejects if reject.id in buried)
    return Written(stored, duplicates, dead_letters)


def _reject(document: Document, reason: RejectReason, error: str) -> Reject:
    return Reject(document.id, reason, error, document.record)
