"""The watchdog on a real fleet: who hangs is killed and comes back, who is dead is put out, who waits is left alone, and
no event is missed, whatever becomes of the watchdog."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, member
from tests.support.proxy import Proxy
from workers.state.event_log import count_starts
from workers.state.proc import kernel_state

pytestmark = pytest.mark.acceptance

PARTITIONS = 6
PROGRESS_SECONDS = 8
SETTINGS = {
    # Nobody who is owned by a dead worker is waited for: it has to be put out.
    "WORKERS_SESSION_TIMEOUT": "300",
    "WORKERS_WRITE_TIMEOUT": "3",
    "WORKERS_COMMIT_TIMEOUT": "2",
    "WORKERS_PROGRESS_TIMEOUT": str(PROGRESS_SECONDS),
}
WEDGE = """
import os, threading, time

def wedge():
    while not os.path.exists(os.environ["WEDGE"]):
        # Looks for the test's sign, from a process that nobody can call.
        time.sleep(0.05)
    import kafka
    # A poll that finds nothing takes its time, or the worker would not hang but spin.
    kafka.KafkaConsumer.poll = lambda self, timeout_ms=0, **_: time.sleep(timeout_ms / 1000) or {}
    os.unlink(os.environ["WEDGE"])

if os.environ.get("WORKERS_SLOT") == "2":
    threading.Thread(target=wedge, daemon=True).start()
"""
"""As in kafka-python#1463: a client that fetches nothing any more, in a worker that is alive and in the group."""
BURST = 50
FLICKER = "[program:flicker]\ncommand=/bin/true\nautostart=false\nautorestart=false\nstartsecs=0\n"


