"""`start` and `workers seek` on a real Kafka: what is left out is left out on purpose, said by `verify`, and nothing else is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers, offsets

pytestmark = pytest.mark.integration

OLD, NEW = 30, 10
WORKERS = 4


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(
        stack, tmp_path, {"WORKERS_INTERNAL_METADATA_MAX_AGE": "1", "WORKERS_SESSION_TIMEOUT": "6"}
    ) as made:
        yield made


def kill(workers: PlainWorkers) -> None:
    for process in workers.running.values():
        process.kill()
        process.wait()
    workers.running.clear()


def start(workers: PlainWorkers, count: int = WORKERS) -> None:
    for slot in range(count):
        workers.start(slot, WORKERS_START="latest")


def stop(workers: PlainWorkers) -> None:
    for slot in list(workers.running):
        assert workers.stop(slot) == 0
    wait_until(lambda: not workers.kafka.members(), 30, "the group has no members")


def seek(workers: PlainWorkers, *arguments: str, code: int = 0) -> Any:
    ran = workers.command("seek", "--json", *arguments)
    assert ran.returncode == code, ran
    return json.loads(ran.stdout) if code == 0 else ran.stderr


def words(workers: PlainWorkers) -> dict[str, int]:
    """The counts of `verify` that are not 0; every record must be accounted for."""
    verdict = workers.verify()
    assert verdict.code == 0, verdict
    return {
        word: count
        for word in verdict.report["partitions"][0]
        if word not in ("topic", "partition", "offsets", "kafka") and (count := verdict.total(word))
    }


def test_a_fleet_begins_at_the_end_and_a_kill_before_its_first_batch_skips_nothing_more(workers: PlainWorkers) -> None:
    partitions = range(6)
    workers.create(len(partitions))
    for partition in partitions:
        workers.numbers(partition, 0, OLD)
    start(workers)
    workers.wait_committed(dict.fromkeys(partitions, OLD))
    kill(workers)
    for partition in partitions:
        workers.numbers(partition, OLD, NEW)

    # The second start of the fleet, with the same setting.
    start(workers)
    workers.wait_committed(dict.fromkeys(partitions, OLD + NEW))

    assert offsets(workers.numtest.find().to_list()) == [(p, o) for p in partitions for o in range(OLD, OLD + NEW)]
    assert words(workers) == {"stored": 60, "before_start": 180}
    verdict = workers.verify()
    assert verdict.report["starts"] == [
        {"topic": workers.topic, "partition": p, "offset": OLD, "start": "latest"} for p in partitions
    ]
    peeked = json.loads(workers.command("peek", "--json", "0/3").stdout)
    assert peeked["outcome"] == "before_start"
    logs = "".join(map(workers.log, range(WORKERS)))
    assert "start has no effect" not in logs

    workers.kafka.admin.create_partitions({workers.topic: len(partitions) + 1})
    workers.forget_producer()
    workers.numbers(6, 0, 5)
    workers.wait_committed(dict.fromkeys(partitions, OLD + NEW) | {6: 5})
    assert words(workers) == {"stored": 65, "before_start": 180}
    assert workers.verify("--since", "3600").total("before_start") == 180


def test_a_group_is_moved_both_ways_and_verify_says_so(workers: PlainWorkers) -> None:
    workers.create(2)
    for partition in range(2):
        workers.numbers(partition, 0, OLD)
    start(workers, 1)
    workers.wait_committed({0: OLD, 1: OLD})
    assert "has 1 members" in seek(workers, "--to", "earliest", "--execute", code=69)
    assert "worker_00" in seek(workers, "--to", "earliest", "--execute", code=69)
    stop(workers)

    # Nothing changes without --execute.
    shown = seek(workers, "--to", "10")
    assert workers.kafka.committed() == {0: OLD, 1: OLD}
    assert (shown["executed"], shown["read_again"], shown["undo"]) == (
        False,
        40,
        {workers.topic: {"0": OLD, "1": OLD}},
    )
    # Back, behind the start: what is before offset 10 is still left out.
    assert seek(workers, "--to", "10", "--execute")["executed"]
    assert workers.kafka.committed() == {0: 10, 1: 10}
    assert words(workers) == {"pending": 40, "before_start": 20}
    start(workers, 1)
    workers.wait_committed({0: OLD, 1: OLD})
    stop(workers)
    assert words(workers) == {"stored": 40, "before_start": 20}

    # Forwards.
    for partition in range(2):
        workers.numbers(partition, OLD, NEW)
    assert "offset 99 is beyond the log, which holds the offsets 0 to 39" in seek(workers, "--to", "99", code=64)
    assert "say why, with --because" in seek(workers, "--to", "latest", "--execute", code=64)
    assert workers.kafka.committed() == {0: OLD, 1: OLD}
    why = "a test of the producer, 100 % nonsense / ünï"
    seek(workers, "--to", "latest", "--partition", "1", "--execute", "--because", why)
    assert workers.kafka.committed() == {0: OLD, 1: OLD + NEW}
    start(workers, 1)
    workers.wait_committed({0: OLD + NEW, 1: OLD + NEW})
    workers.numbers(1, 100, 5)
    workers.wait_committed({0: OLD + NEW, 1: OLD + NEW + 5})
    stop(workers)
    assert words(workers) == {"stored": 55, "before_start": 20, "skipped": NEW}
    (note,) = workers.verify().report["skips"]
    assert (note["partition"], note["first"], note["end"], note["because"]) == (1, OLD, OLD + NEW, why)
    assert "@" in note["by"]
    assert abs(note["at"] - time.time()) < 300
    said = workers.command("verify").stdout
    assert f"because: {why}; partition 1: 30 to 39" in " ".join(said.split())

    # By a file, to where it begins, over everything that was left out.
    (workers.folder / "all.json").write_text(json.dumps({workers.topic: {"0": 0, "1": 0}}))
    seek(workers, "--to", "all.json", "--execute")
    start(workers, 1)
    workers.wait_committed({0: OLD + NEW, 1: OLD + NEW + 5})
    assert words(workers) == {"stored": 85}
    assert "start has no effect" not in workers.log()


@pytest.mark.slow
def test_a_time_begins_with_the_first_record_that_is_not_older_and_a_group_with_commits_is_told(
    workers: PlainWorkers,
) -> None:
    workers.create(2)
    now = int(time.time() * 1000)
    for hours in (8, 7, 5, 1):
        workers.send(0, b'{"number": %d}' % hours, timestamp_ms=now - hours * 3_600_000)
    workers.send(1, b'{"number": 9}', timestamp_ms=now - 9 * 3_600_000)
    workers.start(WORKERS_START="-6h")
    workers.wait_committed({0: 4, 1: 1})
    stop(workers)

    assert "the group begins the topic at its start" in workers.log()
    assert words(workers) == {"stored": 2, "before_start": 3}
    workers.numbers(1, 20, 1)
    workers.start(WORKERS_START="latest")
    workers.wait_committed({0: 4, 1: 2})
    assert words(workers) == {"stored": 3, "before_start": 3}
    assert "start has no effect: the group has begun this topic before" in workers.log()
    assert "begun_with=-6h" in workers.log()
