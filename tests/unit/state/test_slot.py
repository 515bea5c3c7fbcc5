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

from workers.state.slot import Slot

HOLDER = """
import sys, time
from pathlib import Path
from workers.state.slot import Slot
slot = Slot(Path(sys.argv[1]), "counters", "worker_00")
print(slot.take(), flush=True)
slot.remember("member-of-" + sys.argv[2])
print("remembered", flush=True)
while sys.argv[3] == "write":
    slot.remember("x" * 200_000)
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
        assert process.stdout.readline() == "None\n"
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
    assert slot.take() is None
    assert slot.predecessor() is None


def test_a_slot_that_a_live_process_has_is_refused_with_its_pid(slot, tmp_path):
    with holder(tmp_path) as process:
        assert slot.take() == process.pid


def test_the_slot_of_a_killed_process_is_free_and_its_member_is_known(slot, tmp_path):
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert slot.take() is None
        assert slot.predecessor() == "member-of-one"


def test_a_process_that_was_stopped_still_has_its_slot(slot, tmp_path):
    """SIGSTOP: it may go on at any moment, so nobody may take its place."""
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)

        assert slot.take() == process.pid


def test_a_member_id_is_whole_though_its_writer_was_killed(slot, tmp_path):
    with holder(tmp_path, mode="write") as process:
        deadline = time.monotonic() + 10
        while slot.predecessor() == "member-of-one":
            assert time.monotonic() < deadline
        seen = Counter(slot.predecessor() for _ in range(300))
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert slot.take() is None
        assert set(seen) | {slot.predecessor()} == {"x" * 200_000}


def test_a_clean_end_leaves_no_member_behind(slot, tmp_path):
    slot.take()
    slot.remember("member")
    slot.release()

    successor = Slot(tmp_path, "counters", "worker_00")
    assert successor.take() is None
    assert successor.predecessor() is None


def test_a_child_does_not_keep_the_slot(slot, tmp_path):
    """The lock is not handed on to a program that is started meanwhile."""
    slot.take()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        slot.release()

        assert Slot(tmp_path, "counters", "worker_00").take() is None
        child.communicate(b"\n")


@pytest.mark.parametrize("garbage", [b"", b"\n \n", b"\xff\xfe\x00", b"\x80"])
def test_garbage_in_the_member_file_is_no_predecessor(slot, tmp_path, garbage):
    slot.remember("member")
    (file,) = tmp_path.glob("*.member")
    file.write_bytes(garbage)

    assert slot.predecessor() is None


@pytest.mark.parametrize("garbage", [b"", b"no pid", b"\xff" * 20, b"9" * 20])
def test_garbage_in_the_lock_file_is_no_obstacle(slot, tmp_path, garbage):
    with holder(tmp_path) as process:
        (file,) = tmp_path.glob("*.lock")
        file.write_bytes(garbage)

        assert slot.take() == (int(garbage) if garbage.isdigit() else 0)
        process.kill()
        process.wait()

        assert slot.take() is None
        assert file.read_text() == f"{os.getpid()}\n"


def test_slots_of_other_workers_and_groups_are_other_slots(slot, tmp_path):
    assert slot.take() is None
    assert Slot(tmp_path, "counters", "worker_01").take() is None
    assert Slot(tmp_path, "others/with slash", "worker_00").take() is None
