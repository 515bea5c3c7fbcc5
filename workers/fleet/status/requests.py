"""What the status asks of Kafka and of MongoDB, each on a connection that is kept while it works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.connection import KeptConnection
from workers.errors import SinkRefusesError, SinkUnavailableError, UnavailableError
from workers.fleet.status.listening import nobody_listens
from workers.kafka.admin import Admin
from workers.kafka.diagnosis import nobody_answers, split_address
from workers.kafka.fleet_topics import TopicFinder
from workers.kafka.open_transactions import OpenTransactions
from workers.settings.mongodb_hosts import hosts
from workers.sinks.registry import open_sink

if TYPE_CHECKING:
    from workers.kafka.kafka_look import KafkaLook
    from workers.settings import Settings
    from workers.sinks.base import Sink

KAFKA_TIMEOUT_SECONDS = 1.5
"""Less than `HANGING_SECONDS`, so that a broker that is down is reported as down, not as hanging."""
UNAVAILABLE_REASONS = {
    "unreachable": "does not answer",
    "timeout": "does not answer in time",
    "not_authorized": "refuses the user or the password",
}
"""In words: `RetryReason`s with which a ping fails."""


class KafkaRequest:
    """Asks Kafka, on a connection that is kept while it works. Called and closed on one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = TopicFinder(settings)
        self._connection = KeptConnection(self._connect)
        self._open_transactions = OpenTransactions(settings)

    def __call__(self) -> KafkaLook:
        return self._connection.ask(self._ask)

    def _connect(self) -> Admin:
        servers = [split_address(each) for each in self._settings.bootstrap_servers.split(",")]
        if why := nobody_listens(servers):
            raise UnavailableError(nobody_answers(self._settings, why))
        return Admin(self._settings, KAFKA_TIMEOUT_SECONDS).connect()

    def _ask(self, admin: Admin) -> KafkaLook:
        found = self._topics.find(admin)
        look = found.look(self._topics.group(admin, found))
        if not found.topics:
            return look
        offsets = admin.offsets_of_topics(found.topics, self._settings.group)
        return look._replace(
            offsets=offsets,
            unanswered=found.partitions - offsets.keys(),
            open_transactions=self._open_transactions.look(found.identities, offsets, time.time()),
        )

    def close(self) -> None:
        self._open_transactions.close()
        self._connection.close()


class MongoDBRequest:
    """Pings MongoDB, on a connection that is kept while it works."""

    def __init__(self, settings: Settings, address: str) -> None:
        self._settings, self._address = settings, address
        self._connection = KeptConnection(self._connect)
        self.close = self._connection.close

    def __call__(self) -> bool:
        try:
            self._connection.ask(lambda sink: sink.ping())
        except SinkRefusesError as error:
            raise UnavailableError(f"{error.detail} ({self._address})") from error
        except SinkUnavailableError as error:
            why = UNAVAILABLE_REASONS.get(error.reason, f"cannot take writes: {error.reason.replace('_', ' ')}")
            raise UnavailableError(f"{why} ({self._address})") from error
        return True

    def _connect(self) -> Sink:
        servers = hosts(self._settings.mongodb_uri.get_secret_value())
        if servers and nobody_listens(servers):
            raise UnavailableError(f"{UNAVAILABLE_REASONS['unreachable']} ({self._address})")
        return open_sink(self._settings)
