"""A known story of a real fleet, and every counter of the worker that lived through it and of the watchdog beside it.

Whoever adds a counter has to say here what the story does to it.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from kafka import KafkaProducer
from kafka.admin import MemberToRemove
from prometheus_client.parser import text_string_to_metric_families

from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.fleet_checks import member
from workers.errors import RetryReason
from workers.fleet.watchdog.hang_detector import Hang
from workers.monitoring.worker_metrics import EVENTS, OUTCOMES
from workers.types import CommitResult, RejectReason

pytestmark = pytest.mark.acceptance

PARTITIONS = 2
STALE_SECONDS = 1.0
"""Four polls: a loop that has not polled for so long is waiting for its write."""
TWO = "[program:worker]\nnumprocs=2\nautorestart=false\n"
"""Who is killed stays dead, so that it is the watchdog that puts it out of the group."""
BAD = {b"not json": RejectReason.NOT_JSON, b"[]": RejectReason.NOT_AN_OBJECT, b"\xff": RejectReason.NOT_UTF8}
WORKERS_COUNTERS = {
    "workers_records_total": PARTITIONS * len(OUTCOMES),
    "workers_lost_records_total": PARTITIONS,
    "workers_log_truncations_total": PARTITIONS,
    "workers_dead_letters_total": len(RejectReason),
    "workers_batches_total": 1,
    "workers_commits_total": len(CommitResult),
    "workers_rebalances_total": len(EVENTS),
    "workers_write_retries_total": len(RetryReason),
    "workers_log_dropped_lines_total": 1,
    "workers_state_write_failures_total": 1,
    "workers_rate_limited_seconds_total": 1,
}
"""How many series each has. Those that stand still in the story are there too, so that their silence says something."""
PROCESSES = len({"worker_00", "worker_01", "lag", "watchdog", "auditor"})
WATCHDOGS_COUNTERS = {
    "workers_process_starts_total": PROCESSES,
    "workers_process_exits_total": 2 * PROCESSES,
    "workers_evictions_total": 1,
    "workers_stalls_total": len(Hang),
}
AWAY = ("connection_lost", "unreachable")
"""What a write finds where the database was stopped: first its connection cut, then nobody."""
Counts = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def fleet(stack: EmbeddedStack) -> Iterator[Fleet]:
    fleet = Fleet(stack)
    fleet.local_d("two", TWO)
    with fleet:
        fleet.kafka.create(PARTITIONS)
        fleet.wait_assigned(PARTITIONS)
        fleet.supervisor("stopProcess", "worker:worker_01")
        wait_until(lambda: owned(fleet) == {0, 1}, 30, "one worker has all partitions")
        wait_until(lambda: state(fleet) == "stopped", 10, "the watchdog has heard of it")
        yield fleet


def owned(fleet: Fleet) -> set[int]:
    """The partitions of worker 0, by its word and the broker's."""
    series = fleet.metrics(0).get("workers_partition_owned", [])
    own = {int(labels["partition"]) for labels, _ in series}
    return own if list(own) in [list(p) for name, p in fleet.kafka.members().items() if "worker_00" in name] else set()


def state(fleet: Fleet) -> str:
    """Of worker 1, as the watchdog knows it."""
    states = scrape.metrics(fleet.watchdog_port).get("workers_process_state", [])
    return "".join(labels["state"] for labels, value in states if value and labels["process"] == "worker_01")


def counters(port: int) -> Counts:
    families = text_string_to_metric_families(scrape.page(port, "/metrics")[1])
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        if family.type == "counter" and family.name.startswith("workers_")
        for sample in family.samples
    }


def grown(before: Counts, now: Counts) -> Counts:
    """Only what grew. No series came or went: rate() sees the first event of each."""
    assert before.keys() == now.keys()
    return {series: value - before[series] for series, value in now.items() if value != before[series]}


def how_many(counts: Counts) -> Counter[str]:
    return Counter(name for name, _ in counts)


