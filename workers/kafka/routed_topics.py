"""Which topics the routes have now: those that they name, and those of Kafka that a pattern matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.settings.route import UnroutableError

if TYPE_CHECKING:
    from workers.kafka.admin import Admin
    from workers.settings import Settings


class RoutedTopics(NamedTuple):
    """The topics of the routes."""

    topics: dict[str, Settings]
    """By topic the settings for it alone: see `Settings.for_topic`. A topic that is named may not be there yet."""
    unroutable: dict[str, str]
    """By topic of Kafka, which a pattern matches, why no route can have it. Workers halt it."""


def routed_topics(settings: Settings, admin: Admin) -> RoutedTopics:
    """All topics of the settings' routes, by name. Kafka is asked only if there are patterns.

    Raises:
        UnavailableError: no broker answered.
    """
    routes = settings.route_table
    names = {*routes.topics}
    if routes.has_patterns:
        names.update(admin.topic_names())
    topics: dict[str, Settings] = {}
    unroutable: dict[str, str] = {}
    for name in sorted(names):
        try:
            if routes.route_of(name):
                topics[name] = settings.for_topic(name)
        except UnroutableError as error:
            unroutable[name] = str(error)
    return RoutedTopics(topics, unroutable)
