"""A sink and its reader for the contract of sinks: one in memory, one over a scripted server, two over servers that others wrote.

What legitimately differs between them stands here, with each, and nowhere else.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import bson
from pymongo import MongoClient

from tests.support.fakes import FakeDatabase, FakeReader, FakeSink
from tests.support.wire_mongo import WireMongo
from workers.settings import load
from workers.sinks.base import Sink, SinkReader
from workers.sinks.mongodb.reader import MongoReader
from workers.sinks.mongodb.sink import MongoSink

NUMBERS = itertools.count()
PATIENCE = 5
"""Seconds for one write, all of which may be spent on looking for a server that is away."""
REFUSED_FOR = 0.3
"""Seconds that a document must be refused before it is judged."""


class FakeSide:
    """The fake sink with its database."""

    chokes_on: Any = float("nan")

    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.sink: Sink = FakeSink(self.database)
        self.reader: SinkReader = FakeReader(self.database)

    def documents(self) -> dict[str, Mapping[str, Any]]:
        return {key: bson.decode(raw) for key, raw in self.database.documents.items()}

    def dead_letters(self) -> dict[str, str]:
        return {key: str(letter.reason) for key, letter in self.database.dead_letters.items()}

    def keep_unique(self, field: str) -> None:
        self.database.unique_field = field

    def refuse(self, documents: int) -> None:
        self.database.refusals = documents

    def go_away(self) -> None:
        self.database.up = False

    def come_back(self) -> None:
        self.database.up = True

    def close(self) -> None: ...


class WireSide:
    """MongoSink and the real driver over a scripted server, so that this suite says something without FerretDB."""

    chokes_on: Any = float("nan")

    def __init__(self) -> None:
        self._server = WireMongo().__enter__()
        self._server.chokes_on = lambda document: any(value != value for value in document.values())
        settings = load(
            mongodb_uri=f"{self._server.uri}/?serverSelectionTimeoutMS=300",
            write_timeout=PATIENCE,
            refusal_patience=REFUSED_FOR,
        )
        self.sink: Sink = MongoSink(settings)
        self.reader: SinkReader = MongoReader(settings)

    def documents(self) -> dict[str, Mapping[str, Any]]:
        return dict(self._server.collections["numtest"])

    def dead_letters(self) -> dict[str, str]:
        return {key: letter["reason"] for key, letter in self._server.collections["numtest_dead_letters"].items()}

    def keep_unique(self, field: str) -> None:
        self._server.unique_field = field

    def refuse(self, documents: int) -> None:
        self._server.refusals = documents

    def go_away(self) -> None:
        self._server.up = False

    def come_back(self) -> None:
        self._server.up = True

    def close(self) -> None:
        self.sink.close()
        self.reader.close()
        self._server.__exit__()


class ServerSide:
    """MongoSink on a server that others wrote, in a database of its own."""

    chokes_on: Any
    """What a document must not hold there: the server closes the connection on it."""

    def __init__(self, uri: str) -> None:
        name = f"contract_{next(NUMBERS)}"
        settings = load(
            mongodb_uri=f"{uri}/?serverSelectionTimeoutMS=2000",
            database=name,
            write_timeout=PATIENCE,
            refusal_patience=REFUSED_FOR,
        )
        self.sink: Sink = MongoSink(settings)
        self.reader: SinkReader = MongoReader(settings)
        self._client: MongoClient[Any] = MongoClient(uri)
        self._database = self._client[name]

    def documents(self) -> dict[str, Mapping[str, Any]]:
        return {found["_id"]: found for found in self._database["numtest"].find()}

    def dead_letters(self) -> dict[str, str]:
        return {found["_id"]: found["reason"] for found in self._database["numtest_dead_letters"].find()}

    def keep_unique(self, field: str) -> None:
        self._database["numtest"].create_index(field, unique=True)

    def close(self) -> None:
        self.sink.close()
        self.reader.close()
        self._client.close()


class RealSide(ServerSide):
    """The embedded FerretDB."""

    chokes_on = float("nan")

    def __init__(self, stack: Any) -> None:
        self._stack = stack
        super().__init__(stack.mongodb_uri)

    def go_away(self) -> None:
        self._stack.stop_program("ferretdb")

    def come_back(self) -> None:
        self._stack.start_program("ferretdb")


class JavaSide(ServerSide):
    """mongo-java-server: it says which index was hit, takes at most 1,000 documents in one insert, and stores a NaN."""

    chokes_on = bson.Binary(b"", subtype=200)

    def __init__(self, server: Any) -> None:
        self._server = server
        super().__init__(server.uri)

    def go_away(self) -> None:
        self._server.stop()

    def come_back(self) -> None:
        self._server.start()


Side = FakeSide | WireSide | RealSide | JavaSide
