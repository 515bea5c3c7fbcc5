"""Readers of several collections of MongoDB, and their dead letters, all on one client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.sinks.mongodb.client import READING, open_client, sharing_key
from workers.sinks.mongodb.dead_letters import MongoDeadLetters
from workers.sinks.mongodb.errors import translate_read_errors
from workers.sinks.mongodb.reader import MongoReader

if TYPE_CHECKING:
    from workers.settings import Settings


class MongoReaders:
    """See `SinkReaders`."""

    def __init__(self, settings: Settings) -> None:
        """Prepare a client; it does not connect yet. Build it in the process that uses it."""
        self._database = settings.database
        self._client = open_client(settings, **READING)
        self._readers: dict[tuple[str, str | None], MongoReader] = {}
        self._letters: dict[str, MongoDeadLetters] = {}

    def connect(self) -> None:
        with translate_read_errors():
            self._client.admin.command("ping")

    def reader(self, settings: Settings) -> MongoReader:
        key = sharing_key(settings)
        if key not in self._readers:
            self._readers[key] = MongoReader(settings, self._client)
        return self._readers[key]

    def dead_letters(self, settings: Settings) -> MongoDeadLetters:
        if settings.collection not in self._letters:
            self._letters[settings.collection] = MongoDeadLetters(settings, self._client)
        return self._letters[settings.collection]

    def collections(self) -> list[str]:
        with translate_read_errors():
            return sorted(self._client[self._database].list_collection_names())

    def close(self) -> None:
        self._client.close()
