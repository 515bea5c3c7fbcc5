"""What is the matter with one slot: the truth, whoever of supervisord, the worker and the kernel has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.batches import tp, tps
from workers.fleet.status.slot import build_slot_status
from workers.fleet.status.slot_facts import SlotFacts
from workers.fleet.supervisor import Process
from workers.state.heartbeat import Beat, State

NOW = 1_000.0
BEAT = Beat(
    pid=42,
    started=7,
    state=State.READING,
    since=900.0,
    iterated=999.9,
    committed=998.0,
    partitions=tps(0, 1),
    records=500,
    dead_letters=3,
    rebalances=2,
)
PROCESS = Process("worker_00", "worker", "RUNNING", pid=42, uptime=100.0, log="/log/worker_00.log")
WELL = SlotFacts(PROCESS, BEAT, kernel="S", member="m-0", restarts=1, rate=12.5)


def judged(seen: SlotFacts, members=("m-0",), lags=None):
    return build_slot_status("worker_00", seen, NOW, 40.0, lags=lags, members=members and dict.fromkeys(members))


def down(state: str, **facts) -> SlotFacts:
    """A slot without a process, and with the heartbeat that the last one left behind."""
    return replace(WELL, process=replace(PROCESS, state=state, pid=None, uptime=None, **facts), kernel=None)


def beating(**facts) -> SlotFacts:
    return replace(WELL, beat=replace(BEAT, **facts))


def test_one_that_is_well_has_every_number():
    slot = judged(WELL, lags={tp(0): 10, tp(1): 5, tp(2): 1_000})

    assert (slot.state, slot.text, slot.healthy, slot.in_group) == ("reading", "reading", True, True)
    assert (slot.pid, slot.uptime_seconds, slot.restarts, slot.lag) == (42, 100.0, 1, 15)
    assert (slot.partitions, slot.records, slot.records_per_second, slot.dead_letters) == (tps(0, 1), 500, 12.5, 3)
    assert (slot.rebalances, slot.seconds_since_commit, slot.member_id) == (2, 2.0, "m-0")


def test_one_without_partitions_is_idle_and_well():
    slot = judged(beating(partitions=(), committed=None))

    assert (slot.text, slot.healthy, slot.seconds_since_commit) == ("idle", True, None)


@pytest.mark.parametrize(
    ("seen", "text", "words"),
    [
        (down("STOPPED"), "stopped", "supervisorctl start worker:worker_00"),
        (down("FATAL", error="Exited too quickly (process log may have details)"), "FATAL", "/log/worker_00.log"),
        (down("BACKOFF", error="can't find command"), "BACKOFF", "can't find command"),
        (down("EXITED", exit_status=78), "exited with 78", "exited with 78"),
        (down("EXITED", exit_status=-1), "killed", "killed"),
        (replace(WELL, process=replace(PROCESS, state="STOPPING")), "stopping", "is stopping"),
        (replace(WELL, kernel="T"), "stopped (SIGSTOP)", "kill -CONT 42"),
        (replace(WELL, kernel="Z"), "ended", "has ended"),
        (beating(iterated=NOW - 41), "stalled for 41 s", "no iteration for 41 s"),
        (beating(iterated=NOW + 500), "no heartbeat", "in the future"),
        (beating(state=State.CRASH_LOOP_BACKOFF, until=NOW + 12.2), "backoff 13 s", "crashed repeatedly"),
        (beating(state=State.CRASH_LOOP_BACKOFF, until=NOW + 0.2), "backoff 1 s", "crashed repeatedly"),
        (beating(state=State.WAITING_FOR_KAFKA), "waiting for Kafka", "waiting for Kafka"),
        (beating(state=State.SINK_UNAVAILABLE), "database unavailable", "database unavailable"),
        (beating(state=State.STOPPING), "stopping", "stopping"),
        (beating(halted=tps(1)), "reading", "has halted partition 1 of numtest"),
        (replace(WELL, member="m-9"), "reading", "does not list it as a member"),
        (replace(WELL, kernel=None), "ended", "has just ended"),
        (replace(WELL, beat=None, kernel=None), "no heartbeat", "WORKERS_GROUP"),
        (replace(WELL, beat=replace(BEAT, pid=41)), "no heartbeat", "no heartbeat"),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(seen, text, words):
    slot = judged(seen)

    assert slot.text == text
    assert not slot.healthy
    assert slot.problem.startswith("worker_00: ")
    assert words in slot.problem


@pytest.mark.parametrize("state", ["STARTING", "RUNNING"])
def test_a_process_that_was_just_started_has_no_heartbeat_yet(state):
    for left_behind in (BEAT, None):
        young = replace(PROCESS, state=state, pid=99, uptime=2.0)
        assert judged(replace(WELL, process=young, beat=left_behind, kernel=None)).text == "starting"


def test_a_slow_turn_is_told_and_is_no_fault_yet():
    slot = judged(beating(iterated=NOW - 15))

    assert (slot.state, slot.text, slot.healthy) == ("reading", "stalled for 15 s", True)


def test_the_numbers_of_a_dead_predecessor_are_not_shown():
    for seen in (down("STOPPED"), replace(WELL, process=replace(PROCESS, pid=99)), beating(iterated=NOW + 500)):
        slot = judged(seen, lags={tp(0): 10})
        assert (slot.partitions, slot.records, slot.lag, slot.seconds_since_commit) == ((), None, None, None)


def test_without_kafkas_word_nobody_is_accused_of_not_being_in_the_group():
    slot = judged(WELL, members=None)

    assert (slot.healthy, slot.in_group, slot.lag) == (True, None, None)


def test_a_brake_that_has_ended_is_no_brake():
    assert judged(beating(state=State.CRASH_LOOP_BACKOFF, until=NOW + 4)).backoff_seconds == pytest.approx(4.0)
    assert judged(beating(state=State.CRASH_LOOP_BACKOFF, until=NOW - 1)).backoff_seconds == 0.0
    assert judged(beating(state=State.CRASH_LOOP_BACKOFF, until=None)).backoff_seconds is None


@pytest.mark.parametrize(
    ("seen", "dead"),
    [
        (WELL, None),
        (beating(state=State.SINK_UNAVAILABLE), None),
        (beating(state=State.STARTING, partitions=()), "m-0"),
        (beating(state=State.WAITING_FOR_MONGODB, partitions=()), "m-0"),
        (beating(state=State.WAITING_FOR_KAFKA, partitions=()), "m-0"),
        (beating(state=State.WAITING_FOR_KAFKA), None),
        (down("EXITED"), "m-0"),
        (replace(WELL, kernel=None), "m-0"),
    ],
)
def test_the_member_of_a_process_that_is_gone_is_known_for_dead(seen, dead):
    assert seen.dead_members == ({dead} if dead else set())


OTHER = replace(BEAT, pid=41)
"""The heartbeat of the process before, which the one of today cannot overwrite."""


@pytest.mark.parametrize(
    ("seen", "own", "dead"),
    [
        (replace(beating(member_id="m-1", kept=False), member=None), "m-1", set()),
        (replace(beating(member_id="m-1", kept=False), member_lives=False), "m-1", {"m-0"}),
        (replace(beating(member_id="m-0"), member_lives=True), "m-0", set()),
        (replace(beating(state=State.JOINING, partitions=()), member_lives=False), None, {"m-0"}),
        (replace(WELL, beat=None, kernel=None, member_lives=True), "m-0", set()),
        (replace(WELL, beat=OTHER, kernel=None, member_lives=True), "m-0", set()),
        (replace(WELL, beat=replace(OTHER, member_id="m-1"), kernel=None, member_lives=True), "m-0", {"m-1"}),
        (replace(beating(member_id="m-1", kept=False), kernel=None, member_lives=False), None, {"m-0", "m-1"}),
    ],
    ids=[
        "only the heartbeat has it",
        "the file has the predecessor's",
        "both have it",
        "not yet joined",
        "only the file has it",
        "the heartbeat is the predecessor's",
        "the heartbeat is the predecessor's, with its member",
        "killed",
    ],
)
def test_the_member_is_known_by_whichever_file_could_be_written(seen, own, dead):
    assert (seen.own_member, seen.dead_members) == (own, dead)
    slot = judged(seen, members=("m-0", "m-1"))
    assert slot.member_id == own
    assert slot.in_group is (True if slot.state == "reading" else None)


def test_one_that_joined_and_cannot_write_its_heartbeat_is_not_asked_for_its_settings():
    slot = judged(replace(WELL, beat=None, kernel=None, member_lives=True))
    assert slot.problem == "worker_00: no heartbeat, although it has joined the group: its log says why"
