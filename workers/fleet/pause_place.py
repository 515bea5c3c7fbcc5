"""What a person means to pause: is there such a topic, such a partition, and is it of this fleet's routes?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.errors import BadUsageError, NotFoundError, UnavailableError
from workers.kafka.admin import Admin
from workers.kafka.routed_topics import routed_topics
from workers.settings.route import UnroutableError

if TYPE_CHECKING:
    from workers.settings import Settings

KAFKA_SECONDS = 3.0
"""For an answer of Kafka: whoever wants to pause may be in a hurry."""
MOST_NAMES = 20
"""Topics that are named in a message."""


def only_topic(settings: Settings, topic: str | None, partition: int | None) -> str | None:
    """The topic of a partition that was given without one.

    Raises:
        BadUsageError: there are several.
    """
    routes = settings.route_table
    if topic is not None or partition is None:
        return topic
    if routes.has_several_topics:
        raise BadUsageError(f"--partition {partition} is of which topic? Add --topic; there are {routes.names}")
    return routes.topics[0]


def look_up(settings: Settings, topic: str | None, partition: int | None, local_members: set[str]) -> list[str]:
    """Check that the place is one of this fleet. Where Kafka does not answer, only the names in the settings are compared.

    Args:
        topic: None: everything.
        local_members: the member ids of the workers of this host.

    Returns: what could not be looked up, and what else is to be known.

    Raises:
        NotFoundError: there is no such topic or partition, or no route has it; the message names those that there are.
    """
    if topic is not None:
        require_route(settings, topic)
    try:
        with Admin(settings, KAFKA_SECONDS) as admin:
            if topic is not None:
                _require_partition(settings, admin, topic, partition)
            return _elsewhere(settings, admin, local_members)
    except UnavailableError as error:
        unchecked = "" if topic is None else f", so it was not checked that {_named(topic, partition)} exists"
        return [f"Kafka could not be asked{unchecked}: {error}"]


def require_route(settings: Settings, topic: str) -> None:
    routes = settings.route_table
    try:
        if routes.route_of(topic) is None:
            raise NotFoundError(f"no route of this fleet has the topic {topic}; there are {routes.names}")
    except UnroutableError as error:
        raise NotFoundError(f"the topic {topic} is not read: {error}") from error


def _require_partition(settings: Settings, admin: Admin, topic: str, partition: int | None) -> None:
    found = admin.topic(topic)
    if found is None:
        there = [name for name in routed_topics(settings, admin).topics if admin.topic(name)]
        names = ", ".join(there[:MOST_NAMES]) + (f" and {len(there) - MOST_NAMES} more" if there[MOST_NAMES:] else "")
        raise NotFoundError(
            f"Kafka has no topic {topic}; " + (f"there are {names}" if there else "it has none of them")
        )
    numbers = [each.partition for each in found.partitions]
    if partition is not None and partition not in numbers:
        there_are = f"0 to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
        raise NotFoundError(f"{topic} has no partition {partition}; it has {there_are}")


def _elsewhere(settings: Settings, admin: Admin, local_members: set[str]) -> list[str]:
    """Members that do not look at the file of this host."""
    others = {id_: member for id_, member in admin.group(settings.group).members.items() if id_ not in local_members}
    if not others:
        return []
    hosts = ", ".join(sorted({member.host for member in others.values()}))
    are = "member of the group is" if len(others) == 1 else "members of the group are"
    return [
        f"{len(others)} {are} not of this folder (at {hosts}); each folder has pauses of its own: run the same command there"
    ]


def _named(topic: str, partition: int | None) -> str:
    return topic if partition is None else f"partition {partition} of {topic}"
