"""A slot belongs to one live process, however the last one ended. Real processes, real SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workers.errors import BadConfigurationError
from workers.state.slot import Slot
from workers.worker.crash_loop import CrashLoopBackoff

HOLDER = """
import sys, time
from pathlib import Path
from workers.state.slot import Slot
slot = Slot(Path(sys.argv[1]), "counters", "worker_00")
print(slot.try_acquire(), flush=True)
slot.member.remember("member-of-" + sys.argv[2])
print("remembered", flush=True)
while sys.argv[3] == "write":
    slot.member.remember("x" * 200_000)
    slot.member.remember("y" * 200_000)
sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, name: str = "one", mode: str = "wait") -> Iterator[subprocess.Popen[str]]:
    """Another process in the slot, once it has it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), name, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdin
    try:
        assert process.stdout.readline() == "True\n"
        assert process.stdout.readline() == "remembered\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def slot(tmp_path):
    return Slot(tmp_path, "counters", "worker_00")


def test_a_slot_that_nobody_has_is_taken_and_has_no_predecessor(slot):
    assert slot.try_acquire()
    assert slot.member.predecessor() is None


def test_a_slot_that_a_live_process_has_is_refused_with_its_pid(slot, tmp_path):
    with holder(tmp_path) as process:
        assert not slot.try_acquire()
        assert slot.holder_pid() == process.pid


def test_the_slot_of_a_killed_process_is_free_and_its_member_is_known(slot, tmp_path):
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert slot.try_acquire()
        assert slot.member.predecessor() == "member-of-one"


def test_a_process_that_was_stopped_still_has_its_slot(slot, tmp_path):
    """SIGSTOP: it may go on at any moment, so nobody may take its place."""
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)

        assert not slot.try_acquire()
        assert slot.holder_pid() == process.pid


def test_a_member_id_is_whole_though_its_writer_was_killed(slot, tmp_path):
    with holder(tmp_path, mode="write") as process:
        deadline = time.monotonic() + 10
        while slot.member.predecessor() == "member-of-one":
            assert time.monotonic() < deadline
        seen = Counter(slot.member.predecessor() for _ in range(300))
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert slot.try_acquire()
        assert set(seen) | {slot.member.predecessor()} <= {"x" * 200_000, "y" * 200_000}


def test_a_clean_end_leaves_no_member_behind(slot, tmp_path):
    slot.try_acquire()
    slot.member.remember("member")
    slot.member.forget()
    slot.unlock()

    successor = Slot(tmp_path, "counters", "worker_00")
    assert successor.try_acquire()
    assert successor.member.predecessor() is None


@pytest.mark.parametrize(
    ("was_static", "is_static", "evicted"),
    [(False, False, True), (False, True, True), (True, False, True), (True, True, False)],
)
def test_a_dead_member_is_evicted_unless_its_successor_gets_its_partitions_by_its_static_id(
    slot, was_static, is_static, evicted
):
    """Also where WORKERS_STATIC_MEMBERSHIP was changed between the two."""
    slot.member.remember("member", static=was_static)
    assert slot.member.predecessor() == "member"
    assert slot.member.evictable(is_static) == ("member" if evicted else None)


def test_that_a_process_was_fenced_is_known_to_the_next_until_it_has_its_place_again(slot, tmp_path):
    slot.member.remember_fenced()
    successor = Slot(tmp_path, "counters", "worker_00")
    assert (successor.member.was_fenced(), Slot(tmp_path, "counters", "worker_01").member.was_fenced()) == (True, False)
    successor.member.forget_fenced()
    assert not slot.member.was_fenced()


def test_a_child_does_not_keep_the_slot(slot, tmp_path):
    """The lock is not handed on to a program that is started meanwhile."""
    slot.try_acquire()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        slot.unlock()

        assert Slot(tmp_path, "counters", "worker_00").try_acquire()
        child.communicate(b"\n")


@pytest.mark.parametrize("garbage", [b"", b"\n \n", b"\xff\xfe\x00", b"\x80"])
def test_garbage_in_the_member_file_is_no_predecessor(slot, tmp_path, garbage):
    slot.member.remember("member")
    (file,) = tmp_path.glob("*.member")
    file.write_bytes(garbage)

    assert slot.member.predecessor() is None


@pytest.mark.parametrize("garbage", [b"", b"no pid", b"\xff" * 20, b"9" * 20])
def test_garbage_in_the_lock_file_is_no_obstacle(slot, tmp_path, garbage):
    with holder(tmp_path) as process:
        (file,) = tmp_path.glob("*.lock")
        file.write_bytes(garbage)

        assert not slot.try_acquire()
        assert slot.holder_pid() == (int(garbage) if garbage.isdigit() else None)
        process.kill()
        process.wait()

        assert slot.try_acquire()
        assert file.read_text() == f"{os.getpid()}\n"


def test_slots_of_other_workers_and_groups_are_other_slots(slot, tmp_path):
    assert slot.try_acquire()
    assert Slot(tmp_path, "counters", "worker_01").try_acquire()
    assert Slot(tmp_path, "others/with slash", "worker_00").try_acquire()


def test_nothing_is_made_until_the_slot_is_acquired(tmp_path):
    slot = Slot(tmp_path / "b", "counters", "worker_00")
    assert (slot.others(), slot.member.predecessor(), slot.holder_pid()) == ([], None, None)
    assert list(tmp_path.iterdir()) == []

    assert slot.try_acquire()
    assert [file.name for file in (tmp_path / "b").iterdir()] == ["counters-worker_00.lock"]


def test_a_slip_in_the_path_of_the_folder_makes_no_tree(tmp_path):
    with pytest.raises(BadConfigurationError, match="a does not exist; make it, or mend the path: only its last"):
        Slot(tmp_path / "a/b", "counters", "worker_00").try_acquire()
    assert list(tmp_path.iterdir()) == []


def test_who_only_looks_has_the_slot_meanwhile_and_leaves_its_member(slot, tmp_path):
    slot.member.remember("member")
    with slot.try_lock() as held:
        assert held
        assert not Slot(tmp_path, "counters", "worker_00").try_acquire()
    with pytest.raises(RuntimeError), slot.try_lock():
        raise RuntimeError

    with holder(tmp_path) as process:
        with slot.try_lock() as held:
            assert not held
        assert not slot.try_acquire(), "who looked in vain has not unlocked it either"
        assert slot.holder_pid() == process.pid


def test_a_member_that_cannot_be_kept_is_said_and_no_reason_to_end(tmp_path, capsys):
    Slot(tmp_path / "absent", "counters", "worker_00").member.remember("member")

    assert "cannot keep the member id of this worker" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["/dev/null/state", "/proc/self/state", "/tmp/a-typo/state", "/dev/null"])
def test_a_folder_that_cannot_be_used_is_named_with_its_setting(folder):
    with pytest.raises(BadConfigurationError, match=f"^WORKERS_STATE_DIR={folder}: cannot be used: "):
        Slot(Path(folder), "counters", "worker_00").try_acquire()


def test_the_files_of_the_version_before_this_one_are_read_as_they_were_meant(tmp_path):
    """As that version left them behind; the heartbeat and the crash journal have tests of their own."""
    for name, text in {
        "counters-worker_00.member": "worker_00-6d9f1b8e-5a40-4a3d-8d0e-6f1f5f3c2a11\n",
        "counters-worker_00.lock": "4242\n",
        "counters-worker_00.starts": "3\n",
        "counters-worker_01.lock": "4243\n",
        "counters.deaths": '[["numtest-08b40071/", 3, 42, 43, true]]',
        "counters.deaths-lock": "",
    }.items():
        (tmp_path / name).write_text(text)
    slot = Slot(tmp_path, "counters", "worker_00")

    assert slot.holder_pid() == 4242
    assert slot.try_acquire()
    assert slot.member.predecessor() == "worker_00-6d9f1b8e-5a40-4a3d-8d0e-6f1f5f3c2a11"
    assert [other.holder_pid() for other in slot.others()] == [4243]
    backoff = CrashLoopBackoff(slot.starts_file, 10, jitter=lambda: 1.0)
    assert (backoff.record_start(), backoff.starts) == (2.0, 4)
