"""A night in which the database rests: a real fleet is paused under load, killed, restarted, resumed, and reads no faster
than it may. Nothing is written meanwhile, nobody is killed for it, and every record is there in the end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import exactly_once, progress
from workers.state.pause_file import pause_file

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PARTITIONS = 4
PROGRESS_SECONDS = 5
FLEET_RATE = 600
RECORDS = 12_000
REASON = "backup of the database"
SETTINGS = {
    "WORKERS_WRITE_TIMEOUT": "2",
    "WORKERS_COMMIT_TIMEOUT": "2",
    "WORKERS_PROGRESS_TIMEOUT": str(PROGRESS_SECONDS),
    "WORKERS_LAG_INTERVAL": "1",
    # Small batches, so that it is paused in the middle of the load.
    "WORKERS_MAX_POLL_RECORDS": "20",
}


@pytest.fixture
def fleet(stack: EmbeddedStack) -> Iterator[Fleet]:
    with Fleet(stack, SETTINGS) as fleet:
        fleet.kafka.create(PARTITIONS)
        fleet.wait_assigned(PARTITIONS)
        yield fleet


def watched_for(fleet: Fleet, seconds: float) -> None:
    """Until the watchdog has looked so long: by its own clock."""
    until, name = time.time() + seconds, "workers_watchdog_last_event_timestamp_seconds"
    wait_until(
        lambda: scrape.total(scrape.metrics(fleet.watchdog_port), name) > until, 5 * seconds, "the watchdog looked"
    )


def states(fleet: Fleet) -> tuple[int, dict[str, Any]]:
    ran = fleet.command("status", "--json")
    return ran.returncode, json.loads(ran.stdout)


def is_paused_everywhere(fleet: Fleet) -> bool:
    code, found = states(fleet)
    return code == 0 and {slot["state"] for slot in found["slots"]} <= {"paused", "idle"}


def test_a_night_in_which_the_database_rests(fleet: Fleet) -> None:
    producing = fleet.producing("--count", str(RECORDS), "--interval", "0.0005")
    wait_until(lambda: progress(fleet) > 200, 60, "the fleet is at work")

    paused = fleet.command("pause", "--because", REASON)
    resting = len(fleet.documents())
    assert (paused.returncode, paused.stderr) == (0, ""), paused.stderr
    assert "in force: 4 of 4 workers; nothing of it is in flight" in paused.stdout
    producing.communicate(timeout=120)
    ends, committed = fleet.kafka.ends(), fleet.kafka.committed()
    assert sum(ends.values()) == RECORDS
    assert resting == sum(committed.values()) < RECORDS, "what was in flight is stored and committed"

    # A worker is killed; the watchdog looks for longer than any standstill may last.
    old = fleet.kill(1)
    fleet.wait_restarted(1, old)
    fleet.wait_assigned(PARTITIONS)
    watched_for(fleet, 2.5 * PROGRESS_SECONDS)
    wait_until(lambda: is_paused_everywhere(fleet), 30, "all of them say so")
    assert [event for event in fleet.events() if event["event"] == "stalled"] == []
    _, found = states(fleet)
    assert REASON in found["verdict"]["text"]
    assert [each["because"] for each in found["pauses"]] == [REASON]
    series = scrape.metrics(fleet.lag_port)
    assert scrape.total(series, "workers_lag_partition_paused") == PARTITIONS
    assert fleet.total("workers_partition_paused") == PARTITIONS
    assert [fleet.page(slot, "/readyz")[0] for slot in fleet.slots()] == [200] * 4
    assert (len(fleet.documents()), fleet.kafka.committed()) == (resting, committed)

    # Whoever would wait for ever is told at once.
    began = time.monotonic()
    verified = fleet.command("verify", "--wait", "300")
    assert verified.returncode == 1, "pending, with --wait"
    assert f"not waiting for {RECORDS - resting:,} offsets: everything is paused since" in verified.stderr
    assert "of the pending records wait: everything is paused since" in verified.stdout
    for command in (("kill", "0"), ("chaos", "--allow", fleet.environment["WORKERS_BOOTSTRAP_SERVERS"])):
        refused = fleet.command(*command)
        assert refused.returncode == 69
        assert "everything is paused since" in refused.stderr
    assert time.monotonic() - began < 60
    nobody = fleet.command("pause", "--topic", "nobodys", "--because", "x")
    assert (nobody.returncode, f"there are {fleet.topic}" in nobody.stderr) == (64, True)
    nowhere = fleet.command("pause", "--partition", "4", "--because", "x")
    assert (nowhere.returncode, "has no partition 4; it has 0 to 3" in nowhere.stderr) == (64, True)

    # All of it is started anew, with a limit; the pause is in force all the same.
    fleet.stop()
    fleet.environment |= {"WORKERS_MAX_FLEET_RATE": str(FLEET_RATE), "WORKERS_MAX_POLL_RECORDS": "5000"}
    fleet.start()
    fleet.wait_assigned(PARTITIONS)
    wait_until(lambda: is_paused_everywhere(fleet), 30, "all of them say so")
    assert len(fleet.documents()) == resting
    assert pause_file(fleet.tree / "var/run", fleet.group).exists()

    resumed = fleet.command("resume")
    assert (resumed.returncode, "resumed everything, paused since" in resumed.stdout) == (0, True)
    wait_until(lambda: progress(fleet) > resting + FLEET_RATE, 60, "it goes on")
    code, found = states(fleet)
    assert code == 0
    assert {slot["limited_by"] for slot in found["slots"]} == {"WORKERS_MAX_FLEET_RATE"}
    assert rate_over(fleet, 6) == pytest.approx(FLEET_RATE, rel=0.06)
    assert fleet.total("workers_rate_limited_seconds_total") > 0

    fleet.wait_committed(60)
    assert exactly_once(fleet) == set(range(RECORDS))
    assert fleet.verify().code == 0
    kinds = [event["event"] for event in fleet.events()]
    assert (kinds.count("stalled"), kinds.count("resumed")) == (0, 1)
    assert 1 <= kinds.count("paused") <= 2, "told again to those who look at the events of the new fleet"
    logs = fleet.logs()
    assert logs.count(f"because='{REASON}'") + logs.count(f'because="{REASON}"') >= 8, "each told it, in both its lives"
    assert "level=error" not in logs


def rate_over(fleet: Fleet, seconds: float) -> float:
    """Records a second that are stored, by the workers' counters."""
    began, before = time.monotonic(), fleet.total("workers_records_total")
    wait_until(lambda: time.monotonic() - began > seconds, 2 * seconds, "the time is over")
    after, ended = fleet.total("workers_records_total"), time.monotonic()
    return (after - before) / (ended - began)
