"""Workers of several topics, without a supervisord: topics with a prefix of their own, a group and a database, removed afterwards.

with RoutedWorkers(stack, folder, ROUTES) as workers:
    workers.create_topic("orders", 2)
    workers.send_to("orders", 0, b'{"number": 1}')
    workers.start()
    workers.wait_all_committed()
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PATIENCE_SECONDS, SLOTS, PlainWorkers
from tests.support.user import Services


class RoutedWorkers(PlainWorkers):
    """Args: routes: the file of routes, in which `PREFIX` is what the names of all topics here begin with."""

    def __init__(
        self,
        stack: EmbeddedStack | Services,
        folder: Path,
        routes: str,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.routes_file = folder / "routes.toml"
        super().__init__(stack, folder, {"WORKERS_ROUTES": str(self.routes_file), **(settings or {})})
        self.prefix = f"{self.topic}-"
        del self.environment["WORKERS_TOPIC"]
        self.write_routes(routes)
        self._created: list[str] = []
        self._sender: KafkaProducer | None = None

    def write_routes(self, routes: str) -> None:
        self.routes_file.write_text(routes.replace("PREFIX", self.prefix))

    def create_topic(self, name: str, partitions: int) -> str:
        """Returns its whole name."""
        topic = self.prefix + name
        self.kafka.admin.create_topics([NewTopic(topic, partitions, 1)])
        self._created.append(topic)
        return topic

    def sender(self) -> KafkaProducer:
        if self._sender is None:
            self._sender = KafkaProducer(bootstrap_servers=self.servers, linger_ms=5)
        return self._sender

    def send_to(self, name: str, partition: int, *values: bytes | None, **options: Any) -> None:
        """Waits until all are acknowledged."""
        sender = self.sender()
        sent = [sender.send(self.prefix + name, value, partition=partition, **options) for value in values]
        for each in sent:
            each.get(PATIENCE_SECONDS)

    def numbers_to(self, name: str, partition: int, first: int, count: int) -> None:
        self.send_to(name, partition, *[b'{"number": %d}' % number for number in range(first, first + count)])

    def stored(self, collection: str) -> list[tuple[str, int, int]]:
        """Topic without its prefix, partition, and number of every document, sorted."""
        found = []
        for each in self._client[self.database][collection.replace("PREFIX", self.prefix)].find():
            topic, partition, _ = each["_id"].split("/")
            found.append((topic.removeprefix(self.prefix).rpartition("-")[0], int(partition), each["number"]))
        return sorted(found)

    def count(self, collection: str) -> int:
        return self._client[self.database][collection.replace("PREFIX", self.prefix)].count_documents({})

    def all_committed(self) -> dict[tuple[str, int], int]:
        """Of all topics, by name without the prefix."""
        found = self.kafka.asked(lambda: self.kafka.admin.list_group_offsets({self.group: None})[self.group])
        return {
            (tp.topic.removeprefix(self.prefix), tp.partition): offset.offset
            for tp, offset in found.items()
            if offset.offset > 0
        }

    def all_ends(self, names: Collection[str] | None = None) -> dict[tuple[str, int], int]:
        """Of the partitions that hold something."""
        reader = KafkaConsumer(bootstrap_servers=self.servers, group_id=None, enable_auto_commit=False)
        try:
            wanted = self._created if names is None else [self.prefix + name for name in names]
            partitions = [
                TopicPartition(topic, p) for topic in wanted for p in reader.partitions_for_topic(topic) or ()
            ]
            return {
                (tp.topic.removeprefix(self.prefix), tp.partition): end
                for tp, end in reader.end_offsets(partitions).items()
                if end
            }
        finally:
            reader.close()

    def wait_all_committed(self, names: Collection[str] | None = None, seconds: float = PATIENCE_SECONDS) -> None:
        """Up to the ends of these topics; of all that were made here, where none are given."""
        goal = self.all_ends(names)

        def reached() -> bool:
            return {place: offset for place, offset in self.all_committed().items() if place in goal} == goal

        try:
            wait_until(reached, seconds, f"{goal} is committed")
        except TimeoutError as error:
            logs = "".join(self.log(slot) for slot in range(SLOTS))
            raise TimeoutError(f"{error}; it is {self.all_committed()}; the log ends: {logs[-3000:]}") from None

    def owned_by(self) -> dict[str, set[tuple[str, int]]]:
        """By client id the partitions that the broker has assigned; empty while the group moves."""
        group = self.kafka.asked(lambda: self.kafka.admin.describe_groups([self.group])[self.group])
        if group["group_state"] != "Stable":
            return {}
        return {
            each["client_id"]: {
                (topic["topic"].removeprefix(self.prefix), partition)
                for topic in (each["member_assignment"] or {}).get("assigned_partitions", [])
                for partition in topic["partitions"]
            }
            for each in group["members"]
        }

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close(timeout=5)
        super().close()
        with contextlib.suppress(KafkaError):
            self.kafka.admin.delete_topics(self._created)
        self.kafka.close()
