"""The client as this project needs it: with all its parts, and every option that is set, in one place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, codec
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError
from kafka.record import util as record_util

from workers.errors import BadConfigurationError, UnavailableError
from workers.kafka import compat, fast_records
from workers.kafka.client_errors import unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.settings import Settings

PROMISE: dict[str, Any] = {
    "enable_auto_commit": False,
    # Retention may move the beginning of the log while it is read; nothing is ever skipped to its end.
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    "allow_auto_create_topics": False,
    "check_crcs": True,
}
"""What the promise needs of every consumer. No setting changes it."""
CONNECT_SECONDS = 5.0
"""Until a client gives up finding a broker: long enough for one that is busy, and a person waits for the answer."""
FIRST_RECORDS_SECONDS = 1.5
"""The same for a look at first records, and for the whole look: lag is told every few seconds, with or without ages."""
METADATA_MAX_AGE_SECONDS = 30
"""So late a group notices, at the most, that its topic has more partitions, or was deleted and made again."""
METADATA_MAX_AGE = "WORKERS_INTERNAL_METADATA_MAX_AGE"
"""The environment variable by which tests make that shorter. No setting: shorter costs a broker requests, longer delays
whoever adds partitions, and neither is worth an operator's thought."""


def require_extras() -> None:
    """Return when the client has all its parts: without one of them it starts all the same, and fails, or crawls, later.

    Raises:
        BadConfigurationError: naming what is missing.
    """
    codecs = {"lz4": codec.has_lz4(), "snappy": codec.has_snappy(), "zstd": codec.has_zstd()}
    problems = {
        name: f"records that are compressed with {name} could not be read" for name, has in codecs.items() if not has
    }
    if record_util.crc32c_c is None:
        problems["crc32c"] = "checksums would be computed in Python, twenty times slower"
    if problems:
        raise BadConfigurationError(
            [f"{why}: pip install 'kafka-python[{name}]'" for name, why in sorted(problems.items())]
        )


def open_consumer(settings: Settings, options: Mapping[str, Any]) -> KafkaConsumer:
    """A consumer that is connected and subscribed to nothing, with the patches of `workers.kafka.compat`.

    Args:
        options: of one of the functions below.

    Raises:
        UnavailableError: no broker answered, or it refused this client.
    """
    fast_records.install()
    try:
        consumer = KafkaConsumer(**options)
    except KafkaError as error:
        raise UnavailableError(unreachable(settings, error)) from error
    compat.retry_coordinator_search(consumer)
    return consumer


def connection_options(settings: Settings) -> dict[str, Any]:
    """What every client of Kafka needs to connect."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "security_protocol": settings.security_protocol,
        # The client's own 30 s keep a worker idle long after a broker is back.
        "reconnect_backoff_max_ms": 1_000,
    }
    if settings.security_protocol.startswith("SASL") and settings.sasl_password:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    if settings.ssl_cafile:
        options["ssl_cafile"] = str(settings.ssl_cafile)
    return options


def group_member_options(settings: Settings) -> dict[str, Any]:
    """A worker's consumer: one member of the group.

    Raises:
        BadConfigurationError: the tests' variable is no number.
    """
    return {
        **PROMISE,
        **connection_options(settings),
        "client_id": settings.worker,
        "group_id": settings.group,
        "group_instance_id": settings.worker if settings.static_membership else None,
        "partition_assignment_strategy": [RangePartitionAssignor],
        "session_timeout_ms": int(settings.session_timeout * 1000),
        "heartbeat_interval_ms": int(settings.heartbeat_interval * 1000),
        "max_poll_interval_ms": int(settings.max_poll_interval * 1000),
        "max_poll_records": settings.max_poll_records,
        "max_partition_fetch_bytes": settings.fetch_bytes,
        # A response is in memory several times while it arrives, however many partitions are in it: decision 9.
        "fetch_max_bytes": 2 * settings.fetch_bytes,
        "metadata_max_age_ms": int(_metadata_max_age_seconds() * 1000),
        "bootstrap_timeout_ms": int(CONNECT_SECONDS * 1000),
    }


def log_reader_options(settings: Settings) -> dict[str, Any]:
    """A consumer of no group that reads whole ranges of the log, as fast as it can."""
    return {
        **PROMISE,
        **connection_options(settings),
        "group_id": None,
        "max_partition_fetch_bytes": 4 * 1024 * 1024,
        "bootstrap_timeout_ms": int(CONNECT_SECONDS * 1000),
    }


def first_records_options(settings: Settings) -> dict[str, Any]:
    """A consumer of no group that reads one record here and there."""
    return {
        **PROMISE,
        **connection_options(settings),
        "group_id": None,
        # One record is wanted; the broker sends a larger one all the same, if it is the first.
        "max_partition_fetch_bytes": 16 * 1024,
        "bootstrap_timeout_ms": int(FIRST_RECORDS_SECONDS * 1000),
    }


def _metadata_max_age_seconds() -> float:
    given = os.environ.get(METADATA_MAX_AGE)
    try:
        return METADATA_MAX_AGE_SECONDS if given is None else float(given)
    except ValueError:
        raise BadConfigurationError([f"{METADATA_MAX_AGE}={given} is no number of seconds; leave it out"]) from None
