"""Workers without a supervisord, on a topic, a group and a database of their own, all of it removed afterwards.

with PlainWorkers(stack, folder) as workers:
    workers.kafka.create(2)
    workers.send(0, b'{"number": 1}')
    workers.start()
    workers.wait_committed()
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError
from pymongo import MongoClient
from pymongo.collection import Collection

from embedded_stack.processes import tied
from tests.support import scrape
from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.ports import free_row
from tests.support.user import BIN, Services, User

SLOTS = 4
PATIENCE_SECONDS = 60


class PlainWorkers(User):
    """`settings` are WORKERS_* variables over those chosen here."""

    def __init__(
        self, stack: EmbeddedStack | Services, folder: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_row(SLOTS)
        own = {"WORKERS_METRICS_PORT": str(self.port), "WORKERS_STATE_DIR": str(folder)}
        super().__init__(stack, folder, {**own, **(settings or {})})
        self.servers = stack.bootstrap_servers
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self._producer: KafkaProducer | None = None
        self._client: MongoClient[dict[str, Any]] = MongoClient(stack.mongodb_uri, tz_aware=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Kafka

    def create(self, partitions: int, **configs: str) -> None:
        """With settings of the topic's own: `max_message_bytes="20000000"`."""
        named = {name.replace("_", "."): value for name, value in configs.items()}
        self.kafka.admin.create_topics([NewTopic(self.topic, partitions, 1, topic_configs=named)])

    def send(self, partition: int, *values: bytes | None, **options: Any) -> list[int]:
        """Returns the offsets."""
        if self._producer is None:
            self._producer = KafkaProducer(bootstrap_servers=self.servers, max_request_size=32 << 20, linger_ms=5)
        sent = [self._producer.send(self.topic, value, partition=partition, **options) for value in values]
        return [each.get(PATIENCE_SECONDS).offset for each in sent]

    def numbers(self, partition: int, first: int, count: int) -> list[int]:
        return self.send(partition, *[b'{"number": %d}' % number for number in range(first, first + count)])

    def forget_producer(self) -> None:
        """The next record is sent by one that knows nothing of the topic as it was."""
        if self._producer is not None:
            self._producer.close(timeout=5)
            self._producer = None

    def forget_commits(self) -> None:
        """The group has no members any more; the next one begins at the beginning."""
        offsets = self.kafka.admin.list_group_offsets({self.group: None})[self.group]
        self.kafka.admin.delete_group_offsets(self.group, list(offsets))
        assert self.kafka.committed() == {}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """As a person would, while the group has no members."""
        commits = {TopicPartition(self.topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}
        self.kafka.admin.alter_group_offsets(self.group, commits)

    def delete_records(self, partition: int, before: int) -> None:
        self.kafka.admin.delete_records({TopicPartition(self.topic, partition): before})

    # MongoDB

    @property
    def numtest(self) -> Collection[dict[str, Any]]:
        return self._client[self.database].numtest

    @property
    def letters(self) -> Collection[dict[str, Any]]:
        return self._client[self.database].numtest_dead_letters

    def contents(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Both collections whole, in the order of their ids."""
        return (
            sorted(self.numtest.find(), key=lambda each: each["_id"]),
            sorted(self.letters.find(), key=lambda each: each["_id"]),
        )

    # Processes

    def start(self, slot: int = 0, **settings: str) -> subprocess.Popen[bytes]:
        """It ends with this process, however that ends. Its log is one for all that had this slot."""
        with self._log(slot).open("ab") as out:
            self.running[slot] = subprocess.Popen(
                tied(str(BIN / "workers"), "run"),
                env={**self.environment, "WORKERS_SLOT": str(slot), **settings},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        return self.running[slot]

    def stop(self, slot: int = 0) -> int:
        """As supervisord does; returns the exit code."""
        worker = self.running.pop(slot)
        worker.terminate()
        try:
            return worker.wait(PATIENCE_SECONDS)
        finally:
            worker.kill()
            worker.wait()

    def alive(self, slot: int = 0) -> bool:
        return self.running[slot].poll() is None

    def total(self, name: str, slot: int = 0, **labels: str) -> float:
        return scrape.total(scrape.metrics(self.port + slot), name, **labels)

    def page(self, path: str, slot: int = 0) -> tuple[int, str]:
        return scrape.page(self.port + slot, path)

    def log(self, slot: int = 0) -> str:
        return self._log(slot).read_text() if self._log(slot).exists() else ""

    def tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self.topic, partition)

    def wait_owned(self, *owned: int) -> None:
        """Until the workers own so many partitions, in the order of their slots."""
        wait_until(
            lambda: owned == tuple(self.total("workers_assigned_partitions", slot) for slot in range(len(owned))),
            30,
            f"the workers own {owned} partitions",
        )

    def wait_committed(self, ends: Mapping[int, int] | None = None, seconds: float = PATIENCE_SECONDS) -> None:
        """Up to these offsets; up to the end of the log where none are given."""
        goal = dict(ends if ends is not None else self.kafka.ends())
        try:
            wait_until(lambda: self.kafka.committed() == goal, seconds, f"{goal} is committed")
        except TimeoutError as error:
            logs = "".join(self.log(slot) for slot in range(SLOTS))
            raise TimeoutError(f"{error}; it is {self.kafka.committed()}; the log ends: {logs[-2000:]}") from None

    def _log(self, slot: int) -> Path:
        return self.folder / f"worker_{slot:02d}.log"

    def close(self) -> None:
        for worker in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(signal.SIGCONT)
            worker.terminate()
        for worker in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(20)
            worker.kill()
            worker.wait()
        self.forget_producer()
        with contextlib.suppress(KafkaError):
            self.kafka.admin.delete_topics([self.topic])
        with contextlib.suppress(KafkaError):
            self.kafka.admin.delete_groups([self.group])
        self._client.drop_database(self.database)
        self._client.close()
        super().close()


def offsets(found: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Partition and offset in the ids of documents, in order."""
    return sorted((int(each["_id"].split("/")[1]), int(each["_id"].split("/")[2])) for each in found)
