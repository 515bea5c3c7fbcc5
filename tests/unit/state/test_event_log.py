"""The file of events: nothing in it is lost by a rotation, a kill, or a line that was never finished."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime

import pytest

from workers.state.event_log import Event, EventLog, count_starts, read_events, since_fleet_started

WRITER = """
import sys
from pathlib import Path
from workers.state.event_log import Event, EventLog
events = EventLog(Path(sys.argv[1]), size=5_000)
for serial in range(10_000_000):
    events.append(Event.STARTING, "worker_00", serial=serial)
    if serial == 100:
        print("enough", flush=True)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log" / "events.jsonl"


def serials(path, count=1_000):
    return [event["serial"] for event in read_events(path, count)]


def test_what_is_written_is_read_newest_last(path):
    events = EventLog(path)
    events.append(Event.FLEET_STARTED, pid=7)
    events.append(Event.EXITED, "worker_01", expected=False, pid=12)

    first, second = read_events(path, 10)
    assert (first["event"], first["pid"], "process" in first) == ("fleet_started", 7, False)
    assert second | {"time": ""} == {
        "time": "",
        "event": "exited",
        "process": "worker_01",
        "expected": False,
        "pid": 12,
    }
    assert datetime.fromisoformat(second["time"]).utcoffset().total_seconds() == 0
    assert read_events(path, 1) == [second]
    assert read_events(path, 0) == []


def test_no_file_is_no_event(path):
    assert (read_events(path, 5), since_fleet_started(path), count_starts(path)) == ([], [], {})


def test_the_files_stay_small_and_the_newest_events_stay(path):
    events = EventLog(path, size=1_000)
    for serial in range(200):
        events.append(Event.STARTING, "worker_00", serial=serial)

    assert sorted(each.name for each in path.parent.iterdir()) == [
        "events.jsonl",
        "events.jsonl.1",
        "events.jsonl.2",
    ]
    assert all(each.stat().st_size <= 1_000 for each in path.parent.iterdir())
    kept = serials(path)
    assert kept == list(range(kept[0], 200))
    assert len(kept) > 20
    assert serials(path, 15) == list(range(185, 200)), "across two files"


@pytest.mark.parametrize("torn", [b'{"time": "2026-', b'{"event": "exi\xff', b"[]\n", b'{"event": 7}\n', b"\n\n", b"7"])
def test_a_line_that_was_never_finished_disturbs_neither_reader_nor_writer(path, torn):
    events = EventLog(path)
    events.append(Event.STARTING, "worker_00", serial=1)
    with path.open("ab") as file:
        file.write(torn)
    assert serials(path) == [1]
    events.append(Event.STARTING, "worker_00", serial=2)

    assert serials(path) == [1, 2]


def test_a_reader_beside_a_writer_that_rotates_and_is_killed_sees_no_gap(path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        writer.stdout.readline()
        looks = [serials(path, 60) for _ in range(300)]
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    for seen in looks:
        assert seen == list(range(seen[0], seen[0] + 60))
    last = serials(path)[-1]
    EventLog(path).append(Event.STARTING, "worker_00", serial="after")
    assert serials(path)[-2:] == [last, "after"]


def test_starts_are_counted_from_the_last_start_of_the_fleet(path):
    events = EventLog(path, size=1_000)
    events.append(Event.FLEET_STARTED)
    for process in ("worker_00", "worker_01"):
        events.append(Event.STARTING, process)
    events.append(Event.FLEET_STARTED)
    for _ in range(9):
        events.append(Event.STARTING, "worker_00")
        events.append(Event.EXITED, "worker_00", expected=False)
    events.append(Event.STARTING, "worker_01")

    assert count_starts(path) == {"worker_00": 9, "worker_01": 1}
    assert since_fleet_started(path)[0]["event"] == "fleet_started"


def test_a_disk_that_is_full_is_an_error_of_the_system(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        EventLog(tmp_path / "full").append(Event.FATAL, "worker_00")


def test_what_is_learned_late_stands_where_it_happened(path):
    """A rebalance is seen seconds after it, and an end that supervisord reports late."""
    events = EventLog(path)
    events.append(Event.FLEET_STARTED, at=100.0, serial=0)
    for serial, at in ((1, 101.0), (2, 103.0), (3, 102.0), (4, 104.0), (5, 101.5), (6, 103.0), (7, 50.0)):
        events.append(Event.EXITED, "worker_00", at=at, serial=serial)
    assert serials(path) == [0, 7, 1, 5, 3, 2, 6, 4], "the start of the fleet stays the first"
    # One that has not written them knows no better.
    EventLog(path).append(Event.EXITED, "worker_00", at=103.5, serial=8)
    assert serials(path) == [0, 7, 1, 5, 3, 2, 6, 8, 4]
    EventLog(path).append(Event.EXITED, "worker_00", serial=9)
    assert serials(path)[-1] == 9
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_starts_whose_first_was_rotated_away_are_not_counted(path):
    events = EventLog(path, size=1_000)
    events.append(Event.FLEET_STARTED)
    events.append(Event.STARTING, "worker_00")
    assert count_starts(path) == {"worker_00": 1}
    for _ in range(100):
        events.append(Event.STARTING, "worker_00")
    assert count_starts(path) == {}
