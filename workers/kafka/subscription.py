"""What a member of the group subscribes to: the topics of all routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from workers.settings.route import INTERNAL

if TYPE_CHECKING:
    from kafka import KafkaConsumer

    from workers.settings.route import RouteTable


def subscribe(consumer: KafkaConsumer, routes: RouteTable, listener: Any) -> None:
    """Subscribe to all topics of these routes; with patterns also to those that appear later."""
    if not routes.has_patterns:
        consumer.subscribe([*routes.topics], listener=listener)
        return
    named = [re.escape(topic) for topic in routes.topics]
    patterns = [f"(?!{INTERNAL})(?:{route.topic_pattern})" for route in routes.routes if route.topic_pattern]
    # The client matches from the beginning of the name on, and not its end.
    consumer.subscribe(pattern=f"(?:{'|'.join(named + patterns)})$", listener=listener)
