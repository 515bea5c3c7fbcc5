"""Records are stored again when the first one of each partition in which any waited is; where none waited, nothing is told."""

from __future__ import annotations

import time

import pytest

from tests.support.batches import tp, tps
from workers.fleet.watchdog.resumptions import ASK_AGAIN_SECONDS, WRITTEN_SECONDS, LagQuestion, Resumptions
from workers.state.progress import Stored, WorkerProgress
from workers.types import TopicPartition

DIED, TAKEN_OVER = 100.0, 101.0
SEEN = TAKEN_OVER + 0.1 + WRITTEN_SECONDS
"""From then on all that was stored when the lag was asked for stands in the files."""
ALL_WAIT = (TAKEN_OVER + 0.1, {tp(0): 5, tp(1): 7, tp(2): 1, tp(5): 90})


def stored(pid: int, **first: float) -> WorkerProgress:
    """Args: first: by partition (`p0`): when its first record was stored."""
    return WorkerProgress(pid, pid * 10, {tp(int(name[1:])): Stored(50, at + 9, at) for name, at in first.items()})


def lag(**waiting: int) -> tuple[float, dict[TopicPartition, int]]:
    return TAKEN_OVER + 0.1, {tp(int(name[1:])): count for name, count in waiting.items()}


@pytest.fixture
def resumptions() -> Resumptions:
    """After the death of worker_00, pid 7, whose partitions 0, 1 and 2 are taken over."""
    found = Resumptions()
    found.died("worker_00", 7, tps(0, 1, 2), DIED)
    found.taken_over(7, TAKEN_OVER)
    return found


def test_it_is_complete_with_the_first_record_of_the_last_partition(resumptions):
    assert resumptions.observe({"worker_01": stored(8, p0=101.2, p1=101.3)}, ALL_WAIT, SEEN) == []
    progress = {"worker_01": stored(8, p0=101.2, p1=101.3), "worker_02": stored(9, p2=102.4, p5=102.0)}
    (done,) = resumptions.observe(progress, ALL_WAIT, SEEN)

    assert (done.process, done.pid, done.died, done.completed) == ("worker_00", 7, DIED, 102.4)
    assert done.workers == {"worker_01": list(tps(0, 1)), "worker_02": list(tps(2))}
    assert len(resumptions) == 0


def test_what_was_stored_before_all_were_taken_over_and_moved_on_counts():
    found = Resumptions()
    found.died("worker_00", 7, tps(0, 1), DIED)
    found.observe({"worker_01": stored(8, p0=100.9)}, None, 101.0)
    found.taken_over(7, TAKEN_OVER)
    found.observe({"worker_01": stored(8)}, None, 101.1)
    (done,) = found.observe({"worker_00": stored(10, p0=102.0, p1=101.5)}, ALL_WAIT, SEEN)

    assert done.workers == {"worker_01": list(tps(0)), "worker_00": list(tps(1))}


def test_partitions_without_a_record_that_waits_are_not_waited_for(resumptions):
    (done,) = resumptions.observe({"worker_01": stored(8, p1=101.4)}, lag(p0=0, p1=0, p2=0), SEEN)

    assert done.workers == {"worker_01": list(tps(1))}


def test_where_nothing_waits_nothing_is_told(resumptions):
    assert resumptions.observe({}, lag(p0=0, p1=0, p2=0), SEEN) == []
    assert len(resumptions) == 0


def test_the_files_may_be_written_a_little_later_than_the_lag_was_asked_for(resumptions):
    assert resumptions.observe({}, lag(p0=0, p1=0, p2=0), SEEN - 0.1) == []
    (done,) = resumptions.observe({"worker_01": stored(8, p2=101.05)}, lag(p0=0, p1=0, p2=0), SEEN)
    assert done.completed == 101.05


@pytest.mark.parametrize(
    "progress",
    [{"worker_00": stored(7, p0=103.0, p1=103.0, p2=103.0)}, {"worker_01": stored(8, p0=99.0, p1=99.0, p2=99.0)}],
    ids=["by the dead one", "before its death"],
)
def test_what_does_not_count(resumptions, progress):
    assert resumptions.observe(progress, ALL_WAIT, SEEN) == []


def test_a_lag_of_before_the_takeover_says_nothing(resumptions):
    assert resumptions.lag_wanted_since == TAKEN_OVER
    assert resumptions.observe({}, (TAKEN_OVER - 0.1, dict.fromkeys(tps(0, 1, 2), 0)), SEEN) == []
    assert len(resumptions) == 1


def test_what_is_never_taken_over_and_what_never_ends_is_forgotten(resumptions):
    resumptions.died("worker_03", 30, tps(3), DIED)
    resumptions.keep([30])
    assert len(resumptions) == 2
    resumptions.keep([])
    assert len(resumptions) == 1
    resumptions.observe({}, ALL_WAIT, DIED + 700)
    assert len(resumptions) == 0


def test_one_thread_asks_for_the_lag_and_another_answers(monkeypatch):
    woken: list[bool] = []
    question = LagQuestion(lambda: woken.append(True))
    asked: list[bool] = []

    def ask() -> dict[TopicPartition, int]:
        asked.append(True)
        return {tp(0): 3}

    question.serve(ask)
    assert asked == [], "nobody has asked"
    then = time.monotonic()
    assert question.asked_since(then) is None
    assert question.asked_since(then) is None
    assert woken == [True], "it is woken once"
    question.serve(lambda: None)
    assert question.asked_since(then) is None
    assert woken == [True], "Kafka does not answer, and is not asked again at once"
    now = time.monotonic()
    monkeypatch.setattr("workers.fleet.watchdog.resumptions.time.monotonic", lambda: now + ASK_AGAIN_SECONDS + 1)
    assert question.asked_since(then) is None
    assert woken == [True, True]
    question.serve(ask)
    answer = question.asked_since(then)
    assert answer == (now + ASK_AGAIN_SECONDS + 1, {tp(0): 3})
    assert question.asked_since(answer[0] + 1) is None, "that answer is too old"
