"""What supervisord does not see: a worker that stands still, one that crashes whenever it starts, and its own death."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from tests.support import faulty_worker
from tests.support.embedded import REPOSITORY, EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, member, progress
from tests.support.user import acknowledged
from workers.state.heartbeat import Beat, State, read_beat

pytestmark = pytest.mark.acceptance

SETTINGS = {
    "WORKERS_MAX_POLL_RECORDS": "100",
    "WORKERS_WRITE_TIMEOUT": "2",
    "WORKERS_COMMIT_TIMEOUT": "1",
    "WORKERS_HEALTHY_AFTER": "3",
}
HANGS, CRASHES = 0, 1
CRASHES_SEEN = 5
"""The fourth to sixth start wait: one second, two, four, each at least half of it."""


@pytest.fixture(scope="module")
def fleet(stack: EmbeddedStack) -> Iterator[Fleet]:
    """Of workers that fail where they are told to. Each test leaves it whole."""
    fleet = Fleet(stack, SETTINGS)
    wrapper = fleet.tree / "bin/faulty"
    wrapper.write_text(
        f"#!{sys.executable}\nimport runpy\nrunpy.run_path({faulty_worker.__file__!r}, run_name='__main__')\n"
    )
    wrapper.chmod(0o755)
    fleet.environment |= {"WORKERS_PYTHON": str(wrapper), "PYTHONPATH": str(REPOSITORY)}
    with fleet:
        fleet.kafka.create(6)
        fleet.wait_assigned(6)
        yield fleet


def state_file(fleet: Fleet, slot: int, kind: str) -> Path:
    return fleet.tree / f"var/run/{fleet.group}-worker_{slot:02d}.{kind}"


def beat(fleet: Fleet, slot: int) -> Beat:
    found = read_beat(state_file(fleet, slot, "heartbeat"))
    assert found is not None
    return found


def owned_by_others(fleet: Fleet, slot: int) -> list[int]:
    members = fleet.kafka.members().items()
    return sorted(
        partition for name, owns in members if not name.startswith(f"worker_{slot:02d} ") for partition in owns
    )


def break_slot(fleet: Fleet, slot: int, fault: str) -> Path:
    file = fleet.tree / f"var/run/fault-{slot}"
    file.write_text(fault)
    return file


def times(log: str, event: str) -> list[datetime]:
    return [datetime.fromisoformat(each) for each in re.findall(rf'timestamp=(\S+) .*event="?{event}', log)]


def test_what_a_worker_says_of_itself_is_what_it_does(fleet: Fleet) -> None:
    for slot in fleet.slots():
        said = beat(fleet, slot)
        assert (said.pid, said.state, said.is_alive()) == (fleet.pid(slot), State.READING, True)
    owned = sorted(partition.partition for slot in fleet.slots() for partition in beat(fleet, slot).partitions)
    assert owned == list(range(6))


def test_a_hang_with_the_interpreters_lock_held_is_ended_and_nothing_is_lost(fleet: Fleet) -> None:
    old = fleet.pid(HANGS)
    before, stored = progress(fleet), exactly_once(fleet)
    fault = break_slot(fleet, HANGS, "hang")
    fleet.produce("--count", "3000")
    wait_until(lambda: not fault.exists(), 20, "it hangs")
    fleet.wait_restarted(HANGS, old)

    assert "exited: worker_00 (exit status 75; not expected)" in fleet.said()
    assert "faulty_worker.py" in fleet.log(HANGS).partition("Timeout (")[2], "the stacks are not in the log"
    assert "in run_forever" in fleet.log(HANGS), "nor are those of the other threads"
    fleet.wait_committed()
    assert progress(fleet) == before + 3000
    assert exactly_once(fleet) == stored | set(range(3000))
    fleet.wait_assigned(6)


@pytest.mark.slow
def test_a_worker_that_crashes_whenever_it_has_joined_is_held_back(fleet: Fleet) -> None:
    wait_until(lambda: state_file(fleet, CRASHES, "starts").read_text() == "0\n", 20, "it has been healthy")
    said = len(fleet.log(CRASHES))
    fault = break_slot(fleet, CRASHES, "crash")
    wait_until(lambda: fleet.log(CRASHES).count('event="crash-loop backoff') == CRASHES_SEEN - 2, 60, "it is held back")
    log = fleet.log(CRASHES)[said:]

    # The others have its partitions meanwhile, and it says until when.
    wait_until(lambda: beat(fleet, CRASHES).state is State.CRASH_LOOP_BACKOFF, 10, "it says that it waits")
    until, since = beat(fleet, CRASHES).until, beat(fleet, CRASHES).since
    assert until is not None
    assert 2 <= until - since <= 4
    wait_until(lambda: owned_by_others(fleet, CRASHES) == list(range(6)), 10, "the others have its partitions")
    assert fleet.page(CRASHES, "/healthz")[0] == 200

    # One rebalance a start, and no start before the brake allows it.
    starts, joins = times(log, "started"), times(log, "partitions assigned")
    waits = [float(each) for each in re.findall(r'event="crash-loop backoff.* seconds=(\S+)', log)]
    assert len(starts) == CRASHES_SEEN
    assert len(joins) == len(starts) - 1
    assert [bool(0.5 * 2**n <= wait <= 2**n) for n, wait in enumerate(waits)] == [True] * len(waits)
    for start, join, wait in zip(starts[2:], joins[2:], waits, strict=False):
        assert (join - start).total_seconds() >= wait - 0.1

    # A stop ends the wait, and is a fresh start.
    braked = fleet.kill(CRASHES, signal.SIGTERM)
    fault.unlink()
    fleet.wait_restarted(CRASHES, braked)
    assert "event=stopped reason=SIGTERM" in fleet.log(CRASHES)[said:]
    assert beat(fleet, CRASHES).state is not State.CRASH_LOOP_BACKOFF
    fleet.wait_assigned(6)
    wait_until(lambda: state_file(fleet, CRASHES, "starts").read_text() == "0\n", 20, "it is healthy")
    fleet.produce("--start", "3000", "--count", "500")
    fleet.wait_committed()
    assert fleet.verify().code == 0


def test_workers_whose_supervisord_is_killed_finish_and_a_new_fleet_goes_on(fleet: Fleet) -> None:
    redelivered, taken_over = fleet.redelivered(), fleet.logs().count("took over from the predecessor")
    old = [member(fleet, slot) for slot in fleet.slots()]
    committed, stored = progress(fleet), exactly_once(fleet)
    producing = fleet.producing("--start", "3500", "--count", "6000", "--interval", "0.0002")
    wait_until(lambda: progress(fleet) >= committed + 1000, 60, "it is under load")
    orphans = fleet.kill_supervisord()
    fleet.start()
    _, alive = psutil.wait_procs(orphans, timeout=20)
    assert alive == []
    acknowledged(producing)
    fleet.wait_committed()
    fleet.wait_assigned(6)

    # What the orphans say nobody writes down; that they left the group is what their successors found.
    assert fleet.logs().count("took over from the predecessor") == taken_over
    assert not set(old) & set(fleet.kafka.members())
    assert fleet.redelivered() == redelivered, "they did not finish what they had in hand"
    assert exactly_once(fleet) == stored | set(range(3500, 9500))
    assert fleet.verify().code == 0
