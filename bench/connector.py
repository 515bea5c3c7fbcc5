"""The official MongoDB sink connector on Kafka Connect, standalone, with settings that suit it.

Its jars are those of connect_jars/jgo.lock.toml, fetched as Kafka's are. To move to other versions, edit jgo.toml beside
it and run `jgo --resolver python --class-path-only lock` there. (The connector asks for a range of drivers, which the
resolver does not know: the newest of the range stands in jgo.toml.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.backlog import Backlog, Sender
from bench.folder import Folder
from bench.peers import Running, membership
from bench.servers import Place, Servers
from bench.sight import Sight
from embedded_stack import artifacts, progress
from embedded_stack.downloads import Jars
from embedded_stack.jars import locked_jars
from embedded_stack.settings import Settings as StackSettings
from embedded_stack.settings import make_folder
from embedded_stack.toolchain import check_java, java
from tests.support.embedded import STACK
from tests.support.ports import free_ports

LOCK = Path(__file__).resolve().parent / "connect_jars" / "jgo.lock.toml"
TASKS = 2
HEAP = "512m"
START_SECONDS = 120


def build() -> None:
    """Fetch what is missing of its jars."""
    settings = StackSettings.read()
    check_java(settings)
    make_folder(settings.build_dir)
    with artifacts._alone(settings):
        jars = Jars("Connect", LOCK, _folder(settings))
        if not jars.is_built():
            with progress.observer() as observer:
                jars.build(observer)


def version() -> str:
    """The connector and Kafka Connect, as they are locked."""
    found = {jar.artifact: jar.version for jar in locked_jars(LOCK)}
    return f"mongo-kafka-connect {found['mongo-kafka-connect']} on Kafka Connect {found['connect-runtime']}"


@contextmanager
def connector(_servers: Servers, place: Place, warm_up: Backlog, backlog: Backlog) -> Iterator[Running]:
    """One process with two tasks; warm when the warm-up is stored."""
    name, (port,) = place.settings.topic, free_ports(1)
    with (
        Folder() as folder,
        Sender(place.settings) as sender,
        # The id that its KafkaMetaDataStrategy makes.
        Sight(place, lambda partition, offset: f"{name}#{partition}#{offset}") as sight,
    ):
        sender.send_all(warm_up)
        worker, sink = folder.path / "worker.properties", folder.path / "sink.properties"
        worker.write_text(_text(worker_properties(place, folder.path, port)))
        sink.write_text(_text(sink_properties(place)))
        running = folder.spawn("connect", _command(folder.path, worker, sink), place.environment)
        with membership(place, TASKS, f"connect-{name}") as joined:
            folder.wait(joined, "its tasks are there", START_SECONDS)
        folder.wait(sight.of(warm_up), "it has stored the warm-up", START_SECONDS)
        total = warm_up.records + backlog.records
        yield Running([running], lambda: sender.send_all(backlog), sight.of(backlog), lambda: sight.require(total))


def worker_properties(place: Place, folder: Path, port: int) -> dict[str, object]:
    return {
        "bootstrap.servers": place.settings.bootstrap_servers,
        "listeners": f"http://127.0.0.1:{port}",
        "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "offset.storage.file.filename": folder / "offsets",
        "offset.flush.interval.ms": 1_000,
    }


def sink_properties(place: Place) -> dict[str, object]:
    """As fast as it can be with what our fleet promises too: acknowledged writes, ids of the record's place, no loss."""
    settings = place.settings
    uri = settings.mongodb_uri.get_secret_value()
    package = "com.mongodb.kafka.connect.sink"
    return {
        "name": settings.topic,
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "tasks.max": TASKS,
        "topics": settings.topic,
        "connection.uri": f"{uri}{'&' if '?' in uri else '/?'}w=majority&journal=true",
        "database": settings.database,
        "collection": settings.collection,
        "document.id.strategy": f"{package}.processor.id.strategy.KafkaMetaDataStrategy",
        # Its default replaces documents, which a database does many times slower than it inserts them.
        "writemodel.strategy": f"{package}.writemodel.strategy.InsertOneDefaultStrategy",
        "bulk.write.ordered": "false",
        "errors.tolerance": "none",
        "consumer.override.max.poll.records": settings.max_poll_records,
        "consumer.override.max.partition.fetch.bytes": 4 * 1024 * 1024,
        "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.isolation.level": "read_committed",
    }


def _command(folder: Path, worker: Path, sink: Path) -> list[str]:
    settings = StackSettings.read()
    class_path = ":".join(str(_folder(settings) / jar.file) for jar in locked_jars(LOCK))
    return [
        str(java(settings)),
        f"-Xmx{HEAP}",
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={folder}",
        f"-Dlog4j2.configurationFile={STACK / 'log4j2.properties'}",
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        class_path,
        "org.apache.kafka.connect.cli.ConnectStandalone",
        str(worker),
        str(sink),
    ]


def _folder(settings: StackSettings) -> Path:
    return settings.build_dir / "connect-jars"


def _text(properties: dict[str, object]) -> str:
    return "".join(f"{name}={value}\n" for name, value in properties.items())
