"""A worker that loses its membership while it lives, or that ends itself to be started afresh: nothing lost, nothing twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from workers.kafka.admin import Admin
from workers.settings import load

pytestmark = pytest.mark.integration

PARTITIONS = 2


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path, {"WORKERS_MAX_POLL_RECORDS": "50"}) as running:
        running.create(PARTITIONS)
        yield running


def state(workers: PlainWorkers, kind: str) -> str:
    """The first word of a file of the slot."""
    return (workers.folder / f"{workers.group}-worker_00.{kind}").read_text().split()[0]


def send(workers: PlainWorkers, first: int, count: int) -> None:
    for partition in range(PARTITIONS):
        workers.numbers(partition, first + partition * count // PARTITIONS, count // PARTITIONS)


def stored(workers: PlainWorkers) -> list[int]:
    return sorted(workers.documents().values())


def test_a_live_member_that_is_evicted_says_so_and_joins_again(workers: PlainWorkers) -> None:
    process = workers.start()
    send(workers, 0, 200)
    workers.wait_committed()
    wait_until(lambda: workers.kafka.owned() == [0, 1], 20, "it owns both")
    old = state(workers, "member")
    settings = load(bootstrap_servers=workers.servers, group=workers.group)
    with Admin(settings) as admin:
        assert admin.evict(workers.group, old)
    send(workers, 200, 200)

    wait_until(lambda: "removed from the group; joining again" in workers.log(), 20, "it says so")
    wait_until(lambda: state(workers, "member") != old and workers.kafka.owned() == [0, 1], 20, "it owns both again")
    workers.wait_committed()
    assert [name.split()[1] for name in workers.kafka.members()] == [state(workers, "member")]
    assert process.poll() is None
    assert stored(workers) == list(range(400))
    assert workers.verify().code == 0
    assert workers.total("workers_rebalances_total", event="lost") == 1


@pytest.mark.parametrize("limit", ["WORKERS_MAX_RECORDS", "WORKERS_MAX_MEMORY"])
def test_a_worker_over_its_limit_ends_cleanly_and_the_next_one_goes_on_at_once(
    workers: PlainWorkers, limit: str
) -> None:
    settings = {limit: "10", "WORKERS_HEALTHY_AFTER": "0.5"}
    seen = 0
    for _ in range(3):
        process = workers.start(**settings)
        # Until it ends: a new worker is not over its limit, whatever it has read.
        while process.poll() is None:
            send(workers, seen, 100)
            seen += 100
            wait_until(
                lambda ended=process: ended.poll() is not None or workers.kafka.committed() == workers.kafka.ends(),
                60,
                "all is committed, or the worker has ended",
            )
        assert process.returncode == 0
        assert state(workers, "starts") == "0"
    assert workers.log().count('event="recycled: this worker stops') == 3
    assert workers.log().count("event=stopped reason=recycled") == 3
    workers.start()
    workers.wait_committed()

    assert "crash-loop backoff" not in workers.log()
    assert "took over from the predecessor" not in workers.log()
    assert "duplicates=" not in workers.log(), "a clean end has records delivered again"
    assert stored(workers) == list(range(seen))
    assert workers.verify().code == 0


def test_a_worker_tells_its_stacks_on_request_and_goes_on(workers: PlainWorkers) -> None:
    process = workers.start()
    send(workers, 0, 100)
    workers.wait_committed()
    process.send_signal(signal.SIGUSR1)
    wait_until(
        lambda: "in run_forever" in workers.log() and "workers/pipeline/loop.py" in workers.log(), 20, "all stacks"
    )
    send(workers, 100, 100)
    workers.wait_committed()

    assert process.poll() is None
    assert workers.stop() == 0
    assert stored(workers) == list(range(200))
