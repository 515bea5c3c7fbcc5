"""Which members may be evicted: those of dead processes, by whichever file has their id, and never that of a live one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.batches import tp
from workers.fleet.watchdog.evictions import Evictions
from workers.settings import Settings
from workers.state.heartbeat import Heartbeat, read_beat
from workers.state.slot import Slot
from workers.state.slot_member import SlotMember
from workers.state.write_failures import WriteFailures
from workers.worker.slot_files import SlotFiles

WORKER = """
import sys
from pathlib import Path
from workers.settings import Settings
from workers.state.write_failures import WriteFailures
from workers.worker.slot_files import SlotFiles
files = SlotFiles(Settings(group="group", state_dir=Path(sys.argv[1])), WriteFailures(lambda line: None))
files.open(lambda: False)
files.remember_member(sys.argv[2], static=len(sys.argv) > 3)
print("joined", flush=True)
sys.stdin.readline()
files.forget_member()
files.close()
"""


class Group:
    """Kafka's, which answers."""

    def __init__(self):
        self.members, self.evicted = {"m-0", "m-1"}, []

    def evict(self, member):
        self.evicted.append(member)
        was_member = member in self.members
        self.members.discard(member)
        return was_member


@pytest.fixture
def slot(tmp_path):
    return Slot(tmp_path, "group", "worker_00")


@contextmanager
def worker(folder, member: str, *static: str) -> Iterator[subprocess.Popen[str]]:
    """Another process in the slot, which has joined."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), member, *static],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "joined\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def killed(folder, member: str, *static: str) -> None:
    with worker(folder, member, *static) as process:
        process.kill()


def watchdog(folder, *, static: bool = False):
    """One round after the other, with the group, and what was told."""
    group, told = Group(), []
    evictions = Evictions(
        Settings(group="group", static_membership=static),
        folder,
        lambda name: Slot(folder, "group", name),
        group,
        lambda *event, **_: told.append(event),
    )
    return group, told, lambda: evictions.evict_dead(set())


def cannot_be_written(slot: Slot) -> None:
    """The member file, as on a disk that was full when it was to be made first. The heartbeat, in place, can be."""
    slot.file("member.new").mkdir()


def test_a_member_that_only_the_heartbeat_has_is_evicted_once(slot, tmp_path):
    cannot_be_written(slot)
    killed(tmp_path, "m-1")
    assert not slot.file("member").exists()
    group, told, look = watchdog(tmp_path)
    for _ in range(3):
        look()

    assert (group.evicted, told) == (["m-1"], [("evicted", "worker_00")])


def test_the_predecessors_id_that_cannot_be_replaced_hides_no_one(slot, tmp_path):
    killed(tmp_path, "m-0")
    cannot_be_written(slot)
    killed(tmp_path, "m-1")
    assert slot.member.predecessor() == "m-0"
    group, _, look = watchdog(tmp_path)
    look()

    assert sorted(group.evicted) == ["m-0", "m-1"]


@pytest.mark.parametrize("keeps", [True, False], ids=["in the member file", "only in the heartbeat"])
def test_a_live_process_is_never_evicted_though_its_lock_is_free(slot, tmp_path, keeps):
    """Somebody has removed the lock file, or there was no room for one: the kernel has no word about it."""
    if not keeps:
        cannot_be_written(slot)
    group, _, look = watchdog(tmp_path)
    with worker(tmp_path, "m-0") as process:
        slot.file("lock").unlink()
        look()
        with slot.try_lock() as held:
            assert held, "void: its lock can be had"
        assert group.evicted == []
        process.kill()
        process.wait()
        look()
    assert group.evicted == ["m-0"]


def test_who_left_the_group_is_evicted_by_nobody(slot, tmp_path):
    cannot_be_written(slot)
    with worker(tmp_path, "m-0") as process:
        process.communicate("\n")
    group, _, look = watchdog(tmp_path)
    look()

    assert group.evicted == []
    assert read_beat(slot.heartbeat_file).member is None


def test_a_member_that_was_evicted_by_its_file_is_not_by_its_heartbeat(slot, tmp_path):
    killed(tmp_path, "m-0")
    assert read_beat(slot.heartbeat_file).member_id == "m-0"
    group, _, look = watchdog(tmp_path)
    look()
    again, _, look_again = watchdog(tmp_path)
    look_again()

    assert (group.evicted, again.evicted) == (["m-0"], [])


@pytest.mark.parametrize(("is_static", "evicted"), [(True, []), (False, ["m-0"])])
def test_a_static_member_that_only_the_heartbeat_has_stays_for_its_static_successor(slot, tmp_path, is_static, evicted):
    cannot_be_written(slot)
    killed(tmp_path, "m-0", "static")
    group, _, look = watchdog(tmp_path, static=is_static)
    look()

    assert group.evicted == evicted


def test_the_successor_knows_whom_to_evict_after_it_writes_its_own_heartbeat(slot, tmp_path):
    killed(tmp_path, "m-0")
    cannot_be_written(slot)
    killed(tmp_path, "m-1")
    files = SlotFiles(Settings(group="group", state_dir=tmp_path), WriteFailures(lambda _: None))
    files.open(lambda: False)

    assert read_beat(slot.heartbeat_file).member is None
    assert (files.dead_members(), files.predecessor()) == (["m-0", "m-1"], "m-1")
    files.close()


def test_a_member_file_that_can_be_written_again_is_told_by_the_heartbeat(slot, tmp_path):
    times = iter(range(0, 1000, 10))
    cannot_be_written(slot)
    settings = Settings(group="group", state_dir=tmp_path)
    files = SlotFiles(settings, WriteFailures(lambda _: None), lambda: float(next(times)))
    files.open(lambda: False)
    files.remember_member("m-0", static=False)
    files.iterated()
    assert read_beat(slot.heartbeat_file).member_not_kept.id == "m-0"
    slot.file("member.new").rmdir()
    files.iterated()

    beat = read_beat(slot.heartbeat_file)
    assert (beat.member.id, beat.kept, slot.member.predecessor()) == ("m-0", True, "m-0")
    files.close()


def test_an_assignment_keeps_what_the_heartbeat_tells_of_the_member(tmp_path):
    heartbeat = Heartbeat.open(tmp_path / "beat")
    heartbeat.joined("m-0", static=True, kept=False)
    heartbeat.owns([tp(3)])
    heartbeat.rebalanced("revoked", [tp(3)])
    beat = read_beat(tmp_path / "beat")

    assert beat.member_not_kept == SlotMember("m-0", True, beat.pid, beat.started)
    assert beat.member.lives


@pytest.mark.parametrize(
    ("line", "member"),
    [
        ("m-0\n", SlotMember("m-0")),
        ("m-0 static\n", SlotMember("m-0", True)),
        ("m-0 pid=7 started=8\n", SlotMember("m-0", False, 7, 8)),
        ("m-0 static pid=7 started=8", SlotMember("m-0", True, 7, 8)),
        ("m-0 pid=7\n", SlotMember("m-0")),
        ("m-0 pid=\u00b2 started=8\n", SlotMember("m-0")),
        (f"m-0 pid={'9' * 5000} started=8\n", SlotMember("m-0")),
        (" \n", None),
        (" pid=7 started=8\n", None),
    ],
    ids=str,
)
def test_a_line_of_this_version_and_of_earlier_ones_is_read_and_a_damaged_one_is_no_error(line, member):
    assert SlotMember.parse(line) == member
    assert member is None or SlotMember.parse(str(member)) == member
    assert SlotMember("m-0", pid=2**22 + 1, started=1).lives is False
    assert SlotMember("m-0").lives is None
