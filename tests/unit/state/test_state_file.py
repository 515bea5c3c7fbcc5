"""Whatever becomes of the disk below it, a state file ends nobody, and is written again when it can be."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.full_disk import full_disk, read_only_disk
from workers.pipeline.poison import NullPoisonGuard
from workers.state.heartbeat import Heartbeat, State, read_beat
from workers.state.slot import Slot
from workers.state.state_file import CHECK_SECONDS, StateFile
from workers.state.write_failures import TELL_EVERY_SECONDS, WriteFailures


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def failures(told, clock):
    return WriteFailures(told.append, clock)


@pytest.fixture
def file(tmp_path, failures, clock):
    return StateFile(tmp_path / "run/state", 4096, failures, clock)


def test_it_is_made_with_its_folder_at_the_first_write_and_kept_until_then(tmp_path, failures, clock):
    (tmp_path / "state").write_bytes(b"before")
    StateFile(tmp_path / "state", 4096, failures, clock).write(b"x", 5)
    assert (tmp_path / "state").read_bytes().rstrip(b"\0") == b"beforx"[:5] + b"x"

    StateFile(tmp_path / "run/state", 4096, failures, clock).write(b"new")
    assert (tmp_path / "run/state").stat().st_size == 4096
    assert failures.problem() is None


@pytest.mark.parametrize("away", ["removed", "replaced", "with its folder"])
def test_a_file_that_was_taken_away_is_made_again(file, tmp_path, clock, away):
    file.write(b"first")
    (tmp_path / "run/state").unlink()
    if away == "replaced":
        (tmp_path / "run/state").write_bytes(b"")
    if away == "with its folder":
        (tmp_path / "run").rmdir()
    clock.now += CHECK_SECONDS
    file.write(b"second")

    assert (tmp_path / "run/state").read_bytes().startswith(b"second")


def test_a_file_that_was_cut_short_kills_nobody(tmp_path):
    """Memory that is mapped to it would: SIGBUS."""
    lines = [
        "import os, sys",
        "from pathlib import Path",
        "from workers.state.heartbeat import Heartbeat, read_beat",
        "path = Path(sys.argv[1])",
        "heartbeat = Heartbeat.open(path)",
        "os.truncate(path, 0)",
        "heartbeat.iterated()",
        "print(read_beat(path).state)",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), str(tmp_path / "beat")], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "starting\n")


def test_a_full_disk_is_told_once_a_minute_and_forgotten_when_there_is_room(tmp_path, failures, told, clock):
    with full_disk(tmp_path / "disk") as disk:
        file = StateFile(disk.folder / "state", 4096, failures, clock)
        for _ in range(int(TELL_EVERY_SECONDS) - 1):
            file.write(b"x" * 4096)
            clock.now += 1
        problem = f"cannot write {disk.folder}/state: No space left on device"
        assert told == [f"{problem}; this process works on without it. Free some space"]
        assert failures.problem() == problem
        assert failures.count >= 10
        disk.make_room()
        clock.now += CHECK_SECONDS
        file.write(b"x" * 4096)
        assert failures.problem() is None
        file.close()


def test_what_was_there_before_the_disk_was_full_is_written_on(tmp_path, failures, clock):
    with full_disk(tmp_path / "disk", fill=False) as disk:
        beat = disk.folder / "beat"
        heartbeat = Heartbeat.open(beat, clock, failures)
        disk.fill()
        heartbeat.enter(State.READING)
        assert (found := read_beat(beat))
        assert found.state is State.READING
        assert failures.problem() is None
        heartbeat._file.close()


def test_on_a_read_only_disk_a_slot_that_was_there_is_still_locked_and_its_member_known(tmp_path, failures):
    def prepare(folder):
        before = Slot(folder, "g", "worker_00")
        assert before.try_acquire()
        before.member.remember("dead")
        before.unlock()

    with read_only_disk(tmp_path / "disk", prepare) as folder:
        slot = Slot(folder, "g", "worker_00", failures)
        assert slot.try_acquire()
        assert not Slot(folder, "g", "worker_00").try_acquire(), "two live processes are still refused"
        slot.member.remember("member")
        assert slot.member.predecessor() == "dead"
        assert not slot.member.forget()
        assert "Read-only file system" in (failures.problem() or "")
        slot.unlock()
        with Slot(folder, "g", "worker_01").try_lock() as held:
            assert not held, "nothing is known of a slot that cannot be locked"


def test_a_slot_whose_files_were_removed_is_locked_again_and_its_member_is_remembered(tmp_path, failures):
    slot = Slot(tmp_path / "run", "g", "worker_00", failures)
    assert slot.try_acquire()
    slot.member.remember("member")
    for each in (tmp_path / "run").iterdir():
        each.unlink()
    (tmp_path / "run").rmdir()
    slot.restore()

    other = Slot(tmp_path / "run", "g", "worker_00")
    assert not other.try_acquire()
    assert other.member.predecessor() == "member"
    assert other.holder_pid() == os.getpid()


def test_a_slot_that_another_process_got_meanwhile_is_left_to_it(tmp_path, failures, told):
    slot, other = (Slot(tmp_path, "g", "worker_00", failures) for _ in range(2))
    assert slot.try_acquire()
    slot.member.remember("mine")
    slot.file("lock").unlink()
    assert other.try_acquire()
    other.member.remember("theirs")
    slot.restore()

    assert other.member.predecessor() == "theirs"
    assert len(told) == 1
    other.unlock()
    slot.restore()
    assert failures.problem() is None
    assert slot.member.predecessor() == "mine"


def test_a_guard_without_a_file_isolates_nothing():
    assert NullPoisonGuard().isolate("fetched").deferred == {}
