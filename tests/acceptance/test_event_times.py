"""Events tell when a thing happened, and a takeover how long it took: compared with the test's own clock."""

from __future__ import annotations

import os
import re
import signal
import time
from datetime import datetime
from typing import Any

import pytest

from tests.support.embedded import wait_until
from tests.support.fleet import Fleet
from tests.support.shared_fleet import PARTITIONS
from workers.state.heartbeat import read_beat
from workers.state.proc import kernel_state, process_started, uptime

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

EXACT_SECONDS = 0.5
KERNEL_SECONDS = 0.1
DEAF_SECONDS = 4


def happened(fleet: Fleet, event: str, after: float, process: str | None = None) -> list[dict[str, Any]]:
    found = [each for each in fleet.events() if each["event"] == event and process in (None, each.get("process"))]
    return [each for each in found if at(each) >= after - 1]


def at(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def started_at(pid: int | None) -> float:
    """Finer than psutil, which knows the boot of the machine in whole seconds."""
    seconds = uptime(process_started(pid or 0) or 0)
    assert seconds
    return time.time() - seconds


def all_owned(fleet: Fleet, dead: int) -> bool:
    """Whether every partition has an owner besides the process that is dead: another worker, or, where the rebalance takes
    longer than a start of Python, its next process. By the heartbeats: three scrapes would take too long to tell when."""
    beats = [read_beat(fleet.tree / f"var/run/{fleet.group}-worker_{slot:02d}.heartbeat") for slot in fleet.slots()]
    return len({owned for beat in beats if beat and beat.pid != dead for owned in beat.partitions}) == PARTITIONS


def assert_in_order(fleet: Fleet) -> None:
    times = [each["time"] for each in fleet.events()]
    assert times == sorted(times)


def test_a_kill_a_start_and_a_takeover_are_told_as_they_were(running_fleet: Fleet) -> None:
    fleet = running_fleet
    killed = time.time()
    old = fleet.kill(1)
    wait_until(lambda: all_owned(fleet, old), 30, "its partitions have owners again")
    taken = time.time()
    fleet.wait_restarted(1, old)
    started = started_at(fleet.pid(1))

    (took,) = wait_until(lambda: happened(fleet, "taken_over", killed, "worker_01"), 30, "the takeover is told")
    assert took["pid"] == old
    assert abs(took["seconds"] - (taken - killed)) < EXACT_SECONDS
    assert abs(at(took) - taken) < EXACT_SECONDS
    assert sum(len(owned[fleet.topic]) for owned in took["partitions"].values()) in (1, 2)
    (ended,) = happened(fleet, "exited", killed, "worker_01")
    assert (ended["pid"], abs(at(ended) - killed) < EXACT_SECONDS) == (old, True)
    (began,) = wait_until(lambda: happened(fleet, "starting", killed, "worker_01"), 30, "its start is told")
    assert abs(at(began) - started) < KERNEL_SECONDS

    fleet.wait_assigned(PARTITIONS)
    moved = wait_until(
        lambda: [each for each in happened(fleet, "rebalanced", killed) if at(each) >= at(took)], 30, "it is told"
    )
    assert at(moved[-1]) <= time.time()
    assert_in_order(fleet)
    assert re.search(rf"taken over by 0\d.*\(\+{took['seconds']:.2f} s\)", fleet.command("status").stdout)


def test_what_is_read_late_has_the_time_at_which_it_happened(running_fleet: Fleet) -> None:
    """By a watchdog that is stopped, as one that is starting or starved."""
    fleet = running_fleet
    watchdog = fleet.supervisor("getProcessInfo", "watchdog")["pid"]
    os.kill(watchdog, signal.SIGSTOP)
    try:
        wait_until(lambda: kernel_state(watchdog) == "T", 10, "the watchdog is stopped")
        killed = time.time()
        old = fleet.kill(2)
        fleet.wait_restarted(2, old)
        started = started_at(fleet.pid(2))
        wait_until(lambda: time.time() > killed + DEAF_SECONDS, 10, "it is late")
    finally:
        os.kill(watchdog, signal.SIGCONT)
    (ended,) = wait_until(lambda: happened(fleet, "exited", killed, "worker_02"), 30, "its end is told")
    (began,) = wait_until(lambda: happened(fleet, "starting", killed, "worker_02"), 30, "its start is told")
    assert killed - KERNEL_SECONDS <= at(ended) <= at(began)
    assert abs(at(began) - started) < KERNEL_SECONDS
    (ran,) = wait_until(lambda: happened(fleet, "running", killed, "worker_02"), 30, "it is told to run")
    assert abs(at(ran) - (started + 2)) < 1.5
    fleet.wait_assigned(PARTITIONS)
    assert_in_order(fleet)


def test_the_start_of_a_fleet_is_told_as_it_was(running_fleet: Fleet) -> None:
    """Its events wait for the watchdog, which takes longest to start."""
    first = {each["process"]: each for each in reversed(running_fleet.events()) if each["event"] == "starting"}
    assert first.keys() >= {"lag", "watchdog", "worker_00"}
    lag = started_at(running_fleet.supervisor("getProcessInfo", "lag")["pid"])
    assert abs(at(first["lag"]) - lag) < KERNEL_SECONDS
    (fleet_started,) = [each for each in running_fleet.events() if each["event"] == "fleet_started"]
    assert abs(at(fleet_started) - started_at(running_fleet.supervisord_pid())) < KERNEL_SECONDS


def test_a_watchdog_that_is_started_again_tells_no_rebalance_that_was_told(running_fleet: Fleet) -> None:
    fleet = running_fleet
    wait_until(lambda: len(happened(fleet, "rebalanced", 0)) >= 1, 30, "a rebalance is told")
    old = fleet.supervisor("getProcessInfo", "watchdog")["pid"]
    before = fleet.events()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: fleet.supervisor("getProcessInfo", "watchdog")["pid"] not in (0, old), 30, "it is back")
    since = time.time()
    wait_until(lambda: happened(fleet, "running", since, "watchdog"), 30, "it listens")
    # Two rounds of its checks.
    wait_until(lambda: time.time() > since + 8, 20, "it has looked")
    told = [each["event"] for each in fleet.events()[len(before) :]]
    assert "rebalanced" not in told
    assert_in_order(fleet)