@pytest.fixture(scope="module")
def database(stack: EmbeddedStack) -> Iterator[Proxy]:
    with Proxy(stack.mongodb_port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def fleet(stack: EmbeddedStack, database: Proxy) -> Iterator[Fleet]:
    fleet = Fleet(stack, {**SETTINGS, "WORKERS_MONGODB_URI": f"mongodb://{database.address}"})
    fleet.local_d("flicker", FLICKER)
    (fleet.tree / "site").mkdir()
    (fleet.tree / "site/sitecustomize.py").write_text(WEDGE)
    fleet.environment |= {"PYTHONPATH": str(fleet.tree / "site"), "WEDGE": str(fleet.tree / "wedge")}
    with fleet:
        fleet.kafka.create(PARTITIONS)
        fleet.wait_assigned(PARTITIONS)
        wait_until(lambda: happened(fleet, "fleet_started"), 30, "the watchdog listens")
        yield fleet


def happened(fleet: Fleet, event: str, /, **facts: object) -> list[dict[str, Any]]:
    wanted = {"event": event, **facts}
    return [each for each in fleet.events() if all(each.get(key) == value for key, value in wanted.items())]


def counted(fleet: Fleet, name: str, **labels: str) -> float:
    return scrape.total(scrape.metrics(fleet.watchdog_port), name, **labels)


def watch_for(fleet: Fleet, seconds: float) -> None:
    """Until the watchdog has looked that long: by its own clock, so that a slow machine does not spare it."""
    name = "workers_watchdog_last_event_timestamp_seconds"
    until = time.time() + seconds
    wait_until(lambda: counted(fleet, name) > until, seconds * 3, f"the watchdog has looked for {seconds} s")


def watchdog_said(fleet: Fleet) -> str:
    return (fleet.tree / "var/log/watchdog.log").read_text()


def test_workers_that_hang_are_killed_and_come_back(fleet: Fleet) -> None:
    pids = {slot: fleet.pid(slot) for slot in fleet.slots()}
    fleet.produce("--count", "2000")
    fleet.wait_committed()
    (fleet.tree / "wedge").touch()
    wait_until(lambda: not (fleet.tree / "wedge").exists(), 10, "worker 2 fetches nothing any more")
    fleet.kill(1, signal.SIGSTOP)
    fleet.produce("--start", "2000", "--count", "2000")

    wait_until(lambda: happened(fleet, "stalled", kind="stopped", process="worker_01", pid=pids[1]), 60, "1 is killed")
    wait_until(
        lambda: happened(fleet, "stalled", kind="no_progress", process="worker_02", pid=pids[2]), 60, "2 is killed"
    )
    for slot in (1, 2):
        fleet.wait_restarted(slot, pids[slot] or 0)
        assert happened(fleet, "exited", process=f"worker_{slot:02d}", pid=pids[slot], expected=False)
    fleet.wait_committed()
    fleet.wait_assigned(PARTITIONS)
    assert exactly_once(fleet) == set(range(4000))
    assert fleet.verify().code == 0
    # Neither of the idle ones was taken for one that hangs.
    assert [fleet.pid(slot) for slot in (0, 3)] == [pids[0], pids[3]]
    assert len(happened(fleet, "stalled")) == 2
    assert [counted(fleet, "workers_stalls_total", kind=kind) for kind in ("stopped", "no_progress")] == [1, 1]


def test_workers_that_wait_for_the_database_are_left_alone(fleet: Fleet, database: Proxy) -> None:
    pids, stalls = [fleet.pid(slot) for slot in fleet.slots()], len(happened(fleet, "stalled"))
    database.refuse()
    try:
        fleet.produce("--start", "4000", "--count", "2000")
        watch_for(fleet, PROGRESS_SECONDS + 15)
        assert sum(fleet.kafka.ends().values()) > sum(fleet.kafka.committed().values()), "void: nothing waits"
    finally:
        database.heal()
    fleet.wait_committed()
    assert [fleet.pid(slot) for slot in fleet.slots()] == pids
    assert len(happened(fleet, "stalled")) == stalls


def test_a_worker_that_is_not_started_again_is_put_out_of_the_group(fleet: Fleet) -> None:
    state = fleet.tree / "var/run"
    dead = member(fleet, 3)
    evicted = counted(fleet, "workers_evictions_total")
    # Of slots that nobody has: a member that is none, and what a full disk may leave of one.
    for slot, text in ((47, "worker_47-b0c21aea-c9ba-406f-af99-c76c2352ab4e\n"), (48, "\n")):
        (state / f"{fleet.group}-worker_{slot}.member").write_text(text)
    # Stopped, so that it cannot leave by itself; told to end, so that supervisord does not start it again.
    pid = fleet.kill(3, signal.SIGSTOP)
    wait_until(lambda: kernel_state(pid) == "T", 20, "it is stopped")
    fleet.supervisor("stopProcess", "worker:worker_03", False)
    fleet.kill(3)

    wait_until(lambda: dead not in fleet.kafka.members(), 30, "the dead worker is out of the group")
    wait_until(lambda: fleet.kafka.owned() == list(range(PARTITIONS)), 30, "its partitions are owned by others")
    wait_until(lambda: not list(state.glob("*worker_4?.member")), 30, "the files of slots that nobody has are gone")
    wait_until(lambda: happened(fleet, "evicted", process="worker_03"), 30, "it is told")
    assert happened(fleet, "evicted", process="worker_03", member=dead.split()[1])
    assert len(happened(fleet, "evicted")) == counted(fleet, "workers_evictions_total") == evicted + 1

    fleet.supervisor("startProcess", "worker:worker_03")
    fleet.wait_assigned(PARTITIONS)
    last = happened(fleet, "rebalanced")[-1:]
    owners = {slot: fleet.total("workers_assigned_partitions", [slot]) for slot in fleet.slots()}
    wait_until(
        lambda: (
            (last := happened(fleet, "rebalanced")[-1:])
            and {f"worker_{slot:02d}": owns for slot, owns in owners.items()}
            == {name: len(owns.get(fleet.topic, ())) for name, owns in last[0]["partitions"].items()}
        ),
        30,
        f"who owns what is told, and not {last}",
    )


def test_no_event_is_missed_or_told_twice_while_the_watchdog_is_killed(fleet: Fleet) -> None:
    before = count_starts(fleet.tree / "var/log/events.jsonl")
    for number in range(BURST):
        if number % 20 == 5:
            wait_until(lambda: fleet.supervisor("getProcessInfo", "watchdog")["pid"], 30, "the watchdog runs")
            if pid := fleet.supervisor("getProcessInfo", "watchdog")["pid"]:
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not fleet.supervisor("getProcessInfo", "flicker")["pid"], 10, "it has ended")
        fleet.supervisor("startProcess", "flicker", False)
    exits = {"process": "flicker", "expected": "true"}
    wait_until(lambda: counted(fleet, "workers_process_exits_total", **exits) == BURST, 60, "all exits are counted")

    starts = count_starts(fleet.tree / "var/log/events.jsonl")
    assert starts["flicker"] == BURST == counted(fleet, "workers_process_starts_total", process="flicker")
    assert starts["watchdog"] > before["watchdog"]
    for name, count in starts.items():
        assert counted(fleet, "workers_process_starts_total", process=name) == count
    kinds = [each["event"] for each in fleet.events() if each.get("process") == "flicker"]
    assert kinds == ["starting", "running", "exited"] * BURST
    serials = [each["serial"] for each in fleet.events() if "serial" in each]
    assert len(serials) == len(set(serials))
    times = [each["time"] for each in fleet.events()]
    assert times == sorted(times)
    assert len(happened(fleet, "fleet_started")) == 1
    states = scrape.metrics(fleet.watchdog_port)["workers_process_state"]
    assert {labels["process"]: labels["state"] for labels, value in states if value} == {
        "flicker": "exited",
        "auditor": "running",
        "lag": "running",
        "watchdog": "running",
    } | {f"worker_{slot:02d}": "running" for slot in fleet.slots()}


def test_it_ends_with_its_supervisord_and_has_had_nothing_to_complain_of(fleet: Fleet) -> None:
    orphans = fleet.kill_supervisord()
    wait_until(lambda: not any(each.is_running() for each in orphans), 20, "all have ended")
    assert "Traceback" not in watchdog_said(fleet)
    assert "level=error" not in watchdog_said(fleet)
