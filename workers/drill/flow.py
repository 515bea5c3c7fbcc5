"""How much others send into the topic of a fleet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.kafka.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.drill.interrupt import Interrupts
    from workers.settings import Settings
    from workers.types import TopicPartition

WATCH_SECONDS = 1.5
LOOK_SECONDS = 0.05


def arrival_rate(settings: Settings, ends: Mapping[TopicPartition, int], interrupts: Interrupts) -> float:
    """Records a second that arrive, over `WATCH_SECONDS`, or until Ctrl-C. A transaction marker counts as a record.

    Args: ends: the ends of the logs a moment ago, by partition.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    began = time.monotonic()
    before = sum(ends.values())
    while time.monotonic() < began + WATCH_SECONDS and not interrupts:
        time.sleep(LOOK_SECONDS)
    now = sum(log_ends(settings).values())
    return max(0, now - before) / (time.monotonic() - began)


def log_ends(settings: Settings) -> dict[TopicPartition, int]:
    """By partition: the end of what can be read. Empty: there is no such topic.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    with Admin(settings) as admin:
        topic = admin.topic(settings.topic)
        offsets = admin.partition_offsets(topic, settings.group) if topic else {}
    return {partition: each.end for partition, each in offsets.items()}
