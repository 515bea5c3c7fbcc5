"""Twenty topics beside one topic with as many partitions: one worker, the same records, in turns, so that the machine falls out.

python -m bench.topics [--rounds n] [--records n]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
from kafka.admin import NewTopic

from bench.backlog import Backlog, Sender, values
from bench.figures import Spread, ratios
from bench.servers import ending_quietly
from bench.tables import Table, console
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.routed_workers import RoutedWorkers
from workers.settings import load

TOPICS, PARTITIONS = 20, 6
PATIENCE_SECONDS = 300.0
PLAIN, SAME, OWN = "one topic of 120 partitions", "20 topics, one collection", "20 topics, 20 collections"
ROUTES = """
[[route]]
topics = [{topics}]
collection = "{collection}"
"""


class Run(NamedTuple):
    """Of one worker."""

    rate: float
    """Records a second, from the first that is stored to the last."""
    microseconds: float
    """Processor time for a record, the start left out."""
    memory: float
    """Bytes resident at the end."""


def main() -> None:
    parser = argparse.ArgumentParser(description="One worker with 20 topics, beside one topic with as many partitions.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=600_000)
    options = parser.parse_args()
    runs: dict[str, list[Run]] = {PLAIN: [], SAME: [], OWN: []}
    with EmbeddedStack() as stack:
        for _ in range(options.rounds):
            runs[PLAIN].append(one_topic(stack, options.records))
            runs[SAME].append(many_topics(stack, options.records, "documents"))
            runs[OWN].append(many_topics(stack, options.records, "{topic}"))
    table(runs).show(console(), f"\nOne worker, {options.records:,} records")


def one_topic(stack: EmbeddedStack, records: int) -> Run:
    with tempfile.TemporaryDirectory() as folder, PlainWorkers(stack, Path(folder)) as workers:
        workers.create(TOPICS * PARTITIONS)
        fill(stack, workers.topic, records, TOPICS * PARTITIONS)
        return measure(workers, records)


def many_topics(stack: EmbeddedStack, records: int, collection: str) -> Run:
    names = [f"topic{number:02}" for number in range(TOPICS)]
    routes = ROUTES.format(topics=", ".join(f'"PREFIX{name}"' for name in names), collection=collection)
    with tempfile.TemporaryDirectory() as folder, RoutedWorkers(stack, Path(folder), routes) as workers:
        topics = [NewTopic(workers.prefix + name, PARTITIONS, 1) for name in names]
        workers.kafka.admin.create_topics(topics)
        for name in names:
            fill(stack, workers.prefix + name, records // TOPICS, PARTITIONS)
        return measure(workers, records)


def fill(stack: EmbeddedStack, topic: str, records: int, partitions: int) -> None:
    with Sender(load(bootstrap_servers=stack.bootstrap_servers, topic=topic)) as sender:
        sender.send_all(Backlog(values("0"), 0, records, partitions))


def measure(workers: PlainWorkers, records: int) -> Run:
    process = psutil.Process(workers.start().pid)

    def stored() -> float:
        return workers.total("workers_records_total", outcome="stored")

    first = wait_until(stored, PATIENCE_SECONDS, "the first record")
    began, busy = time.monotonic(), sum(process.cpu_times()[:2])
    last = wait_until(lambda: (found := stored()) >= records and found, PATIENCE_SECONDS, "the last record")
    seconds, busy = time.monotonic() - began, sum(process.cpu_times()[:2]) - busy
    counted = last - first
    memory = process.memory_info().rss
    workers.stop()
    return Run(counted / seconds, busy / counted * 1e6, memory)


def table(runs: dict[str, list[Run]]) -> Table:
    one = runs[PLAIN]
    rows = [
        [
            name,
            f"{Spread.of([each.rate for each in found]).median:,.0f}",
            ratios([each.rate for each in found], [each.rate for each in one]).text(),
            Spread.of([each.microseconds for each in found]).text(1),
            ratios([each.microseconds for each in found], [each.microseconds for each in one]).text(),
            f"{max(each.memory for each in found) / 1e6:.0f}",
        ]
        for name, found in runs.items()
    ]
    return Table(["", "records/s", "of one topic", "us CPU a record", "of one topic", "MB"], rows)


if __name__ == "__main__":
    with ending_quietly():
        main()
