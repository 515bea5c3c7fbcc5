"""Peers that are Python programs with packages of their own: confluent-kafka, and Quix Streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaAdminClient, TopicPartition
from pymongo.uri_parser import parse_uri

from bench.backlog import Backlog, Sender
from bench.folder import Folder
from bench.peer_packages import interpreter
from bench.peers import Peer, Running
from bench.servers import Place, Servers
from bench.sight import Sight
from workers.kafka.options import connection_options

HERE = Path(__file__).resolve().parent


def confluent(form: str) -> Peer:
    """bench/confluent_consumer.py; `form` is "poll" or "consume"."""

    def command(place: Place, _folder: Path) -> list[str]:
        settings = place.settings
        uri = settings.mongodb_uri.get_secret_value()
        where = [settings.bootstrap_servers, settings.topic, settings.group, uri, settings.database]
        return [str(interpreter("confluent")), str(HERE / "confluent_consumer.py"), form, *where]

    return _program("confluent", command)


def quix() -> Peer:
    """bench/quix_pipeline.py."""

    def command(place: Place, folder: Path) -> list[str]:
        settings = place.settings
        host, port = parse_uri(settings.mongodb_uri.get_secret_value())["nodelist"][0]
        where = [settings.bootstrap_servers, settings.topic, settings.group, host, str(port or 27017)]
        program = str(HERE / "quix_pipeline.py")
        return [str(interpreter("quix")), program, *where, settings.database, str(folder / "state")]

    return _program("quix", command)


def _program(name: str, command: Callable[[Place, Path], list[str]]) -> Peer:
    """A program that commits what it has stored: it is done when all is committed."""

    @contextmanager
    def peer(_servers: Servers, place: Place, warm_up: Backlog, backlog: Backlog) -> Iterator[Running]:
        total = warm_up.records + backlog.records
        with Folder() as folder, Sender(place.settings) as sender, Sight(place) as sight, _commits(place) as committed:
            sender.send_all(warm_up)
            running = folder.spawn(name, command(place, folder.path), place.environment)
            folder.wait(lambda: reach(committed(), warm_up), "the warm-up is stored and committed")
            yield Running(
                [running],
                lambda: sender.send_all(backlog),
                lambda: reach(committed(), backlog),
                lambda: sight.require(total),
            )

    return peer


@contextmanager
def _commits(place: Place) -> Iterator[Callable[[], Mapping[int, int]]]:
    """What the group has committed, by partition. Kafka is asked, so it costs the database nothing."""
    client = KafkaAdminClient(**connection_options(place.settings))
    group = place.settings.group
    partitions = [TopicPartition(place.settings.topic, partition) for partition in range(place.partitions)]

    def committed() -> Mapping[int, int]:
        found = client.list_group_offsets({group: partitions})[group]
        return {partition.partition: commit.offset for partition, commit in found.items()}

    try:
        yield committed
    finally:
        client.close()


def reach(committed: Mapping[int, int], backlog: Backlog) -> bool:
    """All of it is committed: a commit is the offset of the next record."""
    return all(committed.get(partition, -1) > offset for partition, offset in backlog.last_places())
