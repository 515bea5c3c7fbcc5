"""What a member of the group subscribes to: the topics of all routes, and how the group divides their partitions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

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


def assignors(routes: RouteTable) -> list[Any]:
    """How partitions are divided, the first that all members of the group know.

    The range assignor gives the first partitions of every topic to the same member: of twenty topics of three partitions a
    fourth worker gets nothing. A group that changes from one topic to several knows both until all its members have restarted.
    """
    if routes.has_several_topics:
        return [RoundRobinPartitionAssignor, RangePartitionAssignor]
    return [RangePartitionAssignor]
