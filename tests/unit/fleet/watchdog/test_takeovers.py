"""A takeover lasts from the end of a process until each of its partitions has another owner."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.batches import tps
from workers.fleet.watchdog.takeovers import Takeovers
from workers.state.heartbeat import Beat, State

DEAD = Beat(pid=7, started=70, state=State.READING, iterated=99.9, assigned=50.0, partitions=tps(0, 1, 2))


def owner(pid: int, assigned: float, *partitions: int) -> Beat:
    return Beat(pid=pid, started=pid * 10, assigned=assigned, partitions=tps(*partitions))


def died(last: Beat = DEAD, at: float = 100.0) -> Takeovers:
    takeovers = Takeovers()
    takeovers.died("worker_00", last, at)
    return takeovers


def test_it_is_complete_when_the_last_partition_has_an_owner():
    takeovers = died()
    assert takeovers.observe({"worker_00": DEAD}, 100.1) == []
    assert takeovers.observe({"worker_01": owner(8, 101.0, 0, 1)}, 101.0) == []
    (done,) = takeovers.observe({"worker_01": owner(8, 101.0, 0, 1), "worker_02": owner(9, 101.2, 2, 5)}, 101.3)
    assert (done.process, done.pid, done.died, done.completed) == ("worker_00", 7, 100.0, 101.2)
    assert done.owners == {"worker_01": list(tps(0, 1)), "worker_02": list(tps(2))}
    assert len(takeovers) == 0


def test_partitions_that_move_on_meanwhile_were_taken_over_all_the_same():
    """The worker that is started again joins a second after the others have taken over."""
    takeovers = died()
    takeovers.observe({"worker_01": owner(8, 101.0, 0, 1)}, 101.0)
    (done,) = takeovers.observe({"worker_00": owner(10, 102.0, 0, 1, 2)}, 102.0)
    assert done.owners == {"worker_01": list(tps(0, 1)), "worker_00": list(tps(2))}


def test_an_owner_of_before_is_none():
    takeovers = died()
    assert takeovers.observe({"worker_01": owner(8, 60.0, 0, 1, 2)}, 100.1) == []
    assert len(takeovers) == 1


@pytest.mark.parametrize(
    "last",
    [replace(DEAD, state=State.STOPPING), replace(DEAD, partitions=())],
    ids=["it stopped cleanly", "it owned nothing"],
)
def test_where_nothing_is_taken_over_nothing_is_told(last):
    assert len(died(last)) == 0


def test_one_that_hung_and_had_lost_its_partitions_before_it_was_killed_is_not_told():
    takeovers = died(replace(DEAD, iterated=60.0))
    assert takeovers.observe({"worker_01": owner(8, 75.0, 0, 1, 2)}, 100.1) == []
    assert len(takeovers) == 0


def test_one_that_never_ends_is_forgotten():
    takeovers = died()
    takeovers.observe({}, 800.0)
    assert len(takeovers) == 0
