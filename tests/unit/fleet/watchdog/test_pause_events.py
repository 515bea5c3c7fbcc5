"""Who has paused what is in the event log, once, whatever becomes of the watchdog."""

from __future__ import annotations

import time

import pytest

from workers.fleet.event_words import subject, words
from workers.fleet.watchdog.pause_events import PauseEvents
from workers.pauses import Pause
from workers.state.event_log import EventLog, read_events
from workers.state.pause_file import change_pauses, pause_file

NOW = time.time()
ALL = Pause("nightly backup", "ann@db1", NOW)
ONE = Pause("a bad producer", "bob@db1", NOW, "numtest", 3)


@pytest.fixture
def path(tmp_path):
    return pause_file(tmp_path, "counters")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "events.jsonl"


def watchdog(path, log):
    events = PauseEvents(path, EventLog(log).append)
    events.resume(read_events(log, 100))
    return events


def paused(path, *pauses):
    change_pauses(path, lambda _before: pauses, anew=True)


def told(log):
    return [words(event) for event in read_events(log, 100)]


def test_each_pause_and_its_end_is_told_once_also_by_the_next_watchdog(path, log):
    first = watchdog(path, log)
    first.look()
    paused(path, ALL)
    first.look()
    first.look()
    assert told(log) == ["paused everything by ann@db1: nightly backup"]

    second = watchdog(path, log)
    second.look()
    paused(path, ALL, ONE)
    second.look()
    third = watchdog(path, log)
    paused(path, ONE)
    third.look()
    third.look()

    assert told(log) == [
        "paused everything by ann@db1: nightly backup",
        "paused partition 3 of numtest by bob@db1: a bad producer",
        "resumed everything, paused: nightly backup",
    ]
    assert subject(read_events(log, 1)[0]) == "fleet"


def test_while_the_file_cannot_be_read_nothing_is_told(path, log):
    events = watchdog(path, log)
    paused(path, ALL)
    events.look()
    path.write_bytes(b"torn")
    events.look()

    assert len(told(log)) == 1
