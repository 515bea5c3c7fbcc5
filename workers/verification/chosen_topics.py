"""Which topics a command looks at: all of the routes, or those of one route."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.kafka import topics as one_topic
from workers.kafka.routed_topics import routed_topics

if TYPE_CHECKING:
    from workers.kafka.admin import Admin
    from workers.settings import Settings


class ChosenTopics(NamedTuple):
    """Topics, not all of which may exist yet."""

    topics: dict[str, Settings]
    """By topic the settings for it alone."""
    unroutable: dict[str, str]
    """By topic why no route can have it."""
    labels: dict[str, str]
    """By topic the name of its route."""

    by_collection: dict[str, list[str]]
    """By collection of these topics all topics of any route that go into it."""

    @property
    def collections(self) -> dict[str, Settings]:
        """By collection the settings of one of its topics."""
        return {each.collection: each for each in reversed([*self.topics.values()])}


def chosen_topics(settings: Settings, admin: Admin, route: str | None = None) -> ChosenTopics:
    """Args: route: the name of the only one, which exists; None: all.

    Raises:
        UnavailableError: no broker answered.
    """
    only = settings.route_table.labelled(route) if route is not None else None
    found = routed_topics(settings, admin)
    labels: dict[str, str] = {}
    for name in found.topics:
        its_route = settings.route_table.route_of(name)
        if its_route and (only is None or its_route == only):
            labels[name] = its_route.label
    topics = {name: of_topic for name, of_topic in found.topics.items() if name in labels}
    by_collection: dict[str, list[str]] = {each.collection: [] for each in topics.values()}
    for name, of_topic in found.topics.items():
        if of_topic.collection in by_collection:
            by_collection[of_topic.collection].append(name)
    unroutable = {
        name: why for name, why in found.unroutable.items() if only is None or name in only.topics or only.matches(name)
    }
    return ChosenTopics(topics, unroutable, labels, by_collection)


def missing(chosen: ChosenTopics) -> str:
    """The message where none of them exists."""
    if len(chosen.topics) == 1:
        (of_topic,) = chosen.topics.values()
        return one_topic.missing(of_topic)
    names = ", ".join(chosen.topics)
    return f"none of the topics of the routes exists yet: {names}" if names else "no topic of Kafka matches the routes"
