"""When `workers lag` asks Kafka, and what it logs of partitions that stand although every worker is well: once when it begins, once when it ends."""

from __future__ import annotations

import threading
import time

import pytest
from structlog.testing import capture_logs

from tests.support.batches import tp
from tests.support.embedded import wait_until
from workers.errors import UnavailableError
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


def test_while_somebody_looks_kafka_is_asked_each_second_and_the_points_stay_as_far_apart(monkeypatch):
    asked = threading.Semaphore(0)
    snapshot = lag_snapshot(1.0, GROUP, {tp(0): STABLE}, {}, {})
    monkeypatch.setattr(LagPoller, "take_snapshot", lambda _self: snapshot)
    monkeypatch.setattr("workers.monitoring.lag_poller.WATCHED_INTERVAL", 0.1)
    poller = LagPoller(load(lag_interval=3_600), asked.release)
    poller.start()
    try:
        assert asked.acquire(timeout=10)
        assert not asked.acquire(timeout=0.3), "nobody looks"
        poller.watch()
        assert all(asked.acquire(timeout=10) for _ in range(5))
        poller.watch()
        assert len(poller.points()) == 1
        assert poller.current() is snapshot
    finally:
        poller.stop()


def test_the_status_of_the_page_has_the_same_answer_or_the_reason_why_there_is_none(monkeypatch):
    polled = threading.Semaphore(0)
    answers = [UnavailableError("no Kafka broker answered")]

    def take(_self):
        raise answers[0]

    monkeypatch.setattr(LagPoller, "take_snapshot", take)
    poller = LagPoller(load(lag_interval=3_600), polled.release)
    with pytest.raises(UnavailableError, match="has not answered yet"):
        poller.look()
    poller.start()
    try:
        assert polled.acquire(timeout=10)
        with pytest.raises(UnavailableError, match="no Kafka broker answered"):
            poller.look()
        assert poller.latest() is None
        poller._polling_since = time.monotonic() - 12
        with pytest.raises(UnavailableError, match="has not answered for 12 s"):
            poller.look()
    finally:
        poller.stop()
