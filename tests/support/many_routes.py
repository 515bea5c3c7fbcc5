"""Workers on several topics of a routes file, without a supervisord; all of it removed afterwards. See `plain_workers`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafka import KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError
from pymongo.collection import Collection

from tests.support.embedded import EmbeddedStack, wait_until
from tests.support.plain_workers import PATIENCE_SECONDS, PlainWorkers
from workers.settings import Settings, load


class RoutedWorkers(PlainWorkers):
    """Names of topics are short here, and in Kafka have an ending of their own: `name` gives it."""

    def __init__(
        self, stack: EmbeddedStack, folder: Path, routes: str, settings: Mapping[str, str] | None = None
    ) -> None:
        """Args: routes: the file; `@` in it is the ending of the topics' names."""
        super().__init__(stack, folder, settings)
        self.ending = self.topic.removeprefix("numbers")
        self.file = folder / "routes.toml"
        self.file.write_text(routes.replace("@", self.ending))
        del self.environment["WORKERS_TOPIC"]
        self.environment["WORKERS_ROUTES"] = str(self.file)
        self._created: list[str] = []
        self._senders: list[KafkaProducer] = []

    def name(self, topic: str) -> str:
        return topic + self.ending

    def create_topics(self, partitions: int, *topics: str) -> None:
        names = [self.name(each) for each in topics]
        self.kafka.admin.create_topics([NewTopic(each, partitions, 1) for each in names])
        self._created += names

    def delete_topic(self, topic: str) -> None:
        self.kafka.admin.delete_topics([self.name(topic)])
        self._created.remove(self.name(topic))

    def send_to(self, topic: str, partition: int, *values: bytes | None) -> None:
        if not self._senders:
            self._senders.append(KafkaProducer(bootstrap_servers=self.servers, linger_ms=5))
        keys = [b"1" if value is None else None for value in values]
        sent = [
            self._senders[0].send(self.name(topic), value, key=each, partition=partition)
            for value, each in zip(values, keys, strict=True)
        ]
        for each in sent:
            each.get(PATIENCE_SECONDS)

    def collection(self, name: str) -> Collection[dict[str, Any]]:
        return self._client[self.database][name.replace("@", self.ending)]

    def wait_all_committed(self, ends: Mapping[str, int]) -> None:
        """Args: ends: by topic, how many records are committed, in all partitions."""
        goal = {self.name(topic): count for topic, count in ends.items()}

        def done() -> bool:
            try:
                found = self.kafka.admin.list_group_offsets({self.group: None})[self.group]
            except KafkaError:
                # The coordinator of a new broker is not there at once.
                return False
            committed: dict[str, int] = {}
            for tp, each in found.items():
                committed[tp.topic] = committed.get(tp.topic, 0) + max(0, each.offset)
            return all(committed.get(topic) == count for topic, count in goal.items())

        try:
            wait_until(done, PATIENCE_SECONDS, f"{goal} is committed")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the log ends: {self.log()[-3000:]}") from None

    def partition(self, topic: str, number: int) -> TopicPartition:
        return TopicPartition(self.name(topic), number)

    def settings(self) -> Settings:
        """As the commands load them."""
        names = {name: value for name, value in self.environment.items() if name.startswith("WORKERS_")}
        return load(**{name.removeprefix("WORKERS_").lower(): value for name, value in names.items()})

    def close(self) -> None:
        for each in self._senders:
            each.close(timeout=5)
        with contextlib.suppress(KafkaError):
            self.kafka.admin.delete_topics(self._created)
        super().close()
