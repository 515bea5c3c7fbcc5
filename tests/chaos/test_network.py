"""The network between the workers and both services, broken in every way that a test of a mere restart never sees.

Each test ends with the same question: is every number there, once? And each is void, that is, it fails, if its fault did
not bite.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.commits import landed
from tests.support.embedded import EmbeddedStack, StackUnavailableError, unavailable, wait_until
from tests.support.oracle import Oracle, Seen, Sent
from tests.support.plain_workers import PlainWorkers
from tests.support.proxy import Proxy
from tests.support.user import acknowledged

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

COUNT = 10_000
PARTITIONS = 4


class Network(NamedTuple):
    """Two servers, and the way to each."""

    stack: EmbeddedStack
    kafka: Proxy
    mongodb: Proxy


@pytest.fixture(scope="module")
def healthy() -> Iterator[Network]:
    with Proxy() as kafka, Proxy() as mongodb:
        try:
            stack = EmbeddedStack({"STACK_KAFKA_ADVERTISED_PORT": str(kafka.port)}).__enter__()
        except StackUnavailableError as reason:
            unavailable(reason)
        try:
            kafka.upstream, mongodb.upstream = stack.kafka_proxied_port, stack.mongodb_port
            # Else clients go round the proxy as soon as they have asked their way.
            assert stack.brokers(kafka.port) == [("127.0.0.1", kafka.port)]
            yield Network(stack, kafka, mongodb)
        finally:
            stack.remove()


@pytest.fixture
def network(healthy: Network) -> Iterator[Network]:
    yield healthy
    healthy.kafka.heal()
    healthy.mongodb.heal()


class Behind(PlainWorkers):
    """Workers that have both services behind the proxies; the user who watches them has not."""

    def __init__(self, network: Network, folder: Path, **settings: str) -> None:
        super().__init__(
            network.stack,
            folder,
            {
                "WORKERS_SESSION_TIMEOUT": "6",
                "WORKERS_HEARTBEAT_INTERVAL": "0.5",
                "WORKERS_MAX_POLL_RECORDS": "200",
                **settings,
            },
        )
        self._proxied = {
            "WORKERS_BOOTSTRAP_SERVERS": network.kafka.address,
            "WORKERS_MONGODB_URI": f"mongodb://{network.mongodb.address}",
        }
        self.restarts: list[int] = []
        self.create(PARTITIONS)

    def begin(self, *slots: int, **settings: str) -> None:
        for slot in slots:
            self.start(slot, **{**self._proxied, **settings})

    def committed(self) -> int:
        """In all partitions."""
        return sum(self.kafka.committed().values())

    def assert_no_commit_went_back(self) -> None:
        """One that did is a stale one that landed, wherever the next one may have put the group right again."""
        commits = landed(self.servers, self.group, self.topic)
        assert sum(offsets[-1] for offsets in commits.values()) == self.committed(), "void: not all commits are here"
        assert {partition: offsets for partition, offsets in commits.items() if offsets != sorted(offsets)} == {}

    def keep(self) -> None:
        """What supervisord does: one that has ended is started again, and its exit code kept."""
        for slot in [slot for slot in self.running if not self.alive(slot)]:
            self.restarts.append(self.running[slot].returncode)
            self.begin(slot)

    def finish(self, count: int = COUNT, seconds: float = 60) -> None:
        """Wait until all is committed, then hold what is stored against what Kafka acknowledged."""

        def done() -> bool:
            self.keep()
            return self.committed() >= count

        try:
            wait_until(done, seconds, f"{count} are committed")
        except TimeoutError as error:
            raise TimeoutError(
                f"{error}; it is {self.kafka.committed()}; {self.log()[-1500:]}{self.log(1)[-1500:]}"
            ) from None
        (topic,) = self.kafka.admin.describe_topics([self.topic])
        oracle = Oracle(f"{self.topic}-{str(topic['topic_id'])[:8]}/")
        for (partition, offset), value in self.kafka.values().items():
            oracle.acknowledged(Sent(partition, offset, value))
        assert len(oracle.sent) == count
        committed = self.kafka.committed()
        documents, letters = self.contents()
        oracle.end(Seen(committed, {each["_id"]: each for each in documents}, [each["_id"] for each in letters]))
        assert self.verify().code == 0

    def logs(self) -> str:
        return self.log(0) + self.log(1)

    def redelivered(self) -> int:
        """Records that came again and were found stored. From the logs: counters do not survive a restart."""
        return sum(int(count) for count in re.findall(r"\bduplicates=(\d+)", self.logs()))

    def has_members(self) -> bool:
        """Whether the broker counts anybody in the group, whatever state that is in."""
        return bool(self.kafka.admin.describe_groups([self.group])[self.group]["members"])

    def pids(self) -> list[int]:
        return [worker.pid for worker in self.running.values()]

    def hold_a_write(self, proxy: Proxy, slot: int = 0) -> None:
        """Stop a worker (SIGSTOP) while its write is on the way and cannot arrive, and all before it is committed."""
        proxy.hang("up")
        wait_until(lambda: proxy.held > 2_000, 20, "a write is on the way")
        wait_until(
            lambda: self.total("workers_commits_total", slot, result="ok") == self.total("workers_batches_total", slot),
            20,
            "the batch before it is committed",
        )
        os.kill(self.running[slot].pid, signal.SIGSTOP)


def test_connections_that_are_reset_every_second_lose_nothing(network: Network, tmp_path: Path) -> None:
    with Behind(network, tmp_path) as workers:
        workers.begin(0, 1)
        workers.wait_owned(2, 2)
        before = network.kafka.cut, network.mongodb.cut
        network.kafka.reset_every(1.0)
        network.mongodb.reset_every(1.1)
        producing = workers.producing("--count", str(COUNT), "--interval", "0.0008")
        wait_until(lambda: workers.committed() >= COUNT * 0.8, 60, "most of it is done while the network breaks")
        wait_until(lambda: network.kafka.cut - before[0] > 8 and network.mongodb.cut - before[1] > 8, 30, "cuts")
        acknowledged(producing)
        network.kafka.heal()
        network.mongodb.heal()
        workers.finish()
        assert workers.redelivered() or "the database is unavailable" in workers.logs(), "void: no write was cut off"
        assert set(workers.restarts) <= {69}, workers.restarts


def test_a_slow_way_to_the_database_makes_batches_smaller_and_loses_nothing(network: Network, tmp_path: Path) -> None:
    count, most = 4_000, 3_000
    with Behind(network, tmp_path, WORKERS_MAX_POLL_RECORDS=str(most), WORKERS_WRITE_TIMEOUT="1.5") as workers:
        workers.produce("--count", str(count))
        network.mongodb.delay, network.mongodb.bytes_per_second = 0.3, 150_000
        workers.begin(0)
        workers.finish(count)
        assert workers.total("workers_write_retries_total", reason="timeout") >= 1, "void: no write took too long"
        sizes = [int(size) for size in re.findall(r"event=batch .*\brecords=(\d+)", workers.log())]
        assert max(sizes[:3]) < most, sizes
        assert workers.total("workers_rebalances_total", event="lost") == 0
        assert workers.restarts == []


def test_a_database_that_takes_connections_and_never_answers_is_waited_for(network: Network, tmp_path: Path) -> None:
    timeouts = {"WORKERS_WRITE_TIMEOUT": "2", "WORKERS_COMMIT_TIMEOUT": "2"}
    with Behind(network, tmp_path, **timeouts) as workers:
        workers.begin(0, 1)
        workers.wait_owned(2, 2)
        members, pids = workers.kafka.members(), workers.pids()
        rebalances = [workers.total("workers_rebalances_total", slot) for slot in (0, 1)]
        producing = workers.producing("--count", str(COUNT), "--interval", "0.0004")
        wait_until(lambda: workers.committed() > 1_000, 30, "it is under load")
        network.mongodb.hang()
        for slot in (0, 1):
            wait_until(
                lambda slot=slot: workers.total("workers_write_retries_total", slot) >= 3,
                40,
                f"worker {slot} has tried, and again",
            )
        acknowledged(producing)
        assert workers.committed() < COUNT, "void: everything was done before the database was silent"
        assert workers.total("workers_write_retries_total", reason="timeout") >= 1, "void: no write was on the way"
        # What is still on the way is lost: else a write that failed may arrive after all, and hide that it was given up.
        network.mongodb.refuse()
        network.mongodb.heal()
        workers.finish()
        assert (workers.kafka.members(), workers.pids()) == (members, pids)
        assert [workers.total("workers_rebalances_total", slot) for slot in (0, 1)] == rebalances
        assert workers.logs().count("the database is available again") == 2
        workers.assert_no_commit_went_back()


def test_a_broker_out_of_reach_for_longer_than_the_session_is_waited_for(network: Network, tmp_path: Path) -> None:
    with Behind(network, tmp_path) as workers:
        workers.begin(0, 1)
        workers.wait_owned(2, 2)
        producing = workers.producing("--count", str(COUNT), "--interval", "0.0004")
        wait_until(lambda: workers.committed() > 1_000, 30, "it is under load")
        network.kafka.refuse()
        acknowledged(producing)
        wait_until(lambda: not workers.has_members(), 30, "the broker has given up both workers")
        assert workers.committed() < COUNT, "void: everything was done before the broker was away"
        network.kafka.heal()
        workers.finish()
        workers.wait_owned(2, 2)
        assert set(workers.restarts) <= {69}, workers.restarts


def test_a_turn_longer_than_the_poll_interval_costs_the_membership_and_nothing_else(
    network: Network, tmp_path: Path
) -> None:
    settings = {
        "WORKERS_SESSION_TIMEOUT": "60",
        "WORKERS_WRITE_TIMEOUT": "2",
        "WORKERS_COMMIT_TIMEOUT": "1",
        "WORKERS_MAX_POLL_INTERVAL": "7",
        # Else a turn as long as this one ends the process.
        "WORKERS_STALL_TIMEOUT": "0",
    }
    with Behind(network, tmp_path, **settings) as workers:
        workers.produce("--count", str(COUNT))
        workers.begin(0)
        wait_until(lambda: workers.committed() > 1_000, 30, "it is under load")
        pid = workers.running[0].pid
        workers.hold_a_write(network.mongodb)
        held = workers.committed()
        network.mongodb.heal()
        workers.begin(1)
        wait_until(lambda: workers.committed() > held, 40, "the other one goes on, with all partitions")
        assert workers.total("workers_assigned_partitions", 1) == PARTITIONS
        assert held < COUNT, "void: everything was done before the turn was too long"
        os.kill(pid, signal.SIGCONT)
        workers.finish()
        workers.wait_owned(2, 2)
        assert (workers.running[0].pid, workers.restarts) == (pid, []), "it ended for being late"
        assert workers.redelivered() > 0, "void: nothing of the long turn was stored"
        assert "commit=rebalanced" in workers.log(0) or "the database is unavailable" in workers.log(0), "void"
        workers.assert_no_commit_went_back()


def test_the_commit_of_a_worker_that_came_back_from_the_dead_has_no_effect(network: Network, tmp_path: Path) -> None:
    # The write may take longer than it will be held.
    settings = {"WORKERS_WRITE_TIMEOUT": "45", "WORKERS_DRAIN_TIMEOUT": "55", "WORKERS_STALL_TIMEOUT": "100"}
    with Proxy(network.stack.mongodb_port) as own, Behind(network, tmp_path, **settings) as workers:
        workers.produce("--count", str(COUNT))
        workers.begin(0, WORKERS_MONGODB_URI=f"mongodb://{own.address}")
        wait_until(lambda: workers.committed() > 1_000, 30, "it is under load")
        workers.hold_a_write(own)
        workers.begin(1)
        # All that this one has in hand, wherever it is, is done by the other one.
        workers.wait_committed(seconds=40)
        # Only now does the write arrive, at a database that has all of it; and then its commit.
        own.heal()
        os.kill(workers.running[0].pid, signal.SIGCONT)
        wait_until(
            lambda: workers.total("workers_commits_total", result="rebalanced") >= 1,
            20,
            "the one from the dead has tried to commit, and was refused",
        )
        workers.finish()
        workers.wait_owned(2, 2)
        # The one that was held, and perhaps the one that it read meanwhile.
        refused = re.findall(r"batch written, but not committed.*", workers.log(0))
        assert len(refused) in (1, 2), workers.log(0)[-1500:]
        assert "duplicates=" in refused[0], f"void: its write came before that of the other one; {refused}"
        assert workers.restarts == []
        workers.assert_no_commit_went_back()
