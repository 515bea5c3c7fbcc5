"""A file that is replaced by rename: whole or as it was, and what a kill leaves of one is in nobody's way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from tests.support.full_disk import full_disk
from tests.support.records import ListedRecords
from workers.errors import ExitCode
from workers.fleet.status.collector import StatusCollector
from workers.fleet.watchdog.evictions import Evictions
from workers.settings import Settings
from workers.settings.paths import StatePaths
from workers.state.crash_journal import CrashJournal, InProgress
from workers.state.event_log import Event, EventLog, read_events
from workers.state.replaced_file import replace_file
from workers.state.slot import Slot
from workers.types import Fetched
from workers.worker.crash_loop import CrashLoopBackoff

ONE = Fetched({"numtest": TOPIC}, {tp(3): ListedRecords([FakeRecord(3, 7, b"")])})
HALF = b'{"version": 2, "crashes": [["x", "numtest-08b4'


def test_what_a_killed_writer_left_is_overwritten_and_does_not_pile_up(tmp_path):
    (tmp_path / "file.new").write_bytes(bytes(10_000))
    for content in (b"one", b"two"):
        replace_file(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
        assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_on_a_full_disk_it_stays_as_it_was_and_nothing_takes_room(tmp_path):
    with full_disk(tmp_path / "disk", fill=False) as disk:
        replace_file(disk.folder / "file", b"one")
        disk.fill()
        before = sorted(each.name for each in disk.folder.iterdir())
        with pytest.raises(OSError, match="No space left"):
            replace_file(disk.folder / "file", bytes(100_000))

        assert (disk.folder / "file").read_bytes() == b"one"
        assert sorted(each.name for each in disk.folder.iterdir()) == before


def test_no_reader_takes_an_unfinished_file_for_the_real_one(tmp_path):
    run, log = tmp_path / "var/run", tmp_path / "var/log"
    for folder in (run, log):
        folder.mkdir(parents=True)
    for name in ("group.crashes", "group-worker_00.member", "group-worker_00.starts"):
        (run / f"{name}.new").write_bytes(HALF)
    (log / "events.jsonl.new").write_bytes(json.dumps({"time": "2026", "event": "exited"}).encode() + b"\n")
    slot, evicted = Slot(run, "group", "worker_00"), []
    assert slot.try_acquire()

    assert CrashJournal(slot, lambda _: None).all() == []
    assert (slot.member.read(), slot.others()) == (None, [])
    assert CrashLoopBackoff(slot.starts_file, 10).record_start() == 0.0
    assert read_events(log / "events.jsonl", 10) == []
    slot.unlock()
    group = type("Group", (), {"evict": lambda _, member: evicted.append(member)})()
    Evictions(Settings(group="group"), run, lambda _: slot, group, list).evict_dead(set())
    assert evicted == []
    status = StatusCollector(Settings(bootstrap_servers="127.0.0.1:1", group="group"), StatePaths(tmp_path)).collect()
    assert (status.slots, status.events, status.exit_code) == ([], [], ExitCode.UNCHECKED)
    EventLog(log / "events.jsonl").append(Event.EXITED)
    assert len(read_events(log / "events.jsonl", 10)) == 1


def test_two_files_never_share_an_unfinished_one(tmp_path, monkeypatch):
    """A group may be named as a slot of another group is: each would give the other's content its own name."""
    renamed = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda new, path: renamed.append((new.name, path.name)) or replace(new, path))
    for group in ("counters", "counters-worker_00"):
        dead, slot = (Slot(tmp_path, group, worker) for worker in ("worker_01", "worker_00"))
        assert dead.try_acquire()
        with pytest.raises(MemoryError), InProgress.open(dead).hold(ONE):
            raise MemoryError
        dead.unlock()
        assert slot.try_acquire()
        assert len(CrashJournal(slot, lambda _: None).all()) == 1
        slot.member.remember("member")
        CrashLoopBackoff(slot.starts_file, 10).record_start()

    names = dict(renamed)
    assert len(names) == len(set(names.values())) == 6
