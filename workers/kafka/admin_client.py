"""The client's admin client."""

from __future__ import annotations

from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from workers.kafka.compat import close_unconnected


class AdminClient(KafkaAdminClient):  # type: ignore[misc] # kafka-python is untyped
    """Leaves no thread and no socket behind when it finds no broker: a worker that waits for one connects for hours."""

    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except KafkaError:
            close_unconnected(self)
            raise
