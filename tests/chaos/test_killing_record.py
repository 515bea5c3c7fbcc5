"""A record whose decoding ends the process, among good ones: every good one is stored, and the one is a dead letter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers, offsets

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

DEADLY = """
import orjson, os, signal
loads = orjson.loads
def deadly(value):
    if b"KILL" in value:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"EXHAUST" in value:
        raise MemoryError
    return loads(value)
orjson.loads = deadly
"""
"""What a bug in an extension does to a process, and what a value does that needs more memory than there is."""
MOST_DEATHS = 7


def good(first: int, count: int) -> list[bytes]:
    return [b'{"number": %d}' % number for number in range(first, first + count)]


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    """Python imports sitecustomize before anything else."""
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with PlainWorkers(stack, tmp_path, {"PYTHONPATH": path, "WORKERS_MAX_POLL_RECORDS": "500"}) as workers:
        workers.kafka.create(2)
        yield workers


@pytest.mark.parametrize(("deadly", "code"), [(b'{"number": "KILL"}', -9), (b'{"number": "EXHAUST"}', 70)])
def test_a_record_that_kills_becomes_a_dead_letter_and_its_neighbours_documents(
    workers: PlainWorkers, deadly: bytes, code: int
) -> None:
    workers.send(0, *good(0, 333), deadly, *good(1_000, 333))
    workers.send(1, *good(2_000, 400))
    ends: list[int] = []

    def keep() -> bool:
        """What supervisord does. The two die in turns: whoever lives takes over, and dies of the same record."""
        for slot in [slot for slot in workers.running if not workers.alive(slot)]:
            ends.append(workers.running[slot].returncode)
            workers.start(slot)
        return workers.kafka.committed() == {0: 667, 1: 400}

    for slot in (0, 1):
        workers.start(slot)
    wait_until(keep, 120, "everything is committed")

    assert set(ends) == {code}, ends
    assert 2 < len(ends) <= MOST_DEATHS
    documents, (letter,) = workers.contents()
    assert offsets(documents) == [
        *((0, each) for each in range(667) if each != 333),
        *((1, each) for each in range(400)),
    ]
    assert (letter["reason"], bytes(letter["value"]), letter["offset"]) == ("killed_worker", deadly, 333)
    assert workers.verify().code == 0
    assert "a worker crashed while it decoded these records" in workers.log(0) + workers.log(1)

    # Nothing is held against those who come later.
    workers.send(0, *good(5_000, 10))
    workers.wait_committed({0: 677, 1: 400})
    assert len(ends) <= MOST_DEATHS
