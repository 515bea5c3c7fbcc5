"""The embedded stack, running: it keeps its data whatever is killed, needs nothing from PATH, and
leaves no process behind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from pymongo import MongoClient

from tests.support.embedded import (
    REPOSITORY,
    EmbeddedStack,
    StackUnavailableError,
    unavailable,
    wait_until,
)
from tests.support.prometheus import is_built as is_prometheus_built
from tests.support.prometheus import require_built as require_prometheus

pytestmark = pytest.mark.integration

TOPIC = "kept"
NUMBERS = 500
# All that the launcher calls. No java, no go, no python.
BARE = ("sh", "dirname", "head", "readlink", "tr")


@pytest.fixture(scope="module")
def bare_path() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        for name in BARE:
            Path(folder, name).symlink_to(shutil.which(name) or f"/bin/{name}")
        yield folder


@pytest.fixture(scope="module")
def stack(bare_path: str) -> Iterator[EmbeddedStack]:
    try:
        running = EmbeddedStack(path=bare_path).__enter__()
    except StackUnavailableError as reason:
        unavailable(reason)
    try:
        yield running
    finally:
        running.remove()


@pytest.mark.slow
def test_comes_back_with_its_data_whatever_is_killed(stack: EmbeddedStack) -> None:
    sent = fill(stack)
    assert len(sent) == NUMBERS

    for program in ("kafka", "ferretdb"):
        killed = stack.kill(program)
        wait_until(lambda name=program, old=killed: stack.pid(name) not in (None, old), 30, f"{program} is restarted")
        stack.wait_ready([program])
        assert kept(stack) == (sent, sent)

    before = [stack.record(program).process for program in ("kafka", "ferretdb")]
    stack.kill("supervisord")
    up = stack.command("up")
    assert (up.returncode, up.stderr) == (0, "")
    assert not any(process.is_running() for process in before)
    assert kept(stack) == (sent, sent)

    again = stack.command("up")
    assert (again.returncode, "already running" in again.stdout) == (0, True)
    status = stack.command("status")
    assert (status.returncode, status.stdout.count(" answers")) == (0, 3 if is_prometheus_built() else 2)
    assert stack.bootstrap_servers in status.stdout

    servers = [psutil.Process(stack.pid(program)) for program in ("supervisord", "kafka", "ferretdb")]
    assert [process.name() for process in servers[1:]] == ["java", "ferretdb"]
    assert stack.command("down").stdout == "the stack is stopped\n"
    assert not any(process.is_running() for process in servers)
    assert stack.command("down").stdout == "the stack was not running\n"
    assert stack.command("status").returncode == 69
    stack.start()


@pytest.mark.slow
def test_prometheus_is_one_of_the_stack_once_it_is_built(stack: EmbeddedStack) -> None:
    require_prometheus()
    up = stack.command("up")
    assert (up.returncode, up.stderr) == (0, "")
    assert f"Prometheus  http://127.0.0.1:{stack.prometheus_port} " in up.stdout

    killed = stack.kill("prometheus")
    wait_until(lambda: stack.pid("prometheus") not in (None, killed), 30, "it is restarted")
    stack.wait_ready(["prometheus"])
    server = psutil.Process(stack.pid("prometheus"))
    assert {each.laddr.ip for each in server.net_connections("tcp")} == {"127.0.0.1"}

    stack.stop_program("prometheus")
    assert "started" in stack.command("up").stdout
    stack.stop_program("prometheus")


@pytest.mark.slow
def test_a_proxied_listener_sends_clients_through_the_proxy(bare_path: str) -> None:
    """Clients that come in there are told the other port; those on the plain one are not."""
    stack = EmbeddedStack({"STACK_KAFKA_ADVERTISED_PORT": "19999"}, bare_path)
    try:
        with stack:
            for entry, told in ((stack.kafka_port, stack.kafka_port), (stack.kafka_proxied_port, 19999)):
                assert stack.brokers(entry) == [("127.0.0.1", told)]
    except StackUnavailableError as reason:
        unavailable(reason)


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("setting", ["STACK_KAFKA_PORT", "STACK_CONTROLLER_PORT", "STACK_MONGODB_PORT"])
def test_a_port_in_use_is_named_with_its_holder_and_its_setting(setting: str) -> None:
    other = EmbeddedStack()
    try:
        with socket.create_server(("127.0.0.1", int(other.environment[setting]))):
            up = other.command("up")
        assert up.returncode == 69
        assert one_line(up.stderr)
        for word in (f"port {other.environment[setting]} ", setting, f"pid {os.getpid()} ({psutil.Process().name()})"):
            assert word in up.stderr
        assert not (other.tree / "var/stack/run/supervisord.pid").exists()
    finally:
        other.remove()


@pytest.mark.slow
@pytest.mark.usefixtures("stack")
def test_ends_with_the_process_that_started_it() -> None:
    """A test run that is killed with -9 cannot tidy up: the kernel does."""
    script = (
        "import signal\n"
        "from tests.support.embedded import EmbeddedStack\n"
        "stack = EmbeddedStack(); stack.start()\n"
        "print(stack.tree, *(stack.pid(each) for each in ('supervisord', 'kafka', 'ferretdb')), flush=True)\n"
        "signal.pause()\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    tree, *pids = owner.stdout.readline().split()
    try:
        family = [psutil.Process(int(pid)) for pid in pids]
        assert len(family) == 3
        owner.kill()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert alive == []
    finally:
        owner.kill()
        owner.communicate()
        shutil.rmtree(tree, ignore_errors=True)


def test_the_launcher_takes_the_interpreter_of_its_parent(tmp_path: Path, bare_path: str) -> None:
    """Also when the parent was started by a relative name; else what WORKERS_PYTHON says."""
    launcher, ask = REPOSITORY / "deploy/python", "import sys; print(sys.executable)"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    parent = f"import subprocess, os; os.chdir({str(tmp_path)!r}); subprocess.run([{str(launcher)!r}, '-c', {ask!r}])"
    environment = {"PATH": bare_path}

    def said(*command: str, **more: str) -> str:
        ran = subprocess.run(
            command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    assert said(sys.executable, "-c", parent) == sys.executable
    assert said("bin/python", "-c", parent) == f"{tmp_path}/bin/python"
    assert said("sh", "-c", f"'{launcher}' -c '{ask}'; :", WORKERS_PYTHON=sys.executable) == sys.executable


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.startswith("stack: ")


def fill(stack: EmbeddedStack) -> set[int]:
    """The numbers that both servers have acknowledged."""
    admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    admin.create_topics([NewTopic(TOPIC, 6, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers, acks="all")
    sent = {number: producer.send(TOPIC, str(number).encode()) for number in range(NUMBERS)}
    acknowledged = {number for number, future in sent.items() if future.get(30)}
    producer.close()
    with MongoClient(stack.mongodb_uri) as client:
        stored = client.kept.numbers.insert_many([{"_id": number} for number in sorted(acknowledged)])
    return acknowledged & set(stored.inserted_ids)


def kept(stack: EmbeddedStack) -> tuple[set[int], set[int]]:
    consumer = KafkaConsumer(bootstrap_servers=stack.bootstrap_servers, enable_auto_commit=False, group_id=None)
    partitions = [TopicPartition(TOPIC, number) for number in range(6)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    read: set[int] = set()
    ends = consumer.end_offsets(partitions)

    def read_on() -> bool:
        for records in consumer.poll(timeout_ms=200).values():
            read.update(int(record.value) for record in records)
        return all(consumer.position(partition) >= end for partition, end in ends.items())

    wait_until(read_on, 30, "every record is read")
    consumer.close()
    with MongoClient(stack.mongodb_uri) as client:
        return read, {document["_id"] for document in client.kept.numbers.find()}
