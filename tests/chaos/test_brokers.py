"""Three brokers, and the loss of each that matters: the coordinator's, a leader's, the controller's, two of three.

The workers are plain processes: nobody starts one again, so one that ends is seen. The figures are printed (`pytest -s`);
the limits are wide, because a machine that runs tests is busy.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from kafka.admin import NewTopic

from embedded_stack.settings import BROKERS
from tests.support.cluster import Cluster
from tests.support.embedded import StackUnavailableError, unavailable, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.user import acknowledged
from workers.kafka.admin import Admin
from workers.settings import load

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

WORKERS = 4
PARTITIONS = 8
QUORUM_LOST_SECONDS = 15
MAX_PAUSE_SECONDS = 30.0
"""Of all workers together. Measured on an idle machine: 1 to 9 s; without a quorum, 8 s more than it lasts."""
MAX_LINES_A_SECOND = 5.0
"""Warnings and errors of one worker, on average over a fault."""


class Watch:
    """Looks at what is stored, all the time: the longest pause of each fault, and the workers' lines and processor time."""

    def __init__(self, workers: PlainWorkers) -> None:
        self._workers = workers
        self._stop = threading.Event()
        self._pause = 0.0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        stored, since = 0, time.monotonic()
        while not self._stop.wait(0.2):
            now = self._workers.numtest.estimated_document_count()
            self._pause = max(self._pause, time.monotonic() - since)
            if now != stored:
                stored, since = now, time.monotonic()

    def during(self, name: str, fault: Callable[[], object]) -> None:
        """Do it, let the fleet go on for a while, and print what was seen."""
        lines, cpu, began = self._lines(), self._cpu(), time.monotonic()
        self._pause = 0.0
        fault()
        stored = self._workers.numtest.estimated_document_count()
        wait_until(
            lambda: self._workers.numtest.estimated_document_count() > stored + 500, 90, f"records flow again: {name}"
        )
        seconds, logged = time.monotonic() - began, self._lines() - lines
        burst = max((logged or {"-": 0}).values())
        rate = logged.total() / WORKERS / seconds
        print(  # noqa: T201 the figures
            f"{name:<42} pause {self._pause:5.1f} s, log {rate:6.2f} lines/s a worker, at most {burst:4} in a second, "
            f"cpu {(self._cpu() - cpu) / WORKERS / seconds:.2f} ({seconds:.0f} s)"
        )
        assert all(self._workers.alive(slot) for slot in range(WORKERS)), f"a worker has ended: {name}"
        assert rate < MAX_LINES_A_SECOND, self._workers.log()[-3000:]
        assert self._pause < MAX_PAUSE_SECONDS + (QUORUM_LOST_SECONDS if "two" in name else 0)

    def _lines(self) -> Counter[tuple[int, str]]:
        """Warnings and errors, by worker and second."""
        return Counter(
            (slot, stamp)
            for slot in range(WORKERS)
            for stamp in re.findall(r"timestamp=(\S+)\.\d+Z level=(?!info)", self._workers.log(slot))
        )

    def _cpu(self) -> float:
        times = [psutil.Process(self._workers.running[slot].pid).cpu_times() for slot in range(WORKERS)]
        return sum(each.user + each.system for each in times)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    started = Cluster()
    try:
        yield started.__enter__()
    except StackUnavailableError as reason:
        unavailable(reason)
    finally:
        started.remove()


