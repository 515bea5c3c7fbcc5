"""A partition of mostly rejects is stopped, for real: it stays in Kafka, the others go on, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers

pytestmark = pytest.mark.integration

FLOOD = 5_000
GOOD = 300


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as workers:
        workers.kafka.create(2)
        yield workers


def flood(workers: PlainWorkers) -> None:
    """Partition 0: ten good numbers, then nothing but what is not JSON. Partition 1: numbers."""
    workers.numbers(0, 0, 10)
    workers.send(0, *[b"no number %d" % number for number in range(FLOOD)])
    workers.numbers(1, 1000, GOOD)


def wait_stopped(workers: PlainWorkers) -> None:
    wait_until(lambda: workers.total("workers_stopped_partitions") == 1, 60, "a partition is stopped")


def test_a_flood_stops_its_partition_and_no_other_and_comes_out_whole_when_the_limit_is_raised(
    workers: PlainWorkers,
) -> None:
    flood(workers)
    workers.start()
    wait_stopped(workers)
    workers.wait_committed({**workers.kafka.committed(), 1: GOOD})
    workers.numbers(1, 5000, GOOD)
    wait_until(lambda: workers.kafka.committed().get(1) == 2 * GOOD, 60, "the other partition is read on")

    stopped_at = workers.kafka.committed().get(0, 0)
    assert stopped_at < FLOOD / 2, "committed behind where it was stopped"
    assert workers.letters.count_documents({}) == max(0, stopped_at - 10), "a part of the stopped batch was put aside"
    assert workers.alive()
    assert workers.total("workers_assigned_partitions") == 2
    assert workers.page("/healthz")[0] == 200
    (told,) = [line for line in workers.log().splitlines() if "too many rejects" in line]
    assert "level=error" in told
    assert "partitions=0" in told
    assert "WORKERS_MAX_REJECT_SHARE" in told
    verdict = workers.verify()
    assert (verdict.code, verdict.total("pending")) == (0, 10 + FLOOD - stopped_at)

    assert workers.stop() == 0
    workers.start(WORKERS_MAX_REJECT_SHARE="1")
    workers.wait_committed({0: 10 + FLOOD, 1: 2 * GOOD})
    assert workers.letters.count_documents({"reason": "not_json"}) == FLOOD
    assert workers.total("workers_stopped_partitions") == 0
    verdict = workers.verify()
    assert (verdict.code, verdict.total("dead_lettered"), verdict.total("stored")) == (0, FLOOD, 10 + 2 * GOOD)


def test_a_share_of_1_and_a_flood_too_small_to_judge_are_no_limit(workers: PlainWorkers) -> None:
    workers.start(WORKERS_MIN_REJECT_RECORDS="1000", WORKERS_MAX_REJECT_SHARE="0.1")
    workers.send(0, *[b"bad"] * 900)
    workers.wait_committed({0: 900})
    assert workers.total("workers_stopped_partitions") == 0
    assert workers.stop() == 0

    workers.start(WORKERS_MIN_REJECT_RECORDS="1", WORKERS_MAX_REJECT_SHARE="1")
    workers.send(0, *[b"bad"] * 1500)
    workers.wait_committed({0: 2400})
    assert workers.total("workers_stopped_partitions") == 0
    assert workers.letters.count_documents({}) == 2400


def test_a_stopped_partition_that_went_and_came_back_stays_stopped_and_costs_nothing(workers: PlainWorkers) -> None:
    """The client forgets that a partition was paused when it loses it: read and given back, it would spin."""
    flood(workers)
    workers.start(1)
    wait_until(lambda: workers.total("workers_stopped_partitions", 1) == 1, 60, "the partition is stopped")
    workers.start(0)
    wait_stopped(workers)
    workers.wait_owned(1, 1)
    assert workers.stop(0) == 0
    wait_until(lambda: workers.total("workers_assigned_partitions", 1) == 2, 30, "it has both again")
    before = workers.kafka.committed().get(0, 0)
    workers.numbers(1, 5000, GOOD)
    wait_until(lambda: workers.kafka.committed().get(1) == 2 * GOOD, 60, "the other partition is read on")
    assert workers.kafka.committed().get(0, 0) == before

    process = psutil.Process(workers.running[1].pid)
    assert process.cpu_percent(interval=2) < 50, "it reads the stopped partition again and again"
