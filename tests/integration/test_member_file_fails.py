"""A worker whose member file cannot be written is known, and evicted after its death, by its heartbeat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.embedded import wait_until
from tests.support.plain_workers import PlainWorkers
from workers.fleet.status.collector import StatusCollector
from workers.settings import load
from workers.settings.paths import StatePaths
from workers.state.slot import Slot

pytestmark = pytest.mark.integration


def test_it_is_a_member_for_status_and_is_not_in_its_successors_way(stack, tmp_path: Path) -> None:
    state = tmp_path / "var/run"
    state.mkdir(parents=True)
    with PlainWorkers(stack, tmp_path, {"WORKERS_STATE_DIR": str(state)}) as workers:
        workers.kafka.create(2)
        settings = load(
            bootstrap_servers=stack.bootstrap_servers,
            mongodb_uri=stack.mongodb_uri,
            topic=workers.topic,
            group=workers.group,
        )
        # As on a disk that was full when the worker started.
        Slot(state, workers.group, "worker_00").file("member").mkdir()
        killed = workers.start()
        workers.wait_owned(2)
        with StatusCollector(settings, StatePaths(tmp_path), every=0.3) as status:
            found = wait_until(lambda: (now := status.collect()).group and now.slots and now, 20, "Kafka has answered")
        assert found.group
        (slot,) = found.slots
        assert (slot.problem, slot.in_group, found.group.unowned) == (None, True, [])
        assert [member.member_id for member in found.group.members] == [slot.member_id]

        killed.kill()
        killed.wait()
        workers.start()
        wait_until(lambda: "took over from the predecessor" in workers.log(), 20, "the dead member is evicted")
        line = next(each for each in workers.log().splitlines() if "took over from the predecessor" in each)
        assert f"member={slot.member_id}" in line
        assert "was_still_member=true" in line.lower()
        workers.wait_owned(2)
        assert workers.stop() == 0
