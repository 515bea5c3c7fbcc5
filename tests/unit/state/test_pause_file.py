"""What is paused is known to everybody, survives everything, and ends only when somebody wants it to."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.batches import tp
from workers.errors import UnavailableError
from workers.pauses import NO_PAUSES, Pause, Pauses, described
from workers.state.lock_file import lock
from workers.state.pause_file import change_pauses, pause_file, read_pauses
from workers.state.pause_watch import PauseWatch
from workers.types import TopicPartition

ALL = Pause("backup", "ann@db1", 1_000.0)
ONE = Pause("a bad producer", "bob@db1", 2_000.0, "numtest", 3)
TORN = [
    b"",
    b"\x00" * 512,
    b'{"version": 1, "pau',
    b'{"version": 2, "pauses": []}',
    b'{"version": 1}',
    b'{"version": 1, "pauses": [{"topic": null, "partition": 3, "by": "x", "since": 1, "because": "y"}]}',
    b'{"version": 1, "pauses": [{"topic": 7, "partition": null, "by": "x", "since": 1, "because": "y"}]}',
    b"[" * 100_000,
    b"[1, 2]",
    b"x" * 2_000_000,
]


@pytest.fixture
def path(tmp_path):
    return pause_file(tmp_path, "counters")


def paused(path, *pauses):
    change_pauses(path, lambda _before: pauses, anew=True)


def test_what_one_process_writes_all_others_read(path):
    assert read_pauses(path) == NO_PAUSES

    paused(path, ALL, ONE)

    found = read_pauses(path)
    assert found == Pauses((ALL, ONE))
    assert found.of(tp(3)) == ALL, "the oldest that covers it"
    assert Pauses((ONE,)).among([tp(2), tp(3), TopicPartition("orders", 3)]) == {tp(3): ONE}
    assert "everything is paused since" in described(found.all)
    assert path.stat().st_mode & 0o777 == 0o644, "the fleet may run as another user"
    assert list(path.parent.glob("*.new")) == []


def test_groups_and_topics_with_any_name_have_files_and_pauses_of_their_own(tmp_path):
    paused(pause_file(tmp_path, "a/b"), ALL)

    assert read_pauses(pause_file(tmp_path, "a_b")) == NO_PAUSES
    assert read_pauses(pause_file(tmp_path, "a/b")).all == (ALL,)


@pytest.mark.parametrize("content", TORN, ids=range(len(TORN)))
def test_a_file_that_says_nothing_pauses_everything_and_is_not_changed_by_accident(path, content):
    path.write_bytes(content)

    found = read_pauses(path)
    assert found.of(tp(0)) is not None
    assert str(path) in (found.problem or "")
    with pytest.raises(UnavailableError, match="`workers resume` writes it anew"):
        change_pauses(path, lambda before: [*before.all, ONE])
    assert path.read_bytes() == content

    change_pauses(path, lambda _before: (), anew=True)
    assert read_pauses(path) == NO_PAUSES


def test_two_commands_at_a_time_wait_for_each_other(path, monkeypatch):
    paused(path, ALL)
    monkeypatch.setattr("workers.state.pause_file.LOCK_SECONDS", 0.1)
    held = lock(path.with_name(f"{path.name}-lock"))
    try:
        with pytest.raises(UnavailableError, match="another `workers pause`"):
            paused(path)
    finally:
        os.close(held)
    assert read_pauses(path).all == (ALL,)


def test_a_command_that_is_killed_leaves_the_old_file_or_the_new_one(path):
    """At any instruction of the replacement: here the last one before it takes effect, and the first one after."""
    paused(path, ALL)
    script = """
import os, signal, sys
from pathlib import Path
from workers.state import pause_file, replaced_file
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
setattr(*{"before": (Path, "replace"), "after": (replaced_file, "_sync")}[sys.argv[2]], die)
pause_file.change_pauses(Path(sys.argv[1]), lambda before: ())
"""
    for when, left in (("before", (ALL,)), ("after", ())):
        ran = subprocess.run([sys.executable, "-c", script, str(path), when], check=False, timeout=60)
        assert ran.returncode == -9
        assert read_pauses(path).all == left


class TestAWorkerThatLooks:
    def test_it_gets_the_same_object_as_long_as_nothing_changes(self, path):
        watch = PauseWatch(path)
        assert watch() is watch() is NO_PAUSES

        paused(path, ALL)
        first = watch()
        assert first.all == (ALL,)
        assert watch() is first

        paused(path)
        assert watch().all == ()

    @pytest.mark.parametrize("content", TORN, ids=range(len(TORN)))
    def test_what_it_knew_stays_whatever_becomes_of_the_file(self, path, content):
        paused(path, ONE)
        watch = PauseWatch(path)
        watch()

        path.write_bytes(content)
        found = watch()
        assert found.all == (ONE,)
        assert found.problem
        assert watch() is found

        paused(path)
        assert watch() == NO_PAUSES

    @pytest.mark.parametrize("content", TORN, ids=range(len(TORN)))
    def test_one_that_starts_then_reads_nothing(self, path, content):
        path.write_bytes(content)

        watch = PauseWatch(path)
        found = watch()
        assert found.of(tp(0)) is not None
        assert watch() is found

    def test_one_that_knew_of_no_pause_goes_on_reading(self, path):
        watch = PauseWatch(path)
        watch()
        path.write_bytes(b"torn")

        assert watch().all == ()

    def test_a_file_that_somebody_removed_pauses_nothing_and_that_is_told(self, path, caplog, capsys):
        paused(path, ALL)
        watch = PauseWatch(path)
        watch()
        path.unlink()

        assert watch() == NO_PAUSES
        assert watch() is watch()
        assert (capsys.readouterr().out + caplog.text).count("was removed") == 1

    def test_a_folder_that_cannot_be_used_changes_nothing(self, path, tmp_path):
        paused(path, ALL)
        watch = PauseWatch(path)
        watch()
        tmp_path.rename(tmp_path.with_name("elsewhere"))
        tmp_path.write_bytes(b"a file in place of the folder")

        assert watch().all == (ALL,)
        assert PauseWatch(path)().all == ()


def test_what_a_person_wrote_into_the_file_harms_no_terminal(path):
    entry = ALL.as_dict() | {"because": "\x1b[2J boom\n"}
    path.write_text(json.dumps({"version": 1, "pauses": [entry]}))

    assert read_pauses(path).all[0].because == "?[2J boom?"
