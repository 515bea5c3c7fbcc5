"""The story of a kill: facts go in, and each step comes out once, when it is known, with its true time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.batches import tp, tps
from workers.drill.kill_steps import Back, Died, Evicted, Evictor, StoredAgain, TakenOver
from workers.drill.kill_story import EVENT_SECONDS, KillStory, Seen
from workers.fleet.watchdog.resumptions import WRITTEN_SECONDS
from workers.state.heartbeat import Beat, State
from workers.state.progress import Stored, WorkerProgress

KILLED = 100.0
LAST = Beat(pid=7, started=70, state=State.READING, assigned=50.0, partitions=tps(0, 1), member_id="m-7")


def story(last: Beat = LAST, *, watched: bool = True) -> KillStory:
    return KillStory("worker_00", last, KILLED, 10.0, watched)


def beat(pid: int, assigned: float | None, *partitions: int, **facts) -> Beat:
    return Beat(pid=pid, started=pid * 10, assigned=assigned, partitions=tps(*partitions), **facts)


def stored(pid: int, **first: float) -> WorkerProgress:
    return WorkerProgress(pid, pid * 10, {tp(int(name[1:])): Stored(50, at + 9, at) for name, at in first.items()})


def gone(now: float, **facts) -> Seen:
    """The kernel has ended it, and the broker does not know it any more."""
    return Seen(now, KILLED + 0.004, members={"m-8", "m-9"}, **facts)


OWNERS = {"worker_01": beat(8, 101.0, 0, 3), "worker_02": beat(9, 101.1, 1)}
RESUMED = {"worker_01": stored(8, p0=101.2), "worker_02": stored(9, p1=101.5)}


def times(found: KillStory) -> list[tuple[str, float | None]]:
    return [(type(step).__name__, step.seconds and round(step.seconds, 3)) for step in found.steps]


def test_each_step_is_told_once_and_as_soon_as_it_is_known():
    told = story()
    assert told.observe(Seen(100.001)) == []
    assert told.observe(Seen(100.01, 100.004)) == [Died(pytest.approx(0.004), 7, tps(0, 1))]
    assert told.observe(Seen(100.1, 100.004, evicted=100.02)) == [Evicted(pytest.approx(0.02), Evictor.WATCHDOG)]
    seen = Seen(101.2, 100.004, OWNERS, evicted=100.02)
    assert told.observe(seen) == [
        TakenOver(pytest.approx(1.1), {"worker_01": tps(0), "worker_02": tps(1)}),
    ]
    (again,) = told.observe(seen._replace(now=101.7, progress=RESUMED))
    assert again == StoredAgain(
        pytest.approx(1.5), {tp(0): (pytest.approx(1.2), "worker_01"), tp(1): (pytest.approx(1.5), "worker_02")}
    )
    assert not told.complete
    back = OWNERS | {"worker_00": beat(20, 103.5, 0)}
    assert told.observe(seen._replace(now=103.6, beats=back)) == [Back(3.5, "worker_00", 20, tps(0))]
    assert told.complete
    assert told.observe(seen._replace(now=104.0, beats=back)) == []


def test_what_is_learned_late_has_the_time_at_which_it_happened():
    told = story()
    told.observe(Seen(107.0, 100.004, OWNERS | {"worker_00": beat(20, 103.5)}, RESUMED, evicted=100.02))

    assert times(told) == [("Died", 0.004), ("Evicted", 0.02), ("TakenOver", 1.1), ("StoredAgain", 1.5), ("Back", 3.5)]


def test_a_partition_that_moved_on_counts_for_whom_it_was_assigned_to_first():
    told = story()
    told.observe(Seen(101.1, 100.004, {"worker_01": beat(8, 101.0, 0)}, {"worker_01": stored(8, p0=101.05)}, 100.02))
    told.observe(
        Seen(103.0, 100.004, {"worker_00": beat(20, 102.0, 0, 1)}, {"worker_00": stored(20, p0=102.5, p1=102.6)})
    )

    assert told.steps[2] == TakenOver(2.0, {"worker_01": tps(0), "worker_00": tps(1)})
    assert told.steps[3].first[tp(0)] == (pytest.approx(1.05), "worker_01")


def test_an_assignment_of_before_the_kill_takes_nothing_over():
    told = story()
    told.observe(Seen(101.0, 100.004, {"worker_01": beat(8, 99.0, 0, 1), "worker_00": LAST}, evicted=100.02))

    assert not told.has(TakenOver)


def test_without_a_watchdog_the_successor_has_evicted_it():
    told = story(watched=False)
    told.observe(gone(102.6, beats={"worker_00": beat(20, None)}))

    assert told.steps[1] == Evicted(pytest.approx(2.6), Evictor.SUCCESSOR, exact=False)


def test_without_anybody_the_session_timeout_ends():
    told = story(watched=False)
    told.observe(Seen(105.0, 100.004, members={"m-7", "m-8"}))
    assert not told.has(Evicted)
    told.observe(gone(109.4))

    assert told.steps[1] == Evicted(pytest.approx(9.4), Evictor.SESSION_TIMEOUT, exact=False)


def test_the_event_of_the_watchdog_may_come_a_moment_after_the_broker_has_forgotten_the_member():
    told = story()
    told.observe(gone(100.3))
    assert not told.has(Evicted)
    told.observe(gone(100.6, evicted=100.25))
    assert told.steps[1] == Evicted(pytest.approx(0.25), Evictor.WATCHDOG)

    late = story()
    late.observe(gone(100.3))
    late.observe(gone(100.3 + EVENT_SECONDS, beats={"worker_00": beat(20, None)}))
    assert late.steps[1].by is Evictor.SUCCESSOR


def test_while_kafka_tells_nothing_an_eviction_follows_from_the_takeover():
    told = story()
    told.observe(Seen(101.2, 100.004, OWNERS))
    assert not told.has(Evicted)
    told.observe(Seen(101.2 + EVENT_SECONDS, 100.004, OWNERS))

    assert told.steps[1] == Evicted(None, Evictor.UNKNOWN)
    assert told.has(TakenOver)


def test_of_a_member_that_is_not_known_nothing_is_claimed():
    told = story(replace(LAST, member_id=None))
    told.observe(gone(100.1))
    told.observe(gone(109.0))

    assert not told.has(Evicted)


STATIC = replace(LAST, static=True)


def test_a_static_member_is_evicted_by_nobody_and_comes_back_to_its_place():
    told = story(STATIC)
    told.observe(gone(101.0))
    assert not told.has(Evicted)
    told.observe(
        gone(102.0, beats={"worker_00": beat(20, 101.8, 0, 1)}, progress={"worker_00": stored(20, p0=102, p1=102)})
    )

    assert told.steps[1] == Evicted(None, Evictor.NOBODY)
    assert told.steps[2] == TakenOver(pytest.approx(1.8), {"worker_00": tps(0, 1)})
    assert told.complete


def test_a_static_member_that_stays_away_loses_its_place_to_the_session_timeout():
    told = story(STATIC)
    told.observe(gone(110.5))
    told.observe(gone(111.2, beats=OWNERS))

    assert told.steps[1] == Evicted(pytest.approx(10.5), Evictor.SESSION_TIMEOUT, exact=False)


def test_partitions_in_which_nothing_waits_are_not_waited_for():
    told = story()
    seen = Seen(101.3, 100.004, OWNERS, {"worker_01": stored(8, p0=101.2)}, 100.02, lag=(101.15, {tp(0): 0, tp(1): 0}))
    told.observe(seen)
    assert not told.has(StoredAgain)
    told.observe(seen._replace(now=101.15 + WRITTEN_SECONDS))

    assert told.steps[3] == StoredAgain(pytest.approx(1.2), {tp(0): (pytest.approx(1.2), "worker_01")}, tps(1))


@pytest.mark.parametrize("lag", [{tp(0): 0, tp(1): 4}, {tp(0): 0}], ids=["some wait", "Kafka does not answer for it"])
def test_partitions_in_which_records_wait_are_waited_for(lag):
    told = story()
    told.observe(Seen(109.0, 100.004, OWNERS, {"worker_01": stored(8, p0=101.2)}, 100.02, lag=(105.0, lag)))

    assert not told.has(StoredAgain)
    assert told.waits_for(109.0) == "waiting for the first record of 1"


def test_a_lag_of_before_the_takeover_says_nothing():
    told = story()
    told.observe(Seen(109.0, 100.004, OWNERS, {}, 100.02, lag=(100.5, {tp(0): 0, tp(1): 0})))

    assert not told.has(StoredAgain)


def test_an_idle_worker_leaves_nothing_to_take_over():
    told = story(replace(LAST, partitions=()))
    told.observe(Seen(104.0, 100.004, {"worker_00": beat(20, 103.0)}, evicted=100.02))

    assert times(told) == [("Died", 0.004), ("Evicted", 0.02), ("Back", 3.0)]
    assert told.complete


def test_the_only_worker_takes_over_from_itself():
    told = story()
    told.observe(
        Seen(104.0, 100.004, {"worker_00": beat(20, 103.0, 0, 1)}, {"worker_00": stored(20, p0=103.2, p1=103.3)}, 100.1)
    )

    assert times(told)[2:] == [("TakenOver", 3.0), ("StoredAgain", 3.3), ("Back", 3.0)]


def test_another_worker_may_die_meanwhile():
    """It had taken partition 1 over, and stored nothing of it."""
    told = story()
    told.observe(Seen(101.2, 100.004, OWNERS, {"worker_01": stored(8, p0=101.2)}, 100.02))
    beats = {"worker_01": beat(8, 103.0, 0, 1), "worker_02": beat(30, None)}
    told.observe(Seen(103.5, 100.004, beats, {"worker_01": stored(8, p0=103.1, p1=103.2)}))

    assert told.steps[3].first == {tp(0): (pytest.approx(1.2), "worker_01"), tp(1): (pytest.approx(3.2), "worker_01")}


def test_partitions_that_go_to_another_host_are_known_by_kafka_only():
    told = story()
    owners = {tp(0): ("m-8", "worker_01 at h"), tp(1): ("m-50", "worker_05 at 10.0.0.7")}
    beats = {"worker_01": beat(8, 101.0, 0, member_id="m-8")}
    seen = Seen(101.1, 100.004, beats, {"worker_01": stored(8, p0=101.2)}, 100.02, owners=owners)
    told.observe(seen)
    told.observe(seen._replace(now=101.1 + EVENT_SECONDS - 0.1))
    assert not told.has(TakenOver), "it may be one of this host, that has not told its new member id yet"
    told.observe(seen._replace(now=101.1 + EVENT_SECONDS))

    assert told.steps[2] == TakenOver(pytest.approx(1.1), {"worker_01": tps(0), "worker_05 at 10.0.0.7": tps(1)})
    assert told.steps[3] == StoredAgain(pytest.approx(1.2), {tp(0): (pytest.approx(1.2), "worker_01")}, (), tps(1))


def test_one_of_this_host_that_tells_its_new_member_id_late_is_no_other_host():
    told = story()
    owners = {tp(0): ("m-8", "worker_01 at h"), tp(1): ("m-9b", "worker_02 at h")}
    beats = {"worker_01": beat(8, 101.0, 0, member_id="m-8"), "worker_02": beat(9, 90.0, member_id="m-9")}
    told.observe(Seen(101.1, 100.004, beats, evicted=100.02, owners=owners))
    beats["worker_02"] = beat(9, 101.05, 1, member_id="m-9b")
    told.observe(Seen(105.0, 100.004, beats, owners=owners))

    assert told.steps[2] == TakenOver(pytest.approx(1.05), {"worker_01": tps(0), "worker_02": tps(1)})


def test_what_is_waited_for_is_said():
    told = story()
    assert told.waits_for(100.0) == "waiting for the end of pid 7"
    told.observe(Seen(100.1, 100.004))
    assert told.waits_for(100.1) == "waiting until the group has removed worker_00"
    told.observe(Seen(100.2, 100.004, evicted=100.02))
    assert told.waits_for(100.2) == "0-1 wait for their new owners"
    told.observe(Seen(102.0, 100.004, OWNERS, RESUMED))
    assert told.waits_for(102.0) == "worker_00 starts again"
    backoff = beat(20, None, state=State.CRASH_LOOP_BACKOFF, until=106.0)
    told.observe(Seen(102.1, 100.004, OWNERS | {"worker_00": backoff}, RESUMED))
    assert told.waits_for(102.1) == "worker_00 backs off for 4 s: it was killed often (crash-loop backoff)"
    told.observe(Seen(107.0, 100.004, OWNERS | {"worker_00": beat(20, 106.5, 0)}, RESUMED))
    assert told.steps[-1] == Back(6.5, "worker_00", 20, tps(0), backed_off=True)
