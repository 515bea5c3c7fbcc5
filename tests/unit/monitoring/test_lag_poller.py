"""What `workers lag` logs of partitions that stand although every worker is well: once when it begins, once when it ends."""

from __future__ import annotations

import threading

from structlog.testing import capture_logs

from tests.support.batches import tp
from tests.support.embedded import wait_until
from workers.kafka.admin import GroupDescription
from workers.kafka.open_transactions import OpenTransaction
from workers.kafka.partition_offsets import PartitionOffsets
from workers.monitoring.lag import lag_snapshot
from workers.monitoring.lag_poller import LagPoller
from workers.settings import load

GROUP = GroupDescription("Stable", {})
STABLE, UNSTABLE = PartitionOffsets(0, 100, 100), PartitionOffsets(0, 100, 100, unstable=40)


def standing(seconds: float):
    return lag_snapshot(
        1.0,
        GROUP,
        {tp(0): UNSTABLE},
        {},
        {},
        open_transactions={tp(0): OpenTransaction(100, 40, seconds, "record")},
        unanswered=[tp(1)],
    )


def test_what_stands_is_logged_once_and_so_is_its_end(monkeypatch):
    left = [standing(75.0), standing(76.0), lag_snapshot(1.0, GROUP, {tp(0): STABLE, tp(1): STABLE}, {}, {})]
    seen = threading.Semaphore(0)
    monkeypatch.setattr(LagPoller, "take_snapshot", lambda _self: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr("workers.monitoring.lag_poller.STOP_SECONDS", 10.0)
    poller = LagPoller(load(lag_interval=1), seen.release)
    monkeypatch.setattr(poller, "interval", 0.1)

    with capture_logs() as logs:
        poller.start()
        wait_until(lambda: seen.acquire(timeout=1) and len(left) == 1 and seen.acquire(timeout=1), 20, "all are taken")
        poller.stop()

    told = [(each["log_level"], each["partition"], each["event"].partition(";")[0]) for each in logs]
    assert told == [
        ("warning", 0, "a transaction stays open"),
        ("warning", 1, "Kafka does not answer for a partition"),
        ("info", 0, "a partition can be read again"),
        ("info", 1, "a partition can be read again"),
    ]
    assert (logs[0]["offset"], logs[0]["unstable"], logs[0]["seconds"]) == (100, 40, 75.0)
