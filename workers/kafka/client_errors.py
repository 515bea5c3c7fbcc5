"""Messages for the client's errors: what happened, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka.errors import KafkaTimeoutError, UnknownBrokerIdError, UnknownTopicOrPartitionError

if TYPE_CHECKING:
    from workers.settings import Settings


def describe(error: Exception) -> str:
    """One line about an error of the client, without a traceback."""
    first_line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def unreachable(settings: Settings, error: Exception) -> str:
    """The message for a question that failed: no broker answered, the topic does not exist, or Kafka refused."""
    if isinstance(error, KafkaTimeoutError):
        return f"no Kafka broker answered at {settings.bootstrap_servers}: is it running, is WORKERS_BOOTSTRAP_SERVERS right?"
    if isinstance(error, UnknownTopicOrPartitionError):
        return f"the topic does not exist at {settings.bootstrap_servers}; `workers produce` creates it"
    if isinstance(error, UnknownBrokerIdError):
        return (
            f"a partition of {settings.topic} has no leader at {settings.bootstrap_servers}: are all brokers with its "
            "replicas down?"
        )
    return f"Kafka at {settings.bootstrap_servers} refused: {describe(error)}"
