"""What becomes of an error that the client raises while it polls."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kafka.errors import KafkaError

from workers.errors import UnavailableError
from workers.kafka.client_errors import describe

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def fail_on_client_error() -> Iterator[None]:
    """End this worker on any error of the client: its next poll may never return."""
    try:
        yield
    except KafkaError as error:
        raise UnavailableError(
            f"the Kafka client failed: {describe(error)}; this worker ends, to be restarted"
        ) from error
