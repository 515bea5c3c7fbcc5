"""The sink for several topics: a sink for each collection, all on one client of MongoDB."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Any

import pymongo

from workers.errors import BadConfigurationError, RetryReason, SinkRefusesError, SinkUnavailableError
from workers.sinks.mongodb.client import sharing_key
from workers.sinks.mongodb.probe import require_policies
from workers.sinks.mongodb.sink import MongoSink, client_of
from workers.sinks.refusals import UndecidedError
from workers.types import Batch, WriteResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument

    from workers.settings import Settings
    from workers.types import Insert, PartitionBatch, Reject, TopicPartition


class RoutedMongoSink:
    """See `Sink`."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare a client; it does not connect yet. Build it in the process that uses it."""
        self._clock = clock
        self._settings, self._routes = settings, settings.route_table
        self._client = client_of(settings)
        self._sinks: dict[tuple[str, str | None], MongoSink] = {}
        """By `sharing_key`."""
        self._checked: set[MongoSink] = set()
        self._refused_since: dict[MongoSink, float] = {}
        """Since when a collection refuses, while others take records."""
        for topic in self._routes.topics:
            self._sink(topic)
        self._any = next(iter(self._sinks.values()), None) or MongoSink(settings, self._clock, self._client)
        """What depends on no collection is asked of this one."""

    def ping(self) -> None:
        self._any.ping()

    def check(self) -> None:
        self.ping()
        for sink in self._sinks.values():
            self._check(sink)
        # Of all routes, also of those that have no topic yet.
        require_policies(self._client, self._settings)

    def encode(self, document_id: str, value: dict[str, Any]) -> RawBSONDocument:
        return self._any.encode(document_id, value)

    def encode_plain(self, prefix: str, offsets: Sequence[int], values: Sequence[dict[str, Any]]) -> list[Any]:
        return self._any.encode_plain(prefix, offsets, values)

    def write(self, batch: Batch) -> WriteResult:
        """See `Sink.write`. One collection after the other, all of them within the write timeout.

        A collection that cannot be used, that this user may not write, or that refuses for longer than the patience while
        others take records, is left out, and the others are written. What hits all of them is waited for, as every outage.
        """
        parts: dict[MongoSink, dict[TopicPartition, PartitionBatch]] = {}
        not_written: dict[TopicPartition, str] = {}
        results: list[WriteResult] = []
        refused: dict[MongoSink, SinkUnavailableError] = {}
        # The time-outs of the single ones end with this one.
        with pymongo.timeout(self._settings.write_timeout):
            for partition, part in batch.partitions.items():
                sink = self._sink(partition.topic)
                try:
                    self._check(sink)
                except BadConfigurationError as error:
                    not_written[partition] = "; ".join(error.problems)
                else:
                    parts.setdefault(sink, {})[partition] = part
            for sink, each in parts.items():
                try:
                    results.append(sink.write(Batch(batch.assignment_epoch, each)))
                except SinkUnavailableError as error:
                    if not _may_be_of_one_collection(error):
                        raise
                    # It may be a view by now, for example.
                    self._checked.discard(sink)
                    refused[sink] = error
                else:
                    self._refused_since.pop(sink, None)
        for sink, why in refused.items():
            since = self._refused_since.setdefault(sink, self._clock())
            patience = 0.0 if why.reason is RetryReason.NOT_AUTHORIZED else self._settings.refusal_patience
            is_tried = isinstance(why, UndecidedError) and not why.no_proof
            if is_tried or not results or self._clock() - since < patience:
                raise why
            not_written |= dict.fromkeys(parts[sink], f"{why}; then restart this worker")
        return _joined(results, not_written)

    def write_one(self, operation: Insert) -> Reject | None:
        return self._sink(operation.record.topic).write_one(operation)

    def close(self) -> None:
        self._client.close()

    def _check(self, sink: MongoSink) -> None:
        """Once: of a topic that appeared later, before its first write."""
        if sink not in self._checked:
            sink.check_collection()
            self._checked.add(sink)

    def _sink(self, topic: str) -> MongoSink:
        settings = self._settings.for_topic(topic)
        key = sharing_key(settings)
        if key not in self._sinks:
            self._sinks[key] = MongoSink(settings, self._clock, self._client)
        return self._sinks[key]


def _may_be_of_one_collection(error: SinkUnavailableError) -> bool:
    """Whether other collections of the same server may take records all the same."""
    is_login = isinstance(error, SinkRefusesError) and error.is_login
    return (
        isinstance(error, UndecidedError)
        or error.reason is RetryReason.ERROR
        or (error.reason is RetryReason.NOT_AUTHORIZED and not is_login)
    )


def _joined(results: Sequence[WriteResult], not_written: Mapping[TopicPartition, str]) -> WriteResult:
    """Of several collections, which have no partition in common."""
    return WriteResult(
        dict(chain.from_iterable(each.stored.items() for each in results)),
        dict(chain.from_iterable(each.duplicates.items() for each in results)),
        dict(chain.from_iterable(each.dead_letters.items() for each in results)),
        dict(chain.from_iterable(each.refused.items() for each in results)),
        not_written,
    )
