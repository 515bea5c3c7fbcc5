"""Opens the sink of the settings. The only place that names an implementation; a sink's driver is imported on opening."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.settings import Settings
    from workers.sinks.base import Sink, SinkDoctor, SinkReader
    from workers.sinks.dead_letter_store import DeadLetterStore
    from workers.sinks.readers import SinkReaders


def open_sink(settings: Settings) -> Sink:
    """For writing. Does not connect yet; open it in the process that uses it."""
    if settings.route_table.has_several_topics:
        from workers.sinks.mongodb.routed_sink import RoutedMongoSink

        return RoutedMongoSink(settings)
    from workers.sinks.mongodb.sink import MongoSink

    (topic,) = settings.route_table.topics
    return MongoSink(settings.for_topic(topic))


def open_reader(settings: Settings) -> SinkReader:
    """For reading what was written. Does not connect before `connect`."""
    from workers.sinks.mongodb.reader import MongoReader

    return MongoReader(settings)


def open_readers(settings: Settings) -> SinkReaders:
    """For reading from the collections of several topics, on one connection. Does not connect before `connect`."""
    from workers.sinks.mongodb.shared_client import MongoReaders

    return MongoReaders(settings)


def open_dead_letters(settings: Settings) -> DeadLetterStore:
    """For the dead letters. Does not connect before `connect`."""
    from workers.sinks.mongodb.dead_letters import MongoDeadLetters

    return MongoDeadLetters(settings)


def open_doctor(settings: Settings) -> SinkDoctor:
    """For finding out whether the server can take what the workers will write. Does not connect before it is asked."""
    from workers.sinks.mongodb.doctor import MongoDoctor

    return MongoDoctor(settings)
