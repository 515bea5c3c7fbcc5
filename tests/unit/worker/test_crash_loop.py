"""A slot that crashes again and again waits longer and longer, and a healthy time or a clean stop ends that."""

from __future__ import annotations

import stat

import pytest

from tests.support.full_disk import full_disk
from workers.worker.crash_loop import RESET_AGAIN_SECONDS, CrashLoopBackoff


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "my.group-worker_00.starts"


def start(file, clock=None, jitter=1.0):
    return CrashLoopBackoff(file, 10, clock or Clock(), lambda: jitter)


def recorded(file):
    return int(file.read_text())


def crashes(file, count):
    return [start(file).record_start() for _ in range(count)]


def test_one_crash_is_free_and_then_the_waits_double_up_to_a_minute(file):
    assert crashes(file, 11) == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert recorded(file) == 11


def test_the_waits_are_spread(file):
    crashes(file, 4)

    assert start(file, jitter=0.0).record_start() == 2.0
    assert start(file, jitter=0.5).record_start() == 6.0


def test_a_worker_that_lives_long_enough_is_forgiven(file, clock):
    crashes(file, 5)
    brake = start(file, clock)
    brake.record_start()
    clock.now = 100
    brake.iterated()
    assert recorded(file) == 6, "while it waits it does not live"
    brake.start_health_clock()
    clock.now = 109.9
    brake.iterated()
    assert recorded(file) == 6
    clock.now = 110
    brake.iterated()

    assert crashes(file, 3) == [0, 0, 1]


def test_a_clean_stop_is_healthy(file):
    crashes(file, 5)
    brake = start(file)
    brake.record_start()
    brake.reset()

    assert start(file).record_start() == 0


@pytest.mark.parametrize("removable", [True, False])
def test_a_worker_that_is_healthy_on_a_full_disk_is_forgiven_as_soon_as_that_is_possible(file, clock, removable):
    """Else the starts of before the disk was full brake those after it."""
    crashes(file, 5)
    with full_disk(file.parent / "disk", fill=False) as disk:
        there = disk.folder / "starts"
        there.write_bytes(file.read_bytes())
        disk.fill()
        brake = start(there, clock)
        assert brake.record_start() > 0
        brake.start_health_clock()
        if not removable:
            brake._remove = lambda: False
        clock.now = 10
        brake.iterated()
        assert there.exists() is not removable
        disk.make_room()
        clock.now = 10 + RESET_AGAIN_SECONDS
        brake.iterated()
        assert start(there).record_start() == 0


def test_it_is_forgiven_once_and_not_with_every_turn(file, clock):
    brake = start(file, clock)
    brake.record_start()
    brake.owns([1])
    clock.now = 11
    brake.iterated()
    file.unlink()
    brake.iterated()

    assert not file.exists()


@pytest.mark.parametrize("garbage", [b"", b"\n", b"-3\n", b"many", b"\xff\xfe", b"9" * 5000, b"1 2", b"0x3"])
def test_a_file_that_says_nothing_counts_as_no_starts(file, garbage):
    file.write_bytes(garbage)

    assert crashes(file, 3) == [0, 0, 1]


def test_the_largest_count_is_one_that_is_read_again(file):
    file.write_text("999999\n")

    assert crashes(file, 2) == [60, 60]


def test_the_file_is_replaced_whole(file):
    """Who reads it, or is killed in the middle of it, finds the old number or the new one."""
    crashes(file, 1)
    before = file.open()
    crashes(file, 1)

    assert before.read() == "1\n"
    before.close()
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_a_count_that_cannot_be_kept_is_no_reason_to_end(tmp_path, capsys):
    file = tmp_path / "starts"
    file.mkdir(stat.S_IRWXU)

    assert crashes(file, 3) == [0, 0, 0]
    assert "cannot count the starts of this slot" in capsys.readouterr().out