def series(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


@pytest.mark.slow
def test_every_counter_tells_the_story(fleet: Fleet, stack: EmbeddedStack) -> None:
    before, watched = counters(fleet.metrics_port), counters(fleet.watchdog_port)
    assert how_many(before) == WORKERS_COUNTERS
    assert how_many(watched) == WATCHDOGS_COUNTERS
    store_some_and_reject_some(fleet)
    live_through_an_outage(fleet, stack)
    have_a_commit_refused(fleet, stack)
    fleet.supervisor("startProcess", "worker:worker_01")
    fleet.wait_assigned(PARTITIONS)
    assert len(owned(fleet)) == 1, "the gauge of the partition that was given up is gone"
    lose_a_worker(fleet)

    told = grown(before, counters(fleet.metrics_port))
    # How often it tried while the database was away is not known; that it did, and why, is.
    retries = {labels: told.pop(labels) for labels in list(told) if labels[0] == "workers_write_retries_total"}
    assert retries
    assert retries.keys() <= {series("workers_write_retries_total", reason=reason) for reason in AWAY}
    assert told == expected(fleet)
    assert grown(watched, counters(fleet.watchdog_port)) == {
        series("workers_process_starts_total", process="worker_01"): 1,
        series("workers_process_exits_total", process="worker_01", expected="false"): 1,
        series("workers_evictions_total"): 1,
    }
    assert sorted(fleet.documents().values()) == list(range(390))
    assert fleet.verify().code == 0


def store_some_and_reject_some(fleet: Fleet) -> None:
    fleet.produce("--count", "300")
    fleet.command("produce", "--from", "-", input=b"\n".join(BAD), text=False)
    fleet.wait_committed()


def live_through_an_outage(fleet: Fleet, stack: EmbeddedStack) -> None:
    stack.stop_program("ferretdb")
    try:
        fleet.produce("--start", "300", "--count", "40")
        wait_until(lambda: fleet.total("workers_write_retries_total", [0]) >= 1, 40, "it tries again")
    finally:
        stack.start_program("ferretdb")
    fleet.wait_committed()


def have_a_commit_refused(fleet: Fleet, stack: EmbeddedStack) -> None:
    """The worker is thrown out of the group while the database has its batch."""
    # All is ready beforehand: a database that is silent for many seconds is one that is away, and its batch is written twice.
    removed = MemberToRemove(member_id=member(fleet, 0).split()[1])
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    producer.partitions_for(fleet.topic)
    database = stack.kill("ferretdb", signal.SIGSTOP)
    try:
        for number in range(340, 390):
            producer.send(fleet.topic, b'{"number": %d}' % number)
        producer.flush(20)
        wait_until(
            lambda: time.time() - fleet.total("workers_last_poll_timestamp_seconds", [0]) > STALE_SECONDS,
            20,
            "the worker waits for its write",
        )
        fleet.kafka.admin.remove_group_members(fleet.group, [removed])
    finally:
        os.kill(database, signal.SIGCONT)
        producer.close()
    fleet.wait_committed()


def lose_a_worker(fleet: Fleet) -> None:
    dead = member(fleet, 1)
    fleet.kill(1)
    wait_until(lambda: owned(fleet) == {0, 1}, 30, "the other worker has all partitions")
    wait_until(lambda: [each for each in fleet.events() if each["event"] == "evicted"], 10, "it was put out")
    assert dead.split()[1] in fleet.evicted()


def expected(fleet: Fleet) -> Counts:
    """What worker 0 must have counted, by what Kafka holds and what the log tells of each batch."""
    committed, refused = fleet.log(0).count("event=batch "), refused_batches(fleet)
    again = sum(refused, Counter())
    held = fleet.kafka.values()
    counts: Counts = {
        series("workers_batches_total"): committed + len(refused),
        series("workers_commits_total", result="ok"): committed,
        series("workers_commits_total", result="rebalanced"): 1,
        # Thrown out, and back; then for the other worker, that came; then for the other one's end.
        series("workers_rebalances_total", event="lost"): 1,
        series("workers_rebalances_total", event="revoked"): 2,
        series("workers_rebalances_total", event="assigned"): 3,
    }
    for partition in range(PARTITIONS):
        values = [value for (p, _), value in held.items() if p == partition]
        outcomes = {
            "stored": sum(value not in BAD for value in values),
            "dead_lettered": sum(value in BAD for value in values),
            "duplicate": again[partition],
        }
        for outcome, count in outcomes.items():
            labels = {"topic": fleet.topic, "partition": str(partition), "outcome": outcome}
            counts |= {series("workers_records_total", **labels): count} if count else {}
    for reason in BAD.values():
        counts[series("workers_dead_letters_total", topic=fleet.topic, reason=str(reason))] = 1
    assert 0 < sum(again.values()) <= 50
    return counts


def refused_batches(fleet: Fleet) -> list[Counter[int]]:
    """Of each batch that was written and not committed: its records, by partition."""
    lines = [line for line in fleet.log(0).splitlines() if "not committed" in line]
    ranges = [re.findall(r"(\d+):(\d+)-(\d+)", line.partition("offsets=")[2]) for line in lines]
    return [Counter({int(p): int(last) - int(first) + 1 for p, first, last in found}) for found in ranges]
