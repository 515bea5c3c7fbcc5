"""What a start costs with many partitions, where every answer of Kafka takes 100 ms: to the first record, and to all.

One worker on 10, 100 and 1,000 partitions with one record each, in one run, so that the machine falls out of the ratios:
a round trip for each partition shows as a ratio that grows with them.

    python -m bench.partitions [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.servers import ending_quietly
from bench.tables import Table, console
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.proxy import Proxy

DELAY_SECONDS = 0.1
COUNTS = (10, 100, 1_000)
PATIENCE_SECONDS = 300.0


class Start(NamedTuple):
    """Seconds from the start of a worker's process."""

    partitions: int
    first: float
    """To the first document."""
    all: float
    """To the document of every partition's record."""


def main() -> None:
    parser = argparse.ArgumentParser(description="The start of a worker with many partitions, 100 ms away from Kafka.")
    parser.add_argument("--quick", action="store_true", help="without the 1,000 partitions")
    counts = COUNTS[:-1] if parser.parse_args().quick else COUNTS
    out = console()
    with Proxy() as proxy, EmbeddedStack({"STACK_KAFKA_ADVERTISED_PORT": str(proxy.port)}) as stack:
        proxy.upstream = stack.kafka_proxied_port
        starts = [measure(stack, proxy, count) for count in counts]
    partitions_table(starts).show(out, f"\nOne worker, {DELAY_SECONDS * 1000:.0f} ms away from Kafka")


def measure(stack: EmbeddedStack, proxy: Proxy, partitions: int) -> Start:
    with tempfile.TemporaryDirectory() as folder, PlainWorkers(stack, Path(folder)) as workers:
        workers.create(partitions)
        for partition in range(partitions):
            workers.numbers(partition, partition, 1)
        proxy.delay = DELAY_SECONDS
        try:
            began = time.monotonic()
            workers.start(0, WORKERS_BOOTSTRAP_SERVERS=proxy.address)
            wait_until(workers.numtest.estimated_document_count, PATIENCE_SECONDS, "the first document")
            first = time.monotonic() - began
            wait_until(
                lambda: workers.numtest.estimated_document_count() >= partitions, PATIENCE_SECONDS, "all documents"
            )
            return Start(partitions, first, time.monotonic() - began)
        finally:
            proxy.delay = 0.0


def partitions_table(starts: list[Start]) -> Table:
    few = starts[0]
    rows = [
        [
            f"{each.partitions:,} partitions",
            f"{each.first:.1f}",
            f"{each.first / few.first:.2f}",
            f"{each.all:.1f}",
            f"{each.all / few.all:.2f}",
        ]
        for each in starts
    ]
    few_name = f"of {few.partitions}"
    return Table(["", "s to the first record", few_name, "s to all of them", few_name], rows)


if __name__ == "__main__":
    with ending_quietly():
        main()
