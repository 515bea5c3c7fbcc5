"""`workers verify` on more than fits a screen: its memory does not grow with the documents, and it never guesses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.user import BIN
from workers.kafka.admin import Admin
from workers.settings import load

pytestmark = pytest.mark.integration

FEW, MANY = 60_000, 240_000
SMALL_PARTS = """
from workers.verification import whole_topic
whole_topic.OFFSETS_BY_INDEX = 20_000
from workers.cli.main import main
main()
"""
"""The command, with the parts of a topic that is 25 times as large."""
GROWTH = 10 << 20
"""Bytes that verify may need more for four times the records (their ids alone would take 30 MiB)."""
LONG_AGO = 1_000_000_000_000
AWAY = ("Kafka", "MongoDB")


@pytest.fixture(scope="module")
def workers(stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path_factory.mktemp("scale")) as workers:
        workers.kafka.create(2)
        yield workers


@pytest.fixture
def few(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as workers:
        workers.kafka.create(1)
        yield workers


def store(workers: PlainWorkers, first: int, end: int) -> None:
    """Numbers in Kafka, and in the database as a worker would have stored them: a worker is not what is measured."""
    producer = KafkaProducer(bootstrap_servers=workers.servers, linger_ms=20)
    for number in range(first, end):
        producer.send(workers.topic, b'{"number": %d}' % number, partition=number % 2)
    producer.flush(60)
    producer.close()
    for partition in (0, 1):
        store_documents(workers, partition, range(first + partition, end, 2), first // 2)


def store_documents(workers: PlainWorkers, partition: int, numbers: Sequence[int], first_offset: int = 0) -> None:
    """One at each offset, in this order."""
    with Admin(load(bootstrap_servers=workers.servers)) as admin:
        topic = admin.topic(workers.topic)
    assert topic is not None
    documents = [
        {"_id": topic.identity.document_id(partition, offset), "number": number}
        for offset, number in enumerate(numbers, first_offset)
    ]
    for start in range(0, len(documents), 10_000):
        workers.numtest.insert_many(documents[start : start + 10_000])


def peak_of_verify(workers: PlainWorkers) -> tuple[int, int]:
    """How many documents it found in their place, and the most memory it had."""
    verify = subprocess.Popen(
        [sys.executable, "-c", SMALL_PARTS, "verify", "--json"],
        env=workers.environment,
        cwd=workers.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    peak, ended, process = 0, threading.Event(), psutil.Process(verify.pid)
    try:
        while verify.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.Error:
                break
            ended.wait(0.02)
        out, error = verify.communicate(timeout=300)
    finally:
        verify.kill()
        verify.wait()
    assert verify.returncode == 0, error
    return sum(partition["stored"] for partition in json.loads(out)["partitions"]), peak


@pytest.mark.slow
def test_memory_does_not_grow_with_the_documents(workers: PlainWorkers) -> None:
    store(workers, 0, FEW)
    found, little = peak_of_verify(workers)
    assert found == FEW
    store(workers, FEW, MANY)
    found, much = peak_of_verify(workers)
    assert found == MANY
    assert much - little < GROWTH, f"{little >> 20} MiB for {FEW}, {much >> 20} MiB for {MANY}"


def test_since_looks_at_what_is_recent_and_at_nothing_else(few: PlainWorkers) -> None:
    few.send(0, b'{"number": 1}', b'{"number": 2}', timestamp_ms=LONG_AGO)
    few.numbers(0, 3, 5)
    store_documents(few, 0, [1, 2, 3, 4, 5, 6])
    few.commit({0: 7})
    everything = few.verify()
    assert (everything.code, everything.total("kafka"), everything.total("missing")) == (1, 7, 1)
    day = few.verify("--since", "86400")
    assert (day.code, day.total("kafka"), day.total("stored"), day.total("missing")) == (1, 5, 4, 1)
    assert day.report["foreign"] is None
    nothing = few.verify("--since", "0")
    assert (nothing.code, nothing.total("kafka"), nothing.total("missing")) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("service", AWAY)
def test_it_never_says_green_when_it_could_not_look(few: PlainWorkers, service: str) -> None:
    nobody = "127.0.0.1:1"
    setting = (
        {"WORKERS_BOOTSTRAP_SERVERS": nobody}
        if service == "Kafka"
        else {"WORKERS_MONGODB_URI": f"mongodb://{nobody}/?serverSelectionTimeoutMS=1000"}
    )
    for arguments in ([], ["--json"], ["--since", "60"]):
        ran = few.command("verify", *arguments, env=setting)
        assert (ran.returncode, ran.stdout) == (2, "")
        told = ran.stderr.splitlines()
        assert len(told) == 2
        assert service in told[0]
        assert told[1] == "nothing was verified"


@pytest.mark.slow
@pytest.mark.parametrize("program", ["kafka", "ferretdb"])
def test_a_service_that_goes_away_while_it_looks_is_not_taken_for_an_answer(
    workers: PlainWorkers, stack: EmbeddedStack, program: str
) -> None:
    workers.kafka.close()
    workers.forget_producer()
    first = workers.numtest.find_one({"number": 0})
    assert first is not None
    # Where the log ends by then is asked when all is read, and only if something is stored there.
    stranger = {"_id": f"{first['_id'].rpartition('/')[0]}/{MANY}"}
    workers.numtest.insert_one(stranger)
    verify = subprocess.Popen(
        [str(BIN / "workers"), "verify"],
        env=workers.environment,
        cwd=workers.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        process = psutil.Process(verify.pid)
        wait_for_connections(process, stack)
        process.suspend()
        stack.stop_program(program)
        process.resume()
        said, _ = verify.communicate(timeout=200)
    finally:
        verify.kill()
        verify.wait()
        stack.start_program(program)
        workers.numtest.delete_one(stranger)
    assert verify.returncode == 2, said
    assert said.splitlines()[-1] == "nothing was verified"
    assert "accounted" not in said
    assert "Traceback" not in said


def wait_for_connections(process: psutil.Process, stack: EmbeddedStack) -> None:
    """Until it talks to both services, so that it is in the middle of its reading."""

    def talks() -> bool:
        ports = {each.raddr.port for each in process.net_connections() if each.raddr}
        return {stack.kafka_port, stack.mongodb_port} <= ports and process.cpu_times().user > 0.8

    wait_until(talks, 60, "verify reads")
