"""1,000 partitions, and a network in which every answer takes a while: no turn may cost a round trip for each partition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, StackUnavailableError, unavailable, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

PARTITIONS = 1_000
ROUND_TRIP_SECONDS = 0.2
"""100 ms each way."""
FIRST_RECORD_SECONDS = 10.0
"""From an assignment to the first record that is stored. It was 100 s for each worker, if its stall timer let it live."""


@pytest.fixture
def far() -> Iterator[tuple[EmbeddedStack, Proxy]]:
    with Proxy() as proxy:
        try:
            stack = EmbeddedStack({"STACK_KAFKA_ADVERTISED_PORT": str(proxy.port)}).__enter__()
        except StackUnavailableError as reason:
            unavailable(reason)
        try:
            proxy.upstream = stack.kafka_proxied_port
            yield stack, proxy
        finally:
            stack.remove()


def test_a_thousand_partitions_begin_in_seconds(far: tuple[EmbeddedStack, Proxy], tmp_path: Path) -> None:
    stack, proxy = far
    settings = {"WORKERS_SESSION_TIMEOUT": "6"}
    with PlainWorkers(stack, tmp_path, settings) as workers:
        workers.create(PARTITIONS)
        # The leaders of so many partitions are not there all at once.
        wait_until(lambda: len(workers.kafka.partitions()) == PARTITIONS, 60, "the partitions are there")
        for partition in range(PARTITIONS):
            workers.numbers(partition, partition, 1)
        proxy.delay = ROUND_TRIP_SECONDS
        for slot in (0, 1):
            workers.start(slot, WORKERS_BOOTSTRAP_SERVERS=proxy.address)
        everything = dict.fromkeys(range(PARTITIONS), 1)
        workers.wait_committed(everything, 120)
        # A batch is in the log after its commit.
        wait_until(lambda: first_records(workers.log(0)) and first_records(workers.log(1)), 20, "both tell it")

        # One takes over all of them, and gives half of them back.
        workers.running[0].kill()
        workers.running.pop(0).wait()
        for partition in range(0, PARTITIONS, 2):
            workers.numbers(partition, PARTITIONS + partition, 1)
        workers.start(0, WORKERS_BOOTSTRAP_SERVERS=proxy.address)
        everything |= dict.fromkeys(range(0, PARTITIONS, 2), 2)
        workers.wait_committed(everything, 120)

        assert all(workers.alive(slot) for slot in (0, 1)), workers.log(0)[-2000:] + workers.log(1)[-2000:]
        waits = wait_until(
            lambda: len(found := first_records(workers.log(0)) + first_records(workers.log(1))) > 2 and found,
            20,
            "the takeover is told, too",
        )
        print("seconds from an assignment to its first record:", [round(each, 1) for each in waits])  # noqa: T201
        assert max(waits) < FIRST_RECORD_SECONDS
        assert "no iteration" not in workers.log(0) + workers.log(1)
        verdict = workers.verify()
        assert (verdict.code, verdict.total("stored")) == (0, PARTITIONS * 3 // 2), verdict.report["error"]


def first_records(log: str) -> list[float]:
    """Seconds from each assignment to the batch that followed, if one did before the next rebalance."""
    found, assigned = [], None
    for stamp, line in re.findall(r"timestamp=(\S+)Z (.*)", log):
        now = datetime.fromisoformat(stamp)
        if "action=rebalance" in line:
            assigned = now if "assigned" in line else None
        elif "event=batch" in line and assigned:
            found.append((now - assigned).total_seconds())
            assigned = None
    return found
