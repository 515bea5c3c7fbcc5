"""The MongoDB client: the options of every connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from workers.errors import BadConfigurationError
from workers.settings.mongodb_uri import uri_problem
from workers.sinks.mongodb import connecting
from workers.sinks.mongodb.encoding import documents_equal

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from workers.settings import Settings

IDS_PER_QUERY = 500
"""FerretDB compares each document with each id of a query, so the cost grows with its square."""
STRING_ID = b"\x02_id\0"
"""A string's type and this name, after the four bytes of the document's size: https://bsonspec.org/spec.html"""
SUFFIX = "_dead_letters"
"""The dead letters of the collection `numtest` are in `numtest_dead_letters`."""

READING: dict[str, Any] = {
    "appname": "kafka-mongo-workers",
    "socketTimeoutMS": 60_000,
    # A document that a majority has not acknowledged may be rolled back, so it must not count as stored.
    "readConcernLevel": "majority",
}
"""Options of a connection that does not write for the loop."""


def sharing_key(settings: Settings) -> tuple[str, str | None]:
    """Topics with the same one can share a `Collections`: the collection, and what of a document is metadata."""
    return settings.collection, settings.metadata_field if settings.metadata else None


class Collections:
    """A client, and the two collections of the settings: documents (as raw BSON), and dead letters."""

    def __init__(self, settings: Settings, client: MongoClient[Any] | None = None, **options: Any) -> None:
        """Prepare a client; it does not connect yet. Build it in the process that uses it.

        Args:
            client: of `open_client`, where several share one; None: one of its own.
            options: see `open_client`.
        """
        self.client: MongoClient[Any] = client or open_client(settings, **options)
        database = self.client[settings.database]
        raw = CodecOptions(document_class=RawBSONDocument)
        # Overrides the URI: a secondary may not have a document yet that was just stored.
        primary = pymongo.ReadPreference.PRIMARY
        self.documents: Collection[Any] = database.get_collection(
            settings.collection, codec_options=raw, read_preference=primary
        )
        self.dead_letters: Collection[Any] = database.get_collection(
            settings.collection + SUFFIX, read_preference=primary
        )

        self._metadata_field = settings.metadata_field if settings.metadata else None

    def equal(self, stored: RawBSONDocument, document: RawBSONDocument) -> bool:
        """Whether a stored document is that of the record: see `documents_equal`."""
        return documents_equal(stored, document, self._metadata_field)

    def find(self, ids: list[str]) -> dict[str, RawBSONDocument]:
        """The stored documents among these ids, by id."""
        found: dict[str, RawBSONDocument] = {}
        for first in range(0, len(ids), IDS_PER_QUERY):
            query = {"_id": {"$in": ids[first : first + IDS_PER_QUERY]}}
            found.update((id_of(each), each) for each in self.documents.find(query, batch_size=IDS_PER_QUERY))
        return found

    def find_any(self, prefix: str) -> RawBSONDocument | None:
        """A stored document whose id begins so, if there is one."""
        found: RawBSONDocument | None = self.documents.find_one({"_id": {"$gte": prefix, "$lt": f"{prefix}\uffff"}})
        return found


def id_of(document: RawBSONDocument) -> Any:
    """The id of a stored document. Where it is the first field and a string, as in ours, nothing else is decoded."""
    return raw_id(bytes(document.raw))


def raw_id(raw: bytes) -> Any:
    """The id of a document as the server sent it."""
    if raw[4:9] == STRING_ID:
        return raw[13 : 12 + int.from_bytes(raw[9:13], "little")].decode("utf-8", "replace")
    return RawBSONDocument(raw)["_id"]


def open_client(settings: Settings, **options: Any) -> MongoClient[Any]:
    """A client that does not connect yet.

    Args: options: pymongo's, in addition to those on which the delivery guarantee depends.

    Raises:
        BadConfigurationError: it cannot be made: a file of TLS has gone since the settings were read.
    """
    uri = settings.mongodb_uri.get_secret_value()
    connecting.remember(uri)
    try:
        return MongoClient(
            uri,
            # A write is acknowledged once a majority has it on disk: before, it can be rolled back.
            w="majority",
            journal=True,
            connectTimeoutMS=5_000,
            serverSelectionTimeoutMS=5_000,
            tz_aware=True,
            connect=False,
            **options,
        )
    except (PyMongoError, OSError, ValueError, TypeError) as error:
        raise BadConfigurationError([f"WORKERS_MONGODB_URI: {uri_problem(uri) or type(error).__name__}"]) from error