def test_no_record_is_lost_and_no_worker_ends_when_brokers_go(cluster: Cluster, tmp_path: Path) -> None:
    with PlainWorkers(cluster, tmp_path) as workers:
        workers.kafka.admin.create_topics([NewTopic(workers.topic, PARTITIONS, 3)])
        for slot in range(WORKERS):
            workers.start(slot)
        workers.wait_owned(*[PARTITIONS // WORKERS] * WORKERS)
        producing = workers.producing("--count", "10000000", "--interval", "0.003")
        wait_until(lambda: workers.numtest.estimated_document_count() > 500, 60, "records flow")
        watch = Watch(workers)
        try:
            watch.during("steady", lambda: None)
            watch.during("rolling restart", lambda: restart(cluster, workers.topic))
            watch.during(
                "kill -9 of the coordinator's broker",
                lambda: kill(cluster, workers.topic, cluster.coordinator(workers.group)),
            )
            watch.during(
                "kill -9 of a leader's broker", lambda: kill(cluster, workers.topic, cluster.leader(workers.topic))
            )
            watch.during("kill -9 of the controller", lambda: kill(cluster, workers.topic, cluster.controller()))
            watch.during("two of three away", lambda: lose_quorum(cluster, workers.topic))
        finally:
            watch.stop()
        producing.send_signal(signal.SIGINT)
        sent = acknowledged(producing)
        verdict = workers.verify("--wait", "60")
        assert (verdict.code, verdict.total("kafka")) == (0, verdict.total("stored")), verdict.report
        assert workers.dead_letters() == []
        assert verdict.total("kafka") == sent["acknowledged"] > 2_000


def test_a_partition_without_a_leader_waits_and_the_others_flow(cluster: Cluster, tmp_path: Path) -> None:
    """One copy of each, and a rebalance while one broker is away: that ended the worker, and each that followed it."""
    with PlainWorkers(cluster, tmp_path) as workers:
        workers.kafka.admin.create_topics([NewTopic(workers.topic, 6, 1)])
        for partition in range(6):
            workers.numbers(partition, partition * 10, 5)
        workers.start(0)
        workers.start(1)
        workers.wait_owned(3, 3)
        workers.wait_committed()
        coordinator = cluster.coordinator(workers.group)
        away = next(broker for broker in BROKERS if broker != coordinator)
        orphans = {partition for partition in range(6) if cluster.leader(workers.topic, partition) == away}
        others = set(range(6)) - orphans
        assert orphans, "void: every partition has its leader"
        keep_down(cluster, away)
        wait_until(
            lambda: "does not tell the offsets of" in workers.verify().report.get("error", ""), 60, "it has no leader"
        )

        assert workers.stop(1) == 0
        for partition in others:
            workers.numbers(partition, partition * 10 + 5, 5)
        wait_until(
            lambda: all(workers.kafka.committed().get(partition) == 10 for partition in others),
            40,
            "the others are read by the worker that is left",
        )
        assert workers.alive(0), workers.log(0)[-2000:]

        cluster._client.start(away)
        cluster.wait_ready()
        for partition in orphans:
            workers.numbers(partition, partition * 10 + 5, 5)
        workers.wait_committed()
        verdict = workers.verify()
        assert (verdict.code, verdict.total("stored")) == (0, 60)


def test_a_command_finds_the_coordinator_that_has_moved(cluster: Cluster, tmp_path: Path) -> None:
    """It was asked before, as by `verify --wait`, `lag` or a drill; the client keeps that answer."""
    with PlainWorkers(cluster, tmp_path) as workers:
        workers.kafka.admin.create_topics([NewTopic(workers.topic, 1, 3)])
        workers.numbers(0, 0, 5)
        workers.start(0)
        workers.wait_committed()
        with Admin(load(bootstrap_servers=workers.servers, topic=workers.topic, group=workers.group)) as admin:
            topic = admin.topic(workers.topic)
            assert topic is not None
            before = admin.answered_offsets(topic, workers.group)
            known = admin._client._manager.cluster._coordinators
            assert known, "void: nothing is kept"
            # To a broker that is none for the client, it has moved.
            known.update({key: node % len(BROKERS) + 1 for key, node in known.items()})

            assert admin.answered_offsets(topic, workers.group) == before
            assert admin.group(workers.group, workers.topic).members


def restart(cluster: Cluster, topic: str) -> None:
    for broker in cluster.programs[:3]:
        cluster.stop_program(broker)
        cluster.start_program(broker)
        cluster.wait_in_sync(topic)


def kill(cluster: Cluster, topic: str, broker: str) -> None:
    """supervisord starts it again at once; the controller takes it for dead only after 9 s."""
    old = cluster.kill(broker)
    wait_until(lambda: cluster.pid(broker) not in (None, old), 30, f"{broker} is restarted")
    cluster.wait_ready([broker])
    cluster.wait_in_sync(topic)


def lose_quorum(cluster: Cluster, topic: str) -> None:
    for broker in ("kafka_2", "kafka_3"):
        keep_down(cluster, broker)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > QUORUM_LOST_SECONDS, 60, "it lasted long enough")
    for broker in ("kafka_2", "kafka_3"):
        cluster._client.start(broker)
    cluster.wait_ready()
    cluster.wait_in_sync(topic)


def keep_down(cluster: Cluster, broker: str) -> None:
    """kill -9, and supervisord does not start it again."""
    pid = cluster.pid(broker)
    assert pid is not None
    cluster._client.call("stopProcess", broker, False)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: cluster.pid(broker) is None, 20, f"{broker} is down")
