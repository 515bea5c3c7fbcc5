"""How much of a partition is fetched at once decides the size of batches, and never what can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack
from tests.support.plain_workers import PlainWorkers

pytestmark = pytest.mark.integration

SMALL = 16_384
RECORDS = 40
LARGE = b'{"number": 1, "text": "%s"}' % (b"x" * 2 * SMALL)


@pytest.mark.parametrize(("fetch_bytes", "batches"), [(SMALL, RECORDS), (100 * SMALL, 1)])
def test_a_record_larger_than_a_fetch_is_read_and_a_larger_fetch_makes_larger_batches(
    stack: EmbeddedStack, tmp_path: Path, fetch_bytes: int, batches: int
) -> None:
    with PlainWorkers(stack, tmp_path, {"WORKERS_FETCH_BYTES": str(fetch_bytes)}) as workers:
        workers.create(1)
        for _ in range(RECORDS):
            # Each is acknowledged, and so a batch of Kafka's own, before the next is sent.
            workers.send(0, LARGE)
        workers.start()
        workers.wait_committed()

        assert len(workers.documents()) == RECORDS
        assert workers.total("workers_write_seconds_count") == batches
        assert workers.verify().code == 0
