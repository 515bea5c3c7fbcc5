"""Dead letters of all routes: in the collections of all of them, each replayed by the route of its topic."""

from __future__ import annotations

import heapq
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING

from workers.decoding import open_decoder
from workers.errors import NotFoundError
from workers.settings.files import shown
from workers.settings.route import LETTERS, UnroutableError
from workers.settings.route_collections import collections_of
from workers.sinks.registry import open_readers, open_sink
from workers.verification.dead_letters import DeadLetters, ReplayResult
from workers.verification.place import OF_DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.pipeline.decoder import Decoder
    from workers.settings import Settings
    from workers.settings.route import Route
    from workers.sinks.base import DeadLetter, DeadLetterFilter
    from workers.sinks.dead_letter_store import DeadLetterStore


class RoutedDeadLetters(DeadLetters):
    """See `DeadLetters`. Each of them knows the collection that it is of."""

    def __init__(self, settings: Settings, route: str | None = None) -> None:
        """Args: route: the name of the only route whose dead letters are seen, which exists; None: all."""
        self._settings, self._table = settings, settings.route_table
        self._only = self._table.labelled(route) if route is not None else None
        self._sink = open_sink(settings)
        self._readers = open_readers(settings)
        self._decoders: dict[str, Decoder] = {}

    def connect(self) -> None:
        self._readers.connect()

    def close(self) -> None:
        self._readers.close()
        self._sink.close()

    def count(self, chosen: DeadLetterFilter) -> int:
        return sum(store.count(each) for store, each, _ in self._chosen(chosen))

    def find(self, chosen: DeadLetterFilter, limit: int = 0) -> Iterator[DeadLetter]:
        found = [
            map(partial(_of_collection, collection), store.find(each, limit))
            for store, each, collection in self._chosen(chosen)
        ]
        merged = heapq.merge(*found, key=lambda letter: letter.rejected_at)
        return islice(merged, limit) if limit else merged

    def get(self, letter_id: str) -> DeadLetter:
        match = OF_DOCUMENT.fullmatch(letter_id.partition("/")[0])
        route = self._route_of(match[1]) if match else None
        own = route.collection_of(match[1]) if match and route else None
        # It may be in the collection that the route of its topic had before.
        for collection in sorted(self._collections, key=lambda each: each != own):
            if found := self._store_in(collection).get(letter_id):
                return replace(found, collection=collection)
        hint = f"; no route has the topic {match[1]}" if match and not route else ""
        raise NotFoundError(
            f"there is no dead letter {shown(letter_id)} in the collections of the routes{hint}; `workers dead-letters list` "
            f"shows the existing ones"
        )

    def replay(self, letter: DeadLetter) -> ReplayResult:
        """See `DeadLetters.replay`. It goes into the collection that the route of its topic names now."""
        if (why := self.unrouted(letter.topic)) is not None:
            return ReplayResult(letter.id, f"{why}: it stays as it is")
        return super().replay(letter)

    def try_out(self, letter: DeadLetter) -> ReplayResult:
        if (why := self.unrouted(letter.topic)) is not None:
            return ReplayResult(letter.id, f"{why}: it stays as it is")
        return super().try_out(letter)

    def unrouted(self, topic: str) -> str | None:
        try:
            self._settings.for_topic(topic)
        except UnroutableError as error:
            return str(error)
        return None

    def _decoder_of(self, letter: DeadLetter) -> Decoder:
        if letter.topic not in self._decoders:
            self._decoders[letter.topic] = open_decoder(self._settings.for_topic(letter.topic), self._sink)
        return self._decoders[letter.topic]

    def _store_of(self, letter: DeadLetter) -> DeadLetterStore:
        return self._store_in(letter.collection)

    @cached_property
    def _collections(self) -> list[str]:
        routes = [self._only] if self._only else self._table.routes

        def with_letters() -> list[str]:
            return [name.removesuffix(LETTERS) for name in self._readers.collections() if name.endswith(LETTERS)]

        return collections_of(routes, with_letters)

    def _store_in(self, collection: str) -> DeadLetterStore:
        return self._readers.dead_letters(self._settings.model_copy(update={"collection": collection}))

    def _chosen(self, chosen: DeadLetterFilter) -> Iterator[tuple[DeadLetterStore, DeadLetterFilter, str]]:
        for collection in self._collections:
            store, of_route = self._store_in(collection), chosen
            if self._only:
                # Other routes may have dead letters in the same collection.
                topics = [topic for topic in store.topics() if self._route_of(topic) == self._only]
                if chosen.topics is not None:
                    topics = [topic for topic in topics if topic in chosen.topics]
                of_route = replace(chosen, topics=tuple(topics))
            yield store, of_route, collection

    def _route_of(self, topic: str) -> Route | None:
        try:
            return self._table.route_of(topic)
        except UnroutableError:
            return None


def _of_collection(collection: str, letter: DeadLetter) -> DeadLetter:
    return replace(letter, collection=collection)
