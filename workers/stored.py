"""What is in the database, read for whoever has to compare it with something."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from workers.dead_letter import SUFFIX
from workers.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.settings import Settings


class Stored:
    """The documents and the dead letters of one collection, for reading. Use it with `with`."""

    def __init__(self, settings: Settings) -> None:
        """Connect.

        Raises:
            UnavailableError: the database does not answer, or refuses this client.
        """
        self._client: MongoClient[Any] = MongoClient(
            settings.mongodb_uri.get_secret_value(),
            appname="kafka-mongo-workers verify",
            connectTimeoutMS=5_000,
            serverSelectionTimeoutMS=5_000,
            socketTimeoutMS=60_000,
            # What a majority has not acknowledged may yet be rolled back: it must not count as stored.
            readConcernLevel="majority",
            tz_aware=True,
        )
        database = self._client[settings.database]
        self._documents = database[settings.collection]
        self._dead_letters = database[settings.collection + SUFFIX]
        try:
            with explained():
                self._client.admin.command("ping")
        except UnavailableError:
            self._client.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def document_ids(self) -> Iterator[object]:
        """The `_id` of every document, in no order."""
        return _ids(self._documents)

    def dead_letter_ids(self) -> Iterator[object]:
        """The `_id` of every dead letter, in no order."""
        return _ids(self._dead_letters)


def _ids(collection: Any) -> Iterator[object]:
    with explained():
        for document in collection.find({}, {"_id": 1}, batch_size=10_000):
            yield document["_id"]


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
