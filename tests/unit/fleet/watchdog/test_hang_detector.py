"""Who is killed for hanging, and, more important, who never is: the time is the test's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.batches import tp
from workers.fleet.watchdog.hang_detector import HangDetector, WorkerObservation, own_beat
from workers.kafka.partition_offsets import PartitionOffsets
from workers.state.event_log import Hang
from workers.state.heartbeat import Beat, State

TICK = 5.0
HOURS = 2_000
"""Looks: almost three hours."""
EMPTY = {tp(0): PartitionOffsets(0, 70, 70), tp(1): PartitionOffsets(0, 90, 90)}
LAG = {tp(0): PartitionOffsets(0, 170, 70), tp(1): PartitionOffsets(0, 90, 90)}


class Watch:
    """One worker, looked at every five seconds."""

    def __init__(self) -> None:
        self.now = 10_000.0
        self.hangs = HangDetector(max_iteration_seconds=50, progress_timeout=60)
        self.beat = Beat(
            7, 1234, State.READING, since=self.now, iterated=self.now, partitions=(tp(0), tp(1)), rebalances=1
        )

    def turns(self, **said):
        self.beat = replace(self.beat, iterated=self.now, **said)

    def look(self, offsets=EMPTY, kernel="S", beat=...):
        beat = self.beat if beat is ... else beat
        stalls = self.hangs.detect({"worker_00": WorkerObservation(7, 1234, kernel, beat)}, offsets, self.now)
        self.now += TICK
        return stalls.get("worker_00")

    def first_stall(self, looks=HOURS, **seen):
        """The number of looks until it is to be killed, and why; the loop turns unless `turns` is False."""
        turns = seen.pop("turns", True)
        for number in range(1, looks + 1):
            if turns:
                self.turns()
            if stall := self.look(**seen):
                return number, stall
        return None


@pytest.fixture
def watch():
    return Watch()


@pytest.mark.parametrize("letter", ["T", "t"])
def test_a_stopped_one_at_the_second_look(watch, letter):
    number, stall = watch.first_stall(kernel=letter)
    assert (number, stall.hang) == (2, Hang.STOPPED)


def test_a_stopped_one_that_has_said_nothing_yet(watch):
    assert watch.first_stall(kernel="T", beat=None)[0] == 2


def test_not_one_that_goes_on_in_between(watch):
    for _ in range(50):
        assert watch.look(kernel="T") is None
        watch.turns()
        assert watch.look(kernel="S") is None


def test_not_for_a_look_of_its_predecessor(watch):
    assert watch.look(kernel="T") is None
    assert watch.hangs.detect({"worker_00": WorkerObservation(8, 1299, "T")}, EMPTY, watch.now) == {}
    assert watch.hangs.detect({}, EMPTY, watch.now) == {}
    assert watch.hangs.detect({"worker_00": WorkerObservation(8, 1299, "T")}, EMPTY, watch.now) == {}


@pytest.mark.parametrize("state", [State.JOINING, State.READING, State.SINK_UNAVAILABLE])
def test_one_whose_loop_stands_still_for_longer_than_a_turn_takes(watch, state):
    watch.turns(state=state)
    number, stall = watch.first_stall(turns=False)
    assert (number, stall.hang) == (13, Hang.LOOP_STALLED), "the first miss is at 55 s"
    assert "60 s" in stall.detail


def test_one_that_the_kernel_holds_sooner(watch):
    watch.turns()
    number, stall = watch.first_stall(turns=False, kernel="D")
    assert (number, stall.hang) == (6, Hang.UNINTERRUPTIBLE)


def test_not_one_that_works_its_disk_and_turns(watch):
    assert watch.first_stall(kernel="D") is None


@pytest.mark.parametrize(
    "state",
    [State.STARTING, State.CRASH_LOOP_BACKOFF, State.WAITING_FOR_KAFKA, State.WAITING_FOR_MONGODB, State.STOPPING],
)
@pytest.mark.parametrize("offsets", [LAG, None], ids=["lag", "Kafka away"])
def test_never_one_that_waits_for_something_or_stops(watch, state, offsets):
    watch.turns(state=state)
    assert watch.first_stall(turns=False, offsets=offsets) is None


@pytest.mark.parametrize("state", [State.JOINING, State.SINK_UNAVAILABLE])
def test_never_for_lag_while_it_joins_or_the_database_is_away(watch, state):
    watch.turns(state=state)
    assert watch.first_stall(offsets=LAG) is None


def test_never_an_idle_one(watch):
    assert watch.first_stall(offsets=EMPTY) is None


def test_never_while_kafka_does_not_say(watch):
    assert watch.first_stall(offsets=None) is None


def test_never_for_records_behind_an_open_transaction_which_nobody_can_read(watch):
    assert watch.first_stall(offsets=EMPTY | {tp(0): PartitionOffsets(0, 70, 70, unstable=1_000)}) is None


def test_a_partition_without_an_answer_hides_no_other(watch):
    _, stall = watch.first_stall(offsets={tp(0): LAG[tp(0)]})

    assert stall.partitions == (tp(0),)


def test_never_for_partitions_that_it_has_halted_or_does_not_own(watch):
    watch.turns(halted=(tp(0),))
    assert watch.first_stall(offsets=LAG | {tp(7): PartitionOffsets(0, 10, None)}) is None
    watch.turns(halted=(), partitions=())
    assert watch.first_stall(offsets=LAG) is None


def test_never_one_that_has_just_started(watch):
    assert watch.first_stall(turns=False, offsets=LAG, beat=None) is None


def test_never_for_a_beat_that_somebody_else_said():
    beat = Beat(7, 1234, iterated=5.0)
    assert own_beat(beat, 7, 1234) is beat
    assert (own_beat(beat, 7, 1235), own_beat(beat, 8, 1234), own_beat(None, 7, 1234)) == (None, None, None)


def test_never_for_a_beat_from_the_future(watch):
    watch.beat = replace(watch.beat, iterated=watch.now + 10**9)
    assert watch.first_stall(turns=False, offsets=LAG) is None


def test_one_that_takes_no_record_for_longer_than_the_setting(watch):
    number, stall = watch.first_stall(offsets=LAG)
    assert (number, stall.hang, stall.partitions) == (15, Hang.NO_PROGRESS, (tp(0),)), "first seen at 0, missed at 65 s"
    assert "partition numtest-0 is committed up to 70, and its log end is 170" in stall.detail


def test_lag_counts_from_when_it_is_seen(watch):
    assert watch.first_stall(offsets=EMPTY, looks=500) is None
    assert watch.first_stall(offsets=LAG)[0] == 15


def test_not_one_that_is_slow(watch):
    for number in range(HOURS):
        watch.turns()
        assert watch.look({tp(0): PartitionOffsets(0, 10**9, 70 + number // 11)}) is None, "a step every 55 s"


def test_not_one_that_commits_by_its_own_word(watch):
    for number in range(HOURS):
        watch.turns(**({"committed": watch.now} if number % 11 == 0 else {}))
        assert watch.look(LAG) is None


def test_not_while_it_changes_hands_again_and_again(watch):
    for number in range(HOURS):
        watch.turns(rebalances=number // 11)
        assert watch.look(LAG) is None


def test_not_when_kafka_was_away_in_between(watch):
    assert watch.first_stall(offsets=LAG, looks=13) is None
    watch.turns()
    assert watch.look(None) is None
    assert watch.first_stall(offsets=LAG)[0] == 15


def test_not_when_the_database_was_away_in_between(watch):
    assert watch.first_stall(offsets=LAG, looks=13) is None
    watch.turns(state=State.SINK_UNAVAILABLE, since=watch.now)
    assert watch.look(LAG) is None
    watch.turns(state=State.READING, since=watch.now)
    assert watch.first_stall(offsets=LAG)[0] == 15


def test_each_worker_is_judged_by_itself(watch):
    looks = {
        "worker_00": WorkerObservation(7, 1, "T"),
        "worker_01": WorkerObservation(8, 2, "S"),
        "worker_02": WorkerObservation(9, 3, "T"),
    }
    watch.hangs.detect(looks, EMPTY, watch.now)
    looks["worker_02"] = WorkerObservation(10, 4, "T")
    assert set(watch.hangs.detect(looks, EMPTY, watch.now)) == {"worker_00"}


def test_not_for_a_partition_that_somebody_has_paused(watch):
    watch.turns(paused=(tp(0),))
    assert watch.first_stall(offsets=LAG) is None


def test_its_time_begins_anew_when_it_is_resumed(watch):
    watch.turns(paused=(tp(0),))
    assert watch.first_stall(looks=200, offsets=LAG) is None

    watch.turns(paused=())
    looks, stall = watch.first_stall(offsets=LAG)
    assert stall.hang is Hang.NO_PROGRESS
    assert looks * TICK > 60


def test_a_partition_beside_a_paused_one_is_judged_as_ever(watch):
    watch.turns(paused=(tp(1),))
    assert watch.first_stall(offsets=LAG)[1].partitions == (tp(0),)


def test_not_while_a_limit_keeps_it_from_reading(watch):
    watch.turns(limited="WORKERS_MAX_FLEET_RATE")
    assert watch.first_stall(offsets=LAG) is None
    watch.turns(limited=None)
    assert watch.first_stall(offsets=LAG) is not None


@pytest.mark.parametrize("letter", ["T", "t"])
def test_a_pause_protects_nobody_who_is_stopped(watch, letter):
    watch.turns(paused=(tp(0), tp(1)))
    assert watch.first_stall(kernel=letter)[1].hang is Hang.STOPPED
