"""The one way in which this package connects to MongoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from workers.settings import Settings

LOOK_UP = 500
"""Ids in one query. FerretDB compares each document with each id, so the cost grows with the square."""
SUFFIX = "_dead_letters"
"""Dead letters of the collection `numtest` are in `numtest_dead_letters`."""

READING: dict[str, Any] = {
    "appname": "kafka-mongo-workers",
    "socketTimeoutMS": 60_000,
    # What a majority has not acknowledged may yet be rolled back: it must not count as stored.
    "readConcernLevel": "majority",
}
"""Options for whoever asks and does not write for the loop."""


class Collections:
    """A client, and the two collections of the settings: documents (as raw BSON), and dead letters."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        """Prepare a client; nothing is asked of the server yet. Build it in the process that uses it.

        Args: options: of pymongo's, beside those that are the promise.
        """
        self.client: MongoClient[Any] = MongoClient(
            settings.mongodb_uri.get_secret_value(),
            # A write is done when a majority has it on disk: what is not can be rolled back.
            w="majority",
            journal=True,
            connectTimeoutMS=5_000,
            serverSelectionTimeoutMS=5_000,
            tz_aware=True,
            **options,
        )
        database = self.client[settings.database]
        raw = CodecOptions(document_class=RawBSONDocument)
        # Whatever the URI prefers: on a secondary, a document that was just stored may not be there yet.
        primary = pymongo.ReadPreference.PRIMARY
        self.documents: Collection[Any] = database.get_collection(
            settings.collection, codec_options=raw, read_preference=primary
        )
        self.dead_letters: Collection[Any] = database.get_collection(
            settings.collection + SUFFIX, read_preference=primary
        )

    def find(self, ids: list[str]) -> dict[str, RawBSONDocument]:
        """Those of these documents that are there, by id."""
        found: dict[str, RawBSONDocument] = {}
        for first in range(0, len(ids), LOOK_UP):
            query = {"_id": {"$in": ids[first : first + LOOK_UP]}}
            found.update((each["_id"], each) for each in self.documents.find(query, batch_size=LOOK_UP))
        return found
