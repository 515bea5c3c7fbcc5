"""The client's consumer as this project needs it: with all its parts, and with the options that are the promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, codec
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, RetriableError
from kafka.record import util as record_util

from workers.errors import BadConfigurationError, UnavailableError
from workers.kafka.admin import describe
from workers.kafka.fast_records import install

if TYPE_CHECKING:
    from workers.settings import Settings


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


def open_consumer(settings: Settings) -> KafkaConsumer:
    """A consumer that is connected and subscribed to nothing.

    Raises:
        UnavailableError: no broker answered, or it refused this client.
    """
    install()
    try:
        consumer = KafkaConsumer(**consumer_options(settings))
    except KafkaError as error:
        raise UnavailableError(describe(error)) from error
    _search_on(consumer._coordinator)
    return consumer


def _search_on(coordinator: Any) -> None:
    """Have a search for the group's coordinator that fails for the moment be one that is not over.

    The client asks for metadata in the middle of it, and lets whoever polls have the error if the broker refuses just then:
    so one worker or another would end whenever a broker is restarted (tests/integration/test_broker_away.py).
    """
    search = coordinator.ensure_coordinator_ready_async

    async def search_on(timeout_ms: float | None = None) -> bool:
        try:
            return bool(await search(timeout_ms))
        except RetriableError:
            return False

    coordinator.ensure_coordinator_ready_async = search_on


def consumer_options(settings: Settings) -> dict[str, Any]:
    """The consumer's options. The first block is the promise, and no setting changes it."""
    return {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "check_crcs": True,
        **settings.kafka_connection,
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
        "metadata_max_age_ms": 30_000,
        "bootstrap_timeout_ms": 5_000,
    }
