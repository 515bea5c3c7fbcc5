"""A partition without a leader beside others that have one: a broker with two disks, of which one is gone."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from workers.errors import UnavailableError
from workers.fleet.status.group import compact_partitions
from workers.kafka.group_client import GroupClient
from workers.kafka.topic_start import LEADER_PATIENCE_SECONDS
from workers.monitoring.lag import LagSnapshot
from workers.monitoring.lag_poller import LagPoller
from workers.settings import load

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PARTITIONS, AGE = 6, 300


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disk")


@pytest.fixture
def stack(disk: Path) -> Iterator[EmbeddedStack]:
    """One of its own: it is broken for good afterwards."""
    stack = EmbeddedStack()
    broker = stack.tree / "deploy/stack/embedded_stack/broker.py"
    text = broker.read_text()
    assert '"log.dirs": str(storage),' in text
    broker.write_text(text.replace('"log.dirs": str(storage),', f'"log.dirs": str(storage) + ",{disk}",'))
    with stack:
        yield stack


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[PlainWorkers]:
    with PlainWorkers(stack, tmp_path) as workers:
        yield workers


def leaders(workers: PlainWorkers) -> dict[int, int]:
    (topic,) = workers.kafka.admin.describe_topics([workers.topic])
    return {each["partition_index"]: each["leader_id"] for each in topic["partitions"]}


def test_a_partition_without_a_leader_is_named_and_the_others_keep_their_figures(
    workers: PlainWorkers, disk: Path
) -> None:
    # Before there is a group: its coordinator must not be on that disk.
    workers.create(PARTITIONS)
    for partition in range(PARTITIONS):
        workers.send(partition, *[b'{"number": 1}'] * 5, timestamp_ms=int((time.time() - AGE) * 1000))
    gone = sorted(int(path.name.rpartition("-")[2]) for path in disk.glob(f"{workers.topic}-*"))
    here = [partition for partition in range(PARTITIONS) if partition not in gone]
    assert gone
    assert here
    shutil.rmtree(disk)
    wait_until(lambda: all(leaders(workers)[partition] == -1 for partition in gone), 60, "their disk is gone")
    names = [f"{workers.topic}-{partition}" for partition in gone]
    settings = load(bootstrap_servers=workers.servers, topic=workers.topic, group=workers.group)

    watch = LagPoller(settings)
    try:
        # The coordinator of the group is new.
        snapshot = wait_until(lambda: taken(watch), 60, "Kafka knows the group")
        point = snapshot.point
        assert (point.unanswered, point.age_unknown, point.lag) == (names, names, 5 * len(here))
        assert point.seconds == pytest.approx(AGE, abs=60)
        assert sorted(tp.partition for tp in snapshot.partitions or {}) == list(range(PARTITIONS))
        assert {tp.partition for tp, part in (snapshot.partitions or {}).items() if not part.answered} == set(gone)
    finally:
        watch.close()

    workers.commit(dict.fromkeys(here, 5))
    status = json.loads(workers.command("status", "--json").stdout)
    assert status["group"]["unanswered"] == {workers.topic: gone}
    assert (status["group"]["partitions"], status["group"]["lag"], status["group"]["lag_partial"]) == (
        PARTITIONS, 0, True,
    )  # fmt: skip
    assert f"no answer    partition {compact_partitions(map(workers.tp, gone))}" in workers.command("status").stdout
    group = GroupClient(settings)
    try:
        assert sorted(tp.partition for tp in group.partition_offsets() or {}) == here, "the watchdog goes on for them"
    finally:
        group.close()
    ran = workers.command("verify")
    assert ran.returncode == 2
    assert all(name in ran.stderr for name in names), "nothing is proven, and it says for which partitions"

    # Another group, which begins the topic at its end: it waits for those without a leader, and not for ever.
    another = f"{workers.group}-another"
    workers.start(WORKERS_START="latest", WORKERS_GROUP=another)

    def begun() -> dict[int, int]:
        found = workers.kafka.admin.list_group_offsets({another: None})[another]
        return {each.partition: commit.offset for each, commit in found.items() if commit.offset >= 0}

    wait_until(lambda: begun() == dict.fromkeys(here, 5), 60 + LEADER_PATIENCE_SECONDS, "the others have begun")
    assert "cannot find out yet where the topic begins" in workers.log()
    workers.send(here[0], b'{"number": 2}')
    wait_until(lambda: begun() == dict.fromkeys(here, 5) | {here[0]: 6}, 30, "what came later is stored")
    assert workers.stop() == 0


def taken(watch: LagPoller) -> LagSnapshot | None:
    with contextlib.suppress(UnavailableError):
        return watch.take_snapshot()
    return None
