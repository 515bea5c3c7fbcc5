"""The options of every client of Kafka, and the parts of kafka-python that must be installed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import structlog
from kafka import KafkaConsumer, codec
from kafka.errors import KafkaError
from kafka.record import util as record_util

from workers.errors import BadConfigurationError
from workers.kafka import compat, compat_brokers, compat_turns, fetched_records
from workers.kafka.assignors import assignors
from workers.kafka.client_errors import unavailable
from workers.kafka.diagnosis import require_admission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.settings import Settings

PROMISE: dict[str, Any] = {
    "enable_auto_commit": False,
    # Retention may move the log start past the position; the client must not skip to the end of the log then.
    "auto_offset_reset": "earliest",
    "isolation_level": "read_committed",
    "allow_auto_create_topics": False,
    "check_crcs": True,
}
"""The options of every consumer on which the delivery guarantee depends. No setting changes them."""
CONNECT_SECONDS = 5.0
"""A client's timeout for finding a broker: long enough for one that is busy, and short for a person who waits."""
FIRST_RECORDS_SECONDS = 1.5
"""The same for the reader of first records, and its timeout for all of them: lag is polled every few seconds, and is
served without seconds then."""
REBOOTSTRAP_SECONDS = 5.0
"""How long no known broker is connected until the bootstrap servers are asked for the brokers again."""
METADATA_MAX_AGE_SECONDS = 30
"""The longest time until a group notices that its topic has new partitions, or was deleted and recreated."""
METADATA_MAX_AGE = "WORKERS_INTERNAL_METADATA_MAX_AGE"
"""The environment variable by which tests shorten that. It is no setting: a shorter time costs the broker requests, a
longer one delays new partitions, and no operator needs to choose."""

log = structlog.get_logger()


def require_extras() -> None:
    """Check that the client's optional parts are installed: without them it starts, and fails or is slow later.

    Raises:
        BadConfigurationError: the message names what is missing, and the command that installs it.
    """
    codecs = {"lz4": codec.has_lz4(), "snappy": codec.has_snappy(), "zstd": codec.has_zstd()}
    problems = {
        name: f"records that are compressed with {name} could not be read"
        for name, found in codecs.items()
        if not found
    }
    if record_util.crc32c_c is None:
        problems["crc32c"] = "checksums would be computed in Python, twenty times slower"
    if problems:
        raise BadConfigurationError(
            [f"{why}: pip install 'kafka-python[{name}]'" for name, why in sorted(problems.items())]
        )


def open_consumer(settings: Settings, options: Mapping[str, Any]) -> KafkaConsumer:
    """A connected consumer without a subscription, with the patches of `workers.kafka.compat`.

    Its `poll` returns pieces of record batches: pass what it returns to `workers.kafka.fetched_records.from_poll`.

    Args:
        options: from one of the functions below.

    Raises:
        UnavailableError: no broker answered, or it refused this client.
    """
    require_admission(settings)
    try:
        consumer = KafkaConsumer(**options)
    except KafkaError as error:
        raise unavailable(settings, error, topic="READ", group="READ") from error
    fetched_records.install(consumer)
    compat_turns.return_what_was_kept(consumer, by_turns=settings.route_table.has_several_topics)
    compat.retry_coordinator_search(consumer)
    compat.keep_completed_join(consumer)
    compat_brokers.pace_coordinator_search(consumer)
    find_moved_brokers(settings, consumer)
    return consumer


def find_moved_brokers(settings: Settings, client: Any) -> None:
    """Let a consumer or a producer ask the bootstrap servers again when no broker that it knows can be reached."""

    def tell() -> None:
        # Commands have no log: what is logged there lands in their report.
        if structlog.is_configured():
            log.warning(
                "no known broker can be reached; asking the bootstrap servers for the brokers again",
                bootstrap_servers=settings.bootstrap_servers,
            )

    compat_brokers.rebootstrap(client, REBOOTSTRAP_SECONDS, tell)


def connection_options(settings: Settings) -> dict[str, Any]:
    """The options with which every client of Kafka connects."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "security_protocol": settings.security_protocol,
        # The default of 30 s would keep a worker idle long after the broker is available again.
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
    """For a worker's consumer, a member of the group.

    Raises:
        BadConfigurationError: `METADATA_MAX_AGE` is not a number.
    """
    return {
        **PROMISE,
        **connection_options(settings),
        "client_id": settings.worker,
        "group_id": settings.group,
        "group_instance_id": settings.worker if settings.static_membership else None,
        "partition_assignment_strategy": assignors(settings.route_table),
        "session_timeout_ms": int(settings.session_timeout * 1000),
        "heartbeat_interval_ms": int(settings.heartbeat_interval * 1000),
        "max_poll_interval_ms": int(settings.max_poll_interval * 1000),
        "max_poll_records": settings.max_poll_records,
        "max_partition_fetch_bytes": settings.fetch_bytes,
        # A fetch response is in memory several times while it arrives, with all its partitions: decision 9.
        "fetch_max_bytes": 2 * settings.fetch_bytes,
        "metadata_max_age_ms": int(_metadata_max_age_seconds() * 1000),
        "bootstrap_timeout_ms": int(CONNECT_SECONDS * 1000),
    }


def log_reader_options(settings: Settings) -> dict[str, Any]:
    """For a consumer without a group that reads ranges of the log as fast as it can."""
    return {
        **PROMISE,
        **connection_options(settings),
        "group_id": None,
        "max_partition_fetch_bytes": 4 * 1024 * 1024,
        "bootstrap_timeout_ms": int(CONNECT_SECONDS * 1000),
    }


def first_records_options(settings: Settings) -> dict[str, Any]:
    """For a consumer without a group that reads single records."""
    return {
        **PROMISE,
        **connection_options(settings),
        "group_id": None,
        # Enough for one record; the broker sends a larger one too, if it is the first.
        "max_partition_fetch_bytes": 16 * 1024,
        "bootstrap_timeout_ms": int(FIRST_RECORDS_SECONDS * 1000),
    }


def few_records_options(settings: Settings) -> dict[str, Any]:
    """For a consumer without a group that reads a few records for a person, also of many partitions, in little memory."""
    return {
        **log_reader_options(settings),
        "max_partition_fetch_bytes": 64 * 1024,
        "fetch_max_bytes": 2 * 1024 * 1024,
    }


def uncommitted(options: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a consumer that also reads what is not committed: to look at open transactions, never to store."""
    return {**options, "isolation_level": "read_uncommitted"}


def _metadata_max_age_seconds() -> float:
    given = os.environ.get(METADATA_MAX_AGE)
    try:
        return METADATA_MAX_AGE_SECONDS if given is None else float(given)
    except ValueError:
        raise BadConfigurationError([f"{METADATA_MAX_AGE}={given} is not a number of seconds; unset it"]) from None
