"""Looking: at real files, real processes and their ends, and at what is not there."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from tests.support.batches import batch_of, document, tp, tps
from tests.support.embedded import wait_until
from workers.fleet.timeline.process_ends import ProcessEnds
from workers.fleet.timeline.reader import holes_in
from workers.fleet.timeline.sampler import Sampler
from workers.kafka.admin import GroupDescription
from workers.kafka.partition_offsets import PartitionOffsets
from workers.monitoring.lag import lag_snapshot
from workers.settings import Settings
from workers.settings.paths import StatePaths
from workers.state.event_log import Event, EventLog
from workers.state.heartbeat import Heartbeat
from workers.state.proc import process_started
from workers.state.progress import Progress
from workers.state.slot import Slot
from workers.state.write_failures import WriteFailures
from workers.types import WriteResult

SPEAKER = """
import sys
from pathlib import Path
from workers.state.heartbeat import Heartbeat
from workers.types import TopicPartition
Heartbeat.open(Path(sys.argv[1])).owns([TopicPartition("numtest", 3)])
print("owns", flush=True)
sys.stdin.read()
"""


class Kafka:
    interval = 1.0
    answer = None

    def latest(self):
        return self.answer


@pytest.fixture
def tree(tmp_path):
    for folder in ("var/run", "var/log"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def slot(tree, number: int) -> Slot:
    return Slot(tree / "var/run", "counters", f"worker_{number:02d}")


def last(sampler: Sampler) -> dict[int, tuple[str | None, str]]:
    return {each["partition"]: tuple(each["bands"][-1][2:]) for each in sampler.as_dict(60)["partitions"]}


def test_without_anything_there_is_nothing_and_nothing_is_made(tmp_path):
    sampler = Sampler(Settings(), StatePaths(tmp_path), Kafka())
    sampler.look()
    told = sampler.as_dict(60)

    assert (told["partitions"], told["marks"], told["group"], told["topic"]) == ([], [], "counters", "numtest")
    assert list(tmp_path.iterdir()) == []


def test_what_a_worker_writes_is_what_is_told(tree):
    kafka = Kafka()
    sampler = Sampler(Settings(), StatePaths(tree), kafka)
    heartbeat = Heartbeat.open(slot(tree, 7).heartbeat_file)
    progress = Progress.open(slot(tree, 7).progress_file, WriteFailures())
    for observer in (heartbeat, progress):
        observer.owns(tps(3, 5))
    sampler.look()
    progress.written(batch_of(document(41, 3)), WriteResult({}, {}, {}), 0.1)
    progress._write()
    sampler.look()
    assert last(sampler) == {3: ("worker_07", "storing"), 5: ("worker_07", "unknown")}

    snapshot = lag_snapshot(0.0, GroupDescription("Stable", {}), {tp(5): PartitionOffsets(0, 9, 4)}, {}, {})
    kafka.answer = time.monotonic() - 1.1, time.monotonic() - 1, snapshot
    sampler.look()
    sampler.look()
    assert last(sampler)[5] == ("worker_07", "waiting")
    assert set(sampler.holes()) == {tp(5)}
    assert holes_in(sampler.as_dict(60)).keys() == {tp(5)}


@pytest.mark.parametrize("content", [b"", b"hello\n", b"00000000 99999999\n{}\n", b"\xff" * 9_000])
def test_a_file_that_holds_something_else_is_no_worker(tree, content):
    slot(tree, 1).heartbeat_file.write_bytes(content)
    slot(tree, 1).progress_file.write_bytes(content)
    sampler = Sampler(Settings(), StatePaths(tree))
    sampler.look()

    assert sampler.as_dict(60)["partitions"] == []


def test_the_end_of_a_process_wakes_it_up_and_has_its_own_time(tree):
    worker = subprocess.Popen(
        [sys.executable, "-c", SPEAKER, str(slot(tree, 1).heartbeat_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"owns\n"
    sampler = Sampler(Settings(), StatePaths(tree))
    sampler.start()
    try:
        wait_until(lambda: last(sampler).get(3, ("", ""))[0] == "worker_01", 10, "it is seen")
        killed = time.time()
        worker.kill()
        worker.wait()
        wait_until(lambda: sampler.as_dict(60)["marks"], 10, "its end is seen")
        (mark,) = sampler.as_dict(60)["marks"]
        assert (mark["kind"], mark["process"], mark["text"]) == ("died", "worker_01", "crashed or was killed")
        assert killed - 0.01 <= mark["time"] <= killed + 5
        assert last(sampler)[3][0] is None
    finally:
        sampler.stop()
        worker.kill()
        worker.communicate()


def test_events_of_the_watchdog_are_marks(tree):
    events = EventLog(tree / "var/log/events.jsonl")
    sampler = Sampler(Settings(), StatePaths(tree))
    events.append(Event.EXITED, "worker_01", expected=False, pid=4)
    events.append(Event.EXITED, "lag", expected=False, pid=5)
    sampler.look()

    assert [(mark["kind"], mark["process"]) for mark in sampler.as_dict(60)["marks"]] == [("died", "worker_01")]


def test_a_look_that_fails_does_not_end_the_looking(tree, monkeypatch):
    looks = threading.Semaphore(0)
    sampler = Sampler(Settings(), StatePaths(tree))

    def fails():
        looks.release()
        raise ValueError("a file nobody foresaw")

    monkeypatch.setattr(sampler, "look", fails)
    sampler.start()
    try:
        assert all(looks.acquire(timeout=10) for _ in range(3))
    finally:
        sampler.stop()


def test_ends_are_those_of_the_process_that_is_meant():
    ends = ProcessEnds()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = process_started(process.pid)
        ends.watch("worker_00", process.pid, started)
        ends.watch("worker_01", process.pid, started + 1)
        ends.wait(0.0)
        assert ends.ended == {}
        process.kill()
    began = time.monotonic()
    ends.wait(10.0)
    assert time.monotonic() - began < 5
    assert set(ends.ended) == {"worker_00"}
    ends.close()
