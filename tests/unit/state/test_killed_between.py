"""A process that is killed at any line of what it writes: nothing is counted twice, and nothing is lost.

Each script is run once for every line that it executes in some files of the product, and killed (SIGKILL, by itself) before
that line: also between the line that writes an unfinished file and the one that gives it its name. What is left on disk
is then read by those who come after.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.pipeline.poison import isolate
from workers.state.crash_journal import CrashJournal
from workers.state.event_log import EventLog, read_events
from workers.state.slot import Slot
from workers.types import Fetched
from workers.worker.crash_loop import CrashLoopBackoff

RUNNER = """
import os, shutil, signal, sys
from pathlib import Path

folder, traced = Path(sys.argv[1]), tuple(sys.argv[2].split())
exec(sys.argv[3])

def run_and_die_at(line, place):
    left = line
    def at_line(frame, event, argument):
        nonlocal left
        if not frame.f_code.co_filename.endswith(traced):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return at_line
    sys.settrace(at_line)
    act(place)
    os._exit(0)

base = folder / "base"
base.mkdir()
prepare(base)
for line in range(1000):
    place = folder / str(line)
    shutil.copytree(base, place)
    child = os.fork()
    if child == 0:
        run_and_die_at(line, place)
    if os.waitpid(child, 0)[1] == 0:
        break
else:
    raise SystemExit("it has no end")
"""
JOURNAL = """
from tests.support.batches import TOPIC, tp
from tests.support.fake_broker import FakeRecord
from tests.support.records import ListedRecords
from workers.state.crash_journal import CrashJournal, InProgress
from workers.state.slot import Slot
from workers.types import Fetched

def prepare(place):
    slot = Slot(place, "counters", "worker_00")
    slot.try_acquire()
    try:
        with InProgress.open(slot).hold(Fetched({"numtest": TOPIC}, {tp(3): ListedRecords([FakeRecord(3, 7, b"")])})):
            raise MemoryError
    except MemoryError:
        slot.unlock()

def act(place):
    slot = Slot(place, "counters", "worker_01")
    slot.try_acquire()
    CrashJournal(slot, lambda crash: (place / "told").touch()).all()
"""
STARTS = """
from workers.worker.crash_loop import CrashLoopBackoff

def prepare(place):
    for _ in range(3):
        CrashLoopBackoff(place / "starts", 10).record_start()

def act(place):
    CrashLoopBackoff(place / "starts", 10).record_start()
"""
MEMBER = """
from workers.state.slot import Slot

def prepare(place):
    Slot(place, "counters", "worker_00").member.remember("the-first")

def act(place):
    Slot(place, "counters", "worker_00").member.remember("the-second", static=True)
"""
EVENTS = """
from workers.state.event_log import Event, EventLog

def prepare(place):
    events = EventLog(place / "events.jsonl", size=400)
    for number in range(6):
        events.append(Event.EXITED, "worker_00", serial=number)

def act(place):
    EventLog(place / "events.jsonl", size=400).append(Event.EXITED, "worker_00", serial=6)
"""
LATE = EVENTS.replace(
    'append(Event.EXITED, "worker_00", serial=6)', 'append(Event.EXITED, "worker_00", at=1.0, serial=6)'
)


def places(folder: Path, traced: str, script: str) -> list[Path]:
    """What each of the killed processes left; the last one was not killed."""
    ran = subprocess.run(
        [sys.executable, "-c", RUNNER, str(folder), traced, script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return sorted((each for each in folder.iterdir() if each.name != "base"), key=lambda each: int(each.name))


def unfinished(found: list[Path], name: str) -> None:
    """The kills that this is about have happened: the file was written, and has not got its name."""
    assert any((place / f"{name}.new").exists() for place in found), "void: it was killed at no line between the two"


def test_a_crash_is_in_the_journal_once_wherever_the_one_that_enters_it_is_killed(tmp_path):
    fetched = Fetched({"numtest": TOPIC}, {tp(3): ListedRecords([FakeRecord(3, 7, b"")])})
    found = places(tmp_path, "crash_journal.py replaced_file.py", JOURNAL)
    unfinished(found, "counters.crashes")
    for place in found:
        entered, told_before = (place / "counters.crashes").exists(), (place / "told").exists()
        slot = Slot(place, "counters", "worker_02")
        assert slot.try_acquire()
        told = []
        crashes = CrashJournal(slot, told.append).all()
        assert [crash[1:] for crash in crashes] == [(TOPIC.prefix, tp(3), 7, 8, True)], place.name
        # Told once: by the one that entered it, or else by this one.
        assert (told == [] and told_before) if entered else len(told) == 1
        assert isolate(fetched, crashes).to_decode.poison is None, "one crash condemns nobody"
        slot.unlock()


def test_a_start_is_counted_once_or_not_at_all(tmp_path):
    found = places(tmp_path, "crash_loop.py replaced_file.py", STARTS)
    unfinished(found, "starts")
    for place in found:
        next_one = CrashLoopBackoff(place / "starts", 10)
        next_one.record_start()
        assert next_one.starts in (4, 5)
        assert [each.name for each in place.iterdir()] == ["starts"]


def test_the_member_of_a_slot_is_the_old_one_or_the_new_one(tmp_path):
    found = places(tmp_path, "slot.py member_file.py replaced_file.py", MEMBER)
    unfinished(found, "counters-worker_00.member")
    for place in found:
        slot = Slot(place, "counters", "worker_00")
        assert (slot.member.predecessor(), slot.member.evictable(True)) in (
            ("the-first", "the-first"),
            ("the-second", None),
        )
        slot.member.remember("the-third")
        assert [each.name for each in place.iterdir()] == ["counters-worker_00.member"]


@pytest.mark.parametrize("script", [EVENTS, LATE], ids=["newest", "learned late"])
def test_an_event_is_written_once_or_not_at_all_and_no_other_is_lost(tmp_path, script):
    """Not at all: supervisord sends it again. At a rotation too: the events fill two files and more."""
    found = places(tmp_path, "event_log.py replaced_file.py", script)
    if script is LATE:
        unfinished(found, "events.jsonl")
    for place in found:
        path = place / "events.jsonl"
        serials = [event["serial"] for event in read_events(path, 100)]
        read = [file for file in place.iterdir() if not file.name.endswith(".new")]
        whole = [line for file in read for line in file.read_bytes().splitlines()]
        assert sorted(serials) in ([*range(6)], [*range(7)])
        assert all(json.loads(line) for line in whole)
        EventLog(path, size=400).append("exited", "worker_00", serial=7)
        assert [event["serial"] for event in read_events(path, 100)] == [*serials, 7]
