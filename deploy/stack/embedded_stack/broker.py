"""Apache Kafka as one KRaft node, or as one of three: its properties, its storage, its command line."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from embedded_stack import jars, toolchain
from embedded_stack.failure import Failure
from embedded_stack.processes import tied
from embedded_stack.settings import BROKERS, FOLDER, Settings, make_folder

# One node, one user, little memory: the replication of everything is 1, the internal topics are
# small, and a group does not wait for members that might still come.
FIXED = {
    "process.roles": "broker,controller",
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
# Three nodes on one machine: everything is there three times, a write needs two, and as in production the controller takes
# a broker for dead after the default time (9 s).
CLUSTER = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "2000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
}


def command(settings: Settings, program: str = "kafka") -> list[str]:
    """Ready to be started: the storage is formatted, the properties are written."""
    temporary = settings.data_dir / f"{program}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    make_folder(temporary)
    # A node of a cluster has another cluster's id in its storage than the single one.
    folder = settings.data_dir if len(settings.brokers) == 1 else settings.data_dir / "cluster"
    storage = folder / program
    if not storage.exists():
        make_folder(folder)
        _format(settings, program, storage, temporary)
    written = _properties_file(settings, program)
    written.write_text(properties(settings, storage, program))
    # A killed Java leaves its unpacked libraries in the temporary folder: it gets its own.
    return _java(settings, settings.kafka_heap, temporary, "kafka.Kafka", str(written))


def running_brokers(settings: Settings) -> int | None:
    """The number of brokers with which the first one was started last; None: it never was."""
    try:
        lines = _properties_file(settings, "kafka").read_text().splitlines()
    except OSError:
        return None
    return next((line.count("@") for line in lines if line.startswith("controller.quorum.voters=")), None)


def _properties_file(settings: Settings, program: str) -> Path:
    return settings.run_dir / ("server.properties" if program == "kafka" else f"{program}.properties")


def properties(settings: Settings, storage: Path, program: str = "kafka") -> str:
    number = BROKERS.index(program)
    listeners = {
        "DIRECT": (settings.kafka_ports[number],) * 2,
        "CONTROLLER": (settings.controller_ports[number],) * 2,
    }
    if settings.kafka_advertised_port is not None:
        listeners["PROXIED"] = (settings.kafka_proxied_port, settings.kafka_advertised_port)
    controllers = settings.controller_ports[: len(settings.brokers)]
    values = {
        **FIXED,
        **(CLUSTER if len(settings.brokers) > 1 else {}),
        "node.id": str(number + 1),
        "log.dirs": str(storage),
        "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controllers, 1)),
        "listeners": ",".join(f"{name}://127.0.0.1:{at}" for name, (at, _) in listeners.items()),
        "advertised.listeners": ",".join(
            f"{name}://127.0.0.1:{told}" for name, (_, told) in listeners.items() if name != "CONTROLLER"
        ),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _format(settings: Settings, program: str, storage: Path, temporary: Path) -> None:
    """Under another name first: a format that is killed half-way is not taken for a whole one."""
    unfinished = storage.with_name(f"{program}.unformatted")
    shutil.rmtree(unfinished, ignore_errors=True)
    make_folder(unfinished)
    written = settings.run_dir / f"{program}.format.properties"
    written.write_text(properties(settings, unfinished, program))
    cluster = _cluster_id(storage.with_name("cluster.id"))
    # "=" because a random id may begin with a dash.
    storage_tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
    java = _java(settings, "64m", temporary, *storage_tool, "--config", str(written))
    formatted = subprocess.run(tied(*java), stdin=subprocess.DEVNULL, check=False)
    if formatted.returncode != 0:
        raise Failure(f"cannot format {storage} for Kafka: see the lines above this one")
    unfinished.rename(storage)


def _cluster_id(file: Path) -> str:
    """The same for all brokers, which are formatted at the same time: the first one chooses it."""
    chosen = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    mine = file.with_name(f"{file.name}.{os.getpid()}")
    mine.write_text(chosen)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(mine, file)
    finally:
        mine.unlink()
    return file.read_text()


def _java(settings: Settings, heap: str, temporary: Path, *arguments: str) -> list[str]:
    # Kafka is not yet off sun.misc.Unsafe; our Java would say so at each start, an older one does
    # not know the option.
    ours = [] if settings.java else ["--sun-misc-unsafe-memory-access=allow"]
    return [
        str(toolchain.java(settings)),
        *ours,
        f"-Xmx{heap}",
        # Three small ones on one machine: few threads, quickly started.
        *(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] if len(settings.brokers) > 1 else []),
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={temporary}",
        f"-Dlog4j2.configurationFile={FOLDER / 'log4j2.properties'}",
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        jars.class_path(settings),
        *arguments,
    ]
