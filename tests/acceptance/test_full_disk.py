"""A fleet whose disk is full, below its logs and its state, stores on; and when there is room, nothing is held back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.fleet import Fleet
from tests.support.full_disk import Disk, full_disk
from workers.errors import UnavailableError

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

T = TypeVar("T")
PARTITIONS = 2
TWO = "[program:worker]\nnumprocs=2\n"


@pytest.fixture
def disk_and_fleet(stack: EmbeddedStack) -> Iterator[tuple[Disk, Fleet]]:
    """Everything that the fleet writes, its logs, state, events and sockets, is on a disk of one MiB."""
    fleet = Fleet(stack, {"WORKERS_HEALTHY_AFTER": "2", "WORKERS_MAX_POLL_RECORDS": "20"})
    try:
        fleet.local_d("two", TWO)
        fleet.kafka.create(PARTITIONS)
        with full_disk(fleet.tree / "var", fill=False, size="1m") as disk:
            for folder in ("log", "run"):
                (disk.folder / folder).mkdir()
            fleet.start()
            try:
                yield disk, fleet
            finally:
                fleet.stop()
    finally:
        fleet.remove()


def patiently(ask: Callable[[], T]) -> T:
    """supervisord's answer: one whose own log cannot be written may close a connection without one."""

    def answer() -> tuple[T] | None:
        with contextlib.suppress(UnavailableError):
            return (ask(),)
        return None

    (answered,) = wait_until(answer, 30, "supervisord answers")
    return answered


def kill_and_wait(fleet: Fleet) -> None:
    old = patiently(lambda: fleet.kill(0))
    wait_until(lambda: patiently(lambda: fleet.pid(0)) not in (None, old), 30, "it is restarted")
    patiently(lambda: fleet.wait_assigned(PARTITIONS))


def test_a_fleet_whose_disk_is_full_stores_on_and_is_not_held_back_when_there_is_room(disk_and_fleet):
    disk, fleet = disk_and_fleet
    fleet.wait_assigned(PARTITIONS)
    fleet.produce("--count", "200")
    fleet.wait_committed()
    disk.fill()

    fleet.produce("--start", "200", "--count", "400")
    fleet.wait_committed()
    assert [fleet.page(slot, "/readyz") for slot in (0, 1)] == [(200, "ok\n")] * 2, "what was there is written on"
    for _ in range(3):
        kill_and_wait(fleet)
    fleet.produce("--start", "600", "--count", "400")
    fleet.wait_committed()
    watchdog, lag = (scrape.page(port, "/metrics") for port in (fleet.watchdog_port, fleet.lag_port))
    assert (watchdog[0], lag[0]) == (200, 200)
    starts = scrape.total(scrape.parse(watchdog[1]), "workers_process_starts_total", process="worker_00")
    assert starts == 4, "nobody but those who were killed"

    disk.make_room()
    for slot in (0, 1):
        wait_until(lambda: fleet.page(slot, "/readyz") == (200, "ok\n"), 30, f"{fleet.page(slot, '/readyz')} ends")  # noqa: B023
    kill_and_wait(fleet)
    assert "crash-loop backoff" not in fleet.log(0)[-2_000:]
    verdict = fleet.verify()
    assert verdict.code == 0, verdict
    assert len(fleet.documents()) == 1_000
