"""WORKERS_STATIC_MEMBERSHIP: a worker is known by its name, so its successor finds its partitions kept for it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PATIENCE_SECONDS, PlainWorkers

pytestmark = pytest.mark.integration

SETTINGS = {"WORKERS_STATIC_MEMBERSHIP": "true", "WORKERS_SESSION_TIMEOUT": "30"}
"""A timeout that no test here waits for: a partition that is owned was not waiting for it."""

ENDS_WITHIN_SECONDS = 10
"""A heartbeat, a poll, and the end of an interpreter on a busy machine. By a commit alone it took two minutes."""


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path, SETTINGS) as workers:
        workers.kafka.create(2)
        yield workers


def test_a_worker_that_is_killed_or_stopped_comes_back_without_a_rebalance(workers: PlainWorkers) -> None:
    workers.start(0)
    workers.start(1)
    workers.wait_owned(1, 1)
    before = owners(workers)
    rebalances = workers.total("workers_rebalances_total", 1)
    for number in (signal.SIGKILL, signal.SIGTERM):
        workers.running[0].send_signal(number)
        workers.running[0].wait(PATIENCE_SECONDS)
        sent = workers.numbers(0, 0, 5)[-1], workers.numbers(1, 0, 5)[-1]
        workers.start(0)
        workers.wait_committed({0: sent[0] + 1, 1: sent[1] + 1})
    assert owners(workers) == before
    assert workers.total("workers_rebalances_total", 1) == rebalances
    assert "took over from the predecessor" not in workers.log(0)
    assert workers.log(0).count("event=stopped") == 1
    assert workers.verify().code == 0


def test_of_two_processes_with_one_name_one_ends_and_says_why(workers: PlainWorkers, tmp_path: Path) -> None:
    """On two hosts, say: the lock of the slot, which would have refused the second, is in another folder. The first ends at
    once, and without a record; started again it waits for the other to leave, and takes nothing back."""
    short = {"WORKERS_SESSION_TIMEOUT": "6"}
    workers.numbers(0, 0, 50)
    first = workers.start(0, **short)
    workers.wait_committed({0: 50})
    (tmp_path / "elsewhere").mkdir()
    other = {"WORKERS_SLOT": "0", "WORKERS_STATE_DIR": str(tmp_path / "elsewhere"), "WORKERS_METRICS_PORT": "0"}
    workers.start(1, **short, **other)
    wait_until(lambda: "partitions assigned" in workers.log(1), PATIENCE_SECONDS, "the second has the partitions")
    fenced = time.monotonic()

    assert first.wait(PATIENCE_SECONDS) == 69
    assert time.monotonic() - fenced < ENDS_WITHIN_SECONDS
    told = "workers: another process joined this group as worker_00; use another WORKERS_SLOT"
    assert [line.startswith(told) for line in workers.log(0).splitlines()].count(True) == 1
    assert "Traceback" not in workers.log(0)

    workers.start(0, **short)
    wait_until(lambda: "another process, at 127.0.0.1, is worker_00" in workers.log(0), PATIENCE_SECONDS, "it waits")
    assert workers.page("/readyz")[0] == 503
    workers.numbers(0, 50, 50)
    workers.numbers(1, 100, 50)
    workers.wait_committed({0: 100, 1: 50})
    assert workers.alive(1)
    assert workers.stop(1) == 0
    workers.wait_owned(2)
    assert sorted(workers.documents().values()) == list(range(150))
    assert workers.verify().code == 0


def owners(workers: PlainWorkers) -> dict[str, list[int]]:
    """By client id, without the member id, which is another one for each process."""
    return {member.split()[0]: partitions for member, partitions in workers.kafka.members().items()}
