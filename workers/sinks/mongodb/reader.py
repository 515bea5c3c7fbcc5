"""What is in the database, read for whoever has to compare it with something."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from workers.errors import UnavailableError
from workers.sinks.mongodb.dead_letters import SUFFIX
from workers.sinks.mongodb.sink import LOOK_UP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workers.settings import Settings


REASON = {"reason": 1, "replayed_at": 1}


def connect(settings: Settings) -> MongoClient[Any]:
    """A client for questions, which has had an answer.

    Raises:
        UnavailableError: the database does not answer, or refuses this client.
    """
    client: MongoClient[Any] = MongoClient(
        settings.mongodb_uri.get_secret_value(),
        appname="kafka-mongo-workers",
        connectTimeoutMS=5_000,
        serverSelectionTimeoutMS=5_000,
        socketTimeoutMS=60_000,
        # What a majority has not acknowledged may yet be rolled back: it must not count as stored.
        readConcernLevel="majority",
        w="majority",
        journal=True,
        tz_aware=True,
    )
    try:
        with explained():
            client.admin.command("ping")
    except UnavailableError:
        client.close()
        raise
    return client


class MongoReader:
    """The documents and the dead letters of one collection, for reading. Use it with `with`."""

    def __init__(self, settings: Settings) -> None:
        """Connect.

        Raises:
            UnavailableError: the database does not answer, or refuses this client.
        """
        self._client = connect(settings)
        database = self._client[settings.database]
        raw = CodecOptions(document_class=RawBSONDocument)
        self._documents = database.get_collection(settings.collection, codec_options=raw)
        self._dead_letters = database[settings.collection + SUFFIX]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def documents(self, ids: list[str]) -> dict[str, bytes]:
        """The BSON of those of these documents that are there, by id. At most `LOOK_UP` ids at a time."""
        with explained():
            found = self._documents.find({"_id": {"$in": ids}}, batch_size=LOOK_UP)
            return {document["_id"]: document.raw for document in found}

    def dead_letters(self, ids: list[str]) -> dict[str, str]:
        """The reason of those of these dead letters that are there and that were not replayed, by id."""
        with explained():
            return _reasons(self._dead_letters.find({"_id": {"$in": ids}}, REASON, batch_size=LOOK_UP))

    def few_dead_letters(self, few: int = 100_000) -> dict[str, str] | None:
        """The same for all there are now; None if they are too many to hold."""
        with explained():
            found = _reasons(self._dead_letters.find({}, REASON, limit=few + 1))
        return found if len(found) <= few else None

    def ids(self) -> Iterator[object]:
        """The `_id` of every document, then of every dead letter."""
        for collection in (self._documents, self._dead_letters):
            with explained():
                for document in collection.find({}, {"_id": 1}, batch_size=10_000):
                    yield document["_id"]


def _reasons(letters: Iterable[dict[str, Any]]) -> dict[str, str]:
    return {letter["_id"]: letter["reason"] for letter in letters if not letter.get("replayed_at")}


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the driver raises into one line that says what to do."""
    try:
        yield
    except OperationFailure as error:
        if error.code in (13, 18, 8000):
            raise UnavailableError("MongoDB refused the user or the password of WORKERS_MONGODB_URI") from error
        raise UnavailableError(f"MongoDB refused to answer: code {error.code}") from error
    except PyMongoError as error:
        raise UnavailableError(
            f"MongoDB does not answer ({type(error).__name__}): is it running, is WORKERS_MONGODB_URI right?"
        ) from error
