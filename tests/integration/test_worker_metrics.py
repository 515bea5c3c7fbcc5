"""The metrics of a real worker count what happened: a known input, a commit that is refused, a rebalance, an outage."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import MemberToRemove

from embedded_stack.processes import tied
from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PlainWorkers
from tests.support.ports import free_row
from tests.support.user import BIN, User
from workers.errors import ExitCode

pytestmark = pytest.mark.integration

PARTITIONS = 2
STALE_SECONDS = 1.0
"""Four polls: a loop that has not polled for so long is waiting for its write."""


class Workers(User):
    """Workers without a supervisord, one a slot."""

    def __init__(self, stack: EmbeddedStack, folder: Path) -> None:
        self.port = free_row(2)
        settings = {"WORKERS_METRICS_PORT": str(self.port), "WORKERS_STATE_DIR": str(folder)}
        super().__init__(stack, folder, settings)
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, slot: int) -> subprocess.Popen[bytes]:
        with (self.folder / f"worker_{slot:02d}.log").open("ab") as out:
            worker = subprocess.Popen(
                tied(str(BIN / "workers"), "run"),
                env={**self.environment, "WORKERS_SLOT": str(slot)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.running.append(worker)
        return worker

    def total(self, name: str, slot: int = 0, **labels: str) -> float:
        return scrape.total(scrape.metrics(self.port + slot), name, **labels)

    def page(self, path: str) -> tuple[int, str]:
        return scrape.page(self.port, path)

    def wait_owned(self, *owned: int) -> None:
        """Until the workers own so many partitions, in the order of their slots."""
        wait_until(
            lambda: owned == tuple(self.total("workers_assigned_partitions", slot) for slot in range(len(owned))),
            30,
            f"the workers own {owned} partitions",
        )

    def wait_committed(self) -> None:
        wait_until(lambda: self.kafka.committed() == self.kafka.ends(), 60, "everything is committed")

    def close(self) -> None:
        for worker in self.running:
            worker.terminate()
        for worker in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(20)
            worker.kill()
            worker.wait()
        super().close()


@pytest.fixture
def workers(stack: EmbeddedStack, tmp_path: Path) -> Iterator[Workers]:
    running = Workers(stack, tmp_path)
    try:
        running.kafka.create(PARTITIONS)
        running.start(0)
        running.wait_owned(PARTITIONS)
        yield running
    finally:
        running.close()


def test_records_are_counted_by_what_became_of_them(workers: Workers) -> None:
    first = scrape.metrics(workers.port)
    for result in ("ok", "rebalanced", "timeout", "error"):
        assert ({"result": result}, 0.0) in first["workers_commits_total"]
    lines = [b'{"number": %d}' % number for number in range(300)] + [b"not json", b"[]", b"[]", b"\xff"]
    sent = workers.command("produce", "--from", "-", "--json", input=b"\n".join(lines), text=False)
    assert json.loads(sent.stdout)["acknowledged"] == len(lines)
    workers.wait_committed()
    wait_until(lambda: workers.total("workers_records_total") == len(lines), 10, "all are counted")

    held = Counter((place[0], value.startswith(b"{")) for place, value in workers.kafka.values().items())
    assert sum(held.values()) == len(lines)
    for partition in range(PARTITIONS):
        for outcome, count in (
            ("stored", held[partition, True]),
            ("dead_lettered", held[partition, False]),
            ("duplicate", 0),
        ):
            labels = {"topic": workers.topic, "partition": str(partition), "outcome": outcome}
            assert workers.total("workers_records_total", **labels) == count
    for reason, count in (("not_json", 1), ("not_an_object", 2), ("not_utf8", 1), ("empty", 0)):
        assert workers.total("workers_dead_letters_total", reason=reason) == count
    batches = workers.total("workers_batches_total")
    wait_until(lambda: workers.total("workers_commits_total", result="ok") == batches > 0, 10, "a commit a batch")
    assert workers.total("workers_commits_total") == workers.total("workers_commits_total", result="ok")
    assert workers.total("workers_write_seconds_count") == batches
    assert time.time() - 60 < workers.total("workers_last_commit_timestamp_seconds") <= time.time()
    assert workers.total("process_cpu_seconds_total") > 0
    assert workers.total("workers_build_info") == 1


def test_a_rebalance_is_counted_by_both_sides(workers: Workers) -> None:
    assert workers.total("workers_rebalances_total", event="assigned") == 1
    assert workers.total("workers_rebalances_total", event="revoked") == 0
    second = workers.start(1)
    workers.wait_owned(1, 1)
    assert workers.total("workers_rebalances_total", event="revoked") == 1
    assert workers.total("workers_rebalances_total", event="assigned") == 2
    assert workers.total("workers_rebalances_total", slot=1, event="assigned") == 1
    second.terminate()
    assert second.wait(20) == 0
    workers.wait_owned(PARTITIONS)
    assert workers.total("workers_rebalances_total", event="assigned") == 3
    assert workers.total("workers_rebalances_total", event="lost") == 0


def test_a_refused_commit_is_counted_and_its_records_come_again(workers: Workers, stack: EmbeddedStack) -> None:
    """The database stands still while it has a batch; meanwhile the worker is thrown out of the group."""
    workers.produce("--count", "50")
    workers.wait_committed()
    database = stack.kill("ferretdb", signal.SIGSTOP)
    try:
        workers.produce("--start", "50", "--count", "50")
        wait_until(
            lambda: time.time() - workers.total("workers_last_poll_timestamp_seconds") > STALE_SECONDS,
            20,
            "the worker waits for its write",
        )
        (member,) = workers.kafka.members()
        removed = MemberToRemove(member_id=member.split()[1])
        workers.kafka.admin.remove_group_members(workers.group, [removed])
    finally:
        os.kill(database, signal.SIGCONT)
    workers.wait_committed()
    wait_until(
        lambda: (
            workers.total("workers_records_total") == 100 + workers.total("workers_records_total", outcome="duplicate")
        ),
        10,
        "all are counted",
    )

    assert workers.total("workers_commits_total", result="rebalanced") == 1
    assert workers.total("workers_records_total", outcome="stored") == 100
    assert 0 < workers.total("workers_records_total", outcome="duplicate") <= 50
    assert workers.total("workers_rebalances_total", event="lost") == 1
    assert sorted(workers.documents().values()) == list(range(100))
    assert workers.verify().code == 0


def test_ready_follows_the_database_and_health_does_not(workers: Workers, stack: EmbeddedStack) -> None:
    wait_until(lambda: workers.page("/readyz") == (200, "ok\n"), 10, "it is ready")
    stack.stop_program("ferretdb")
    try:
        wait_until(lambda: workers.page("/readyz")[0] == 503, 20, "it is not ready")
        assert workers.page("/readyz")[1].startswith("MongoDB: ")
        assert workers.page("/healthz") == (200, "ok\n")
    finally:
        stack.start_program("ferretdb")
    wait_until(lambda: workers.page("/readyz") == (200, "ok\n"), 20, "it is ready again")


def test_an_outage_is_counted_by_its_retries_and_loses_no_count(workers: Workers, stack: EmbeddedStack) -> None:
    names = {name: len(found) for name, found in scrape.metrics(workers.port).items()}
    stack.stop_program("ferretdb")
    try:
        workers.produce("--count", "40")
        wait_until(lambda: workers.total("workers_write_retries_total") >= 1, 40, "it tries again")
        assert workers.total("workers_records_total") == 0
        assert workers.total("workers_commits_total") == 0
        assert workers.total("workers_assigned_partitions") == PARTITIONS
    finally:
        stack.start_program("ferretdb")
    workers.wait_committed()
    wait_until(lambda: workers.total("workers_records_total") == 40, 10, "all are counted")
    assert workers.total("workers_records_total", outcome="stored") == 40
    assert workers.total("workers_dead_letters_total") == 0
    assert workers.total("workers_rebalances_total", event="lost") == 0
    grown = {name: len(found) for name, found in scrape.metrics(workers.port).items()}
    assert grown == names, (
        "every series was there from the beginning: rate() sees the first event, and pages do not grow"
    )


def test_a_worker_whose_port_is_taken_works_without_metrics_if_it_is_told_so(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    with PlainWorkers(stack, tmp_path) as workers, socket.create_server(("127.0.0.1", workers.port)):
        workers.kafka.create(1)
        workers.numbers(0, 0, 10)
        assert workers.start().wait(30) == ExitCode.UNAVAILABLE
        assert "cannot serve metrics" in workers.log()
        workers.start(WORKERS_METRICS_OPTIONAL="true")
        workers.wait_committed({0: 10})
        assert "works without metrics" in workers.log()
        assert workers.stop() == 0
