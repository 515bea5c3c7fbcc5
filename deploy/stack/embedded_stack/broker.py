"""Apache Kafka as one KRaft node: its properties, its storage, its command line."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from embedded_stack import jars, toolchain
from embedded_stack.failure import Failure
from embedded_stack.processes import tied
from embedded_stack.settings import FOLDER, Settings, make_folder

# One node, one user, little memory: the replication of everything is 1, the internal topics are
# small, and a group does not wait for members that might still come.
FIXED = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "DIRECT",
    "num.partitions": "6",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    # A killed broker may register again only when its old session is over.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "16777216",
}


def command(settings: Settings) -> list[str]:
    """Ready to be started: the storage is formatted, the properties are written."""
    temporary = settings.data_dir / "kafka.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    make_folder(temporary)
    storage = settings.data_dir / "kafka"
    if not storage.exists():
        _format(settings, storage, temporary)
    written = settings.run_dir / "server.properties"
    written.write_text(properties(settings, storage))
    # A killed Java leaves its unpacked libraries in the temporary folder: it gets its own.
    return _java(settings, settings.kafka_heap, temporary, "kafka.Kafka", str(written))


def properties(settings: Settings, storage: Path) -> str:
    listeners = {
        "DIRECT": (settings.kafka_port, settings.kafka_port),
        "CONTROLLER": (settings.controller_port, settings.controller_port),
    }
    if settings.kafka_advertised_port is not None:
        listeners["PROXIED"] = (settings.kafka_proxied_port, settings.kafka_advertised_port)
    values = {
        **FIXED,
        "log.dirs": str(storage),
        "controller.quorum.voters": f"1@127.0.0.1:{settings.controller_port}",
        "listeners": ",".join(f"{name}://127.0.0.1:{at}" for name, (at, _) in listeners.items()),
        "advertised.listeners": ",".join(
            f"{name}://127.0.0.1:{told}" for name, (_, told) in listeners.items() if name != "CONTROLLER"
        ),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _format(settings: Settings, storage: Path, temporary: Path) -> None:
    """Under another name first: a format that is killed half-way is not taken for a whole one."""
    unfinished = storage.with_name("kafka.unformatted")
    shutil.rmtree(unfinished, ignore_errors=True)
    make_folder(unfinished)
    written = settings.run_dir / "format.properties"
    written.write_text(properties(settings, unfinished))
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    # "=" because a random id may begin with a dash.
    storage_tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
    java = _java(settings, "64m", temporary, *storage_tool, "--config", str(written))
    formatted = subprocess.run(tied(*java), stdin=subprocess.DEVNULL, check=False)
    if formatted.returncode != 0:
        raise Failure(f"cannot format {storage} for Kafka: see the lines above this one")
    unfinished.rename(storage)


def _java(settings: Settings, heap: str, temporary: Path, *arguments: str) -> list[str]:
    # Kafka is not yet off sun.misc.Unsafe; our Java would say so at each start, an older one does
    # not know the option.
    ours = [] if settings.java else ["--sun-misc-unsafe-memory-access=allow"]
    return [
        str(toolchain.java(settings)),
        *ours,
        f"-Xmx{heap}",
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={temporary}",
        f"-Dlog4j2.configurationFile={FOLDER / 'log4j2.properties'}",
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        jars.class_path(settings),
        *arguments,
    ]
