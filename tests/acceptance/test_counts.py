"""Every number that a command prints, compared with what was done."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.support import scrape
from tests.support.embedded import wait_until
from tests.support.fleet import Fleet
from tests.support.shared_fleet import PARTITIONS

pytestmark = pytest.mark.acceptance

GOOD, BAD = 600, 7


def status(fleet: Fleet) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fleet.command("status", "--json").stdout)
    return found


def ends(fleet: Fleet) -> dict[int, int]:
    return fleet.kafka.ends()


@pytest.mark.slow
def test_what_was_sent_stored_and_refused_is_counted_as_it_was(running_fleet: Fleet) -> None:
    """Of produce, status, verify, lag and the dead letters, after the same records."""
    fleet = running_fleet
    before, records = ends(fleet), {slot["name"]: slot["records"] for slot in status(fleet)["slots"]}
    letters = {slot["name"]: slot["dead_letters"] for slot in status(fleet)["slots"]}
    produced = fleet.produce("--count", str(GOOD))
    (fleet.tree / "lines").write_bytes(b"no json\n" * BAD)
    refused = fleet.produce("--from", "lines")
    fleet.wait_committed()

    after = {partition: end - before.get(partition, 0) for partition, end in ends(fleet).items()}
    assert (produced["acknowledged"], refused["acknowledged"]) == (GOOD, BAD)
    sent = [produced["by_partition"], refused["by_partition"]]
    assert {p: sum(each.get(f"{fleet.topic}-{p}", 0) for each in sent) for p in after} == after
    assert sum(after.values()) == GOOD + BAD

    found = wait_until(
        lambda: (found := status(fleet))["healthy"] and all(s["records"] for s in found["slots"]) and found,
        20,
        "the status is healthy",
    )
    assert sum(slot["records"] - records[slot["name"]] for slot in found["slots"]) == GOOD + BAD
    assert sum(slot["dead_letters"] - letters[slot["name"]] for slot in found["slots"]) == BAD
    assert (found["group"]["lag"], found["group"]["partitions"]) == (0, PARTITIONS)
    assert sorted(owned(found["group"]["members"], fleet.topic)) == list(range(PARTITIONS))
    assert sorted(owned(found["slots"], fleet.topic)) == list(range(PARTITIONS))
    assert "4 of 4 workers running" in found["services"]["supervisord"]["detail"]

    verified = fleet.verify()
    assert (verified.code, verified.total("stored"), verified.total("dead_lettered")) == (0, GOOD, BAD)
    assert {part["partition"]: part["kafka"] for part in verified.report["partitions"]} == {
        partition: count for partition, count in after.items() if count
    } | {part["partition"]: 0 for part in verified.report["partitions"] if not after.get(part["partition"])}

    def of_lag(name: str) -> dict[int, float]:
        series = scrape.metrics(fleet.lag_port).get(name, [])
        return {int(labels["partition"]): value for labels, value in series}

    committed = fleet.kafka.committed()
    wait_until(lambda: of_lag("kafka_consumergroup_current_offset") == committed, 20, "lag has looked again")
    assert set(of_lag("kafka_consumergroup_lag").values()) == {0}

    listed = fleet.command("dead-letters", "list", "--json").stdout.splitlines()
    assert len(listed) == len(fleet.dead_letters()) == BAD
    assert (
        fleet.command("dead-letters", "list", "--limit", "3").stdout.splitlines()[-1]
        == f"3 of {BAD}; --limit shows more"
    )
    replayed = fleet.command("dead-letters", "replay", "--all")
    assert (replayed.returncode, replayed.stdout.splitlines()[-1]) == (1, f"0 are stored, {BAD} fail again")
    assert {each["attempts"] for each in fleet.dead_letters()} == {2}
    assert fleet.command("dead-letters", "purge", "--all", "--yes").stdout.startswith(
        f"{BAD} dead letters were purged: "
    )
    assert fleet.command("dead-letters", "purge", "--all", "--yes").stdout.strip().endswith(f"{BAD} were purged before")


@pytest.mark.slow
def test_restarts_uptimes_and_rates_are_those_of_the_processes(running_fleet: Fleet) -> None:
    fleet = running_fleet
    restarts = {slot["name"]: slot["restarts"] for slot in status(fleet)["slots"]}
    killed = time.monotonic()
    fleet.wait_restarted(3, fleet.kill(3))
    fleet.wait_assigned(PARTITIONS)
    # From another folder, with the tree named: the same fleet, by the settings of that tree.
    (fleet.tree / ".env").write_text(
        "".join(f"{name}={value}\n" for name, value in fleet.environment.items() if name.startswith("WORKERS_"))
    )
    bare = {name: value for name, value in fleet.environment.items() if not name.startswith("WORKERS_")}
    own, fleet.environment, fleet.folder = (fleet.environment, fleet.folder), bare, fleet.tree.parent
    try:
        ran = wait_until(
            lambda: (ran := fleet.command("status", "--json", "--tree", str(fleet.tree))).returncode == 0 and ran,
            30,
            "the fleet of the tree is healthy",
        )
    finally:
        (fleet.environment, fleet.folder) = own
        (fleet.tree / ".env").unlink()
    slots = {slot["name"]: slot for slot in json.loads(ran.stdout)["slots"]}
    assert {name: slot["restarts"] for name, slot in slots.items()} == {
        **restarts,
        "worker_03": restarts["worker_03"] + 1,
    }
    assert {slot["pid"] for slot in slots.values()} == {fleet.pid(slot) for slot in fleet.slots()}
    # In whole seconds, as supervisord counts.
    assert 0 <= slots["worker_03"]["uptime_seconds"] <= time.monotonic() - killed + 1
    assert all(
        slots[name]["uptime_seconds"] > slots["worker_03"]["uptime_seconds"] for name in slots if name != "worker_03"
    )

    producing = fleet.producing("--count", "100000", "--interval", "0.005")
    wait_until(lambda: sum(fleet.kafka.committed().values()) > 200, 30, "numbers flow")
    began, first = time.monotonic(), sum(ends(fleet).values())
    shown = [sum(slot["records_per_second"] or 0 for slot in status(fleet)["slots"]) for _ in range(3)]
    true = (sum(ends(fleet).values()) - first) / (time.monotonic() - began)
    producing.terminate()
    producing.wait(30)
    assert 0.6 * true < sum(shown) / len(shown) < 1.5 * true, (shown, true)


@pytest.mark.slow
def test_a_restart_counts_the_slots_that_it_restarted(running_fleet: Fleet) -> None:
    fleet = running_fleet
    before = [fleet.pid(slot) for slot in fleet.slots()]
    ran = fleet.command("restart")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    after = [fleet.pid(slot) for slot in fleet.slots()]
    assert len({*before, *after}) == 8
    assert [f"pid {old} -> {new}," in line for old, new, line in zip(before, after, lines, strict=False)] == [True] * 4
    assert lines[-1].startswith("restarted 4 slots in ")


def owned(owners: list[dict[str, Any]], topic: str) -> list[int]:
    return [partition for owner in owners for partition in owner["partitions"].get(topic, ())]
