"""The collections of routes, as far as they can be known without Kafka. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workers.settings.route import TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workers.settings.route import Route


def collections_of(routes: Iterable[Route], existing: Callable[[], Iterable[str]]) -> list[str]:
    """The collections of these routes.

    Those of a pattern with one collection a topic are found among the collections that are there, also of topics that are
    not there any more.

    Args: existing: the names of collections; asked for only if they are needed.
    """
    found: set[str] = set()
    for route in routes:
        if TOPIC not in route.collection:
            found.add(route.collection)
        elif route.topic_pattern is None:
            found.update(route.collection_of(topic) for topic in route.topics)
        else:
            found.update(name for name in existing() if (topic := topic_of(route, name)) and route.matches(topic))
    return sorted(found)


def topic_of(route: Route, collection: str) -> str | None:
    """The inverse of `Route.collection_of`; None: it is the collection of no topic."""
    first, *others = (re.escape(part) for part in route.collection.split(TOPIC))
    if not others:
        return None
    match = re.fullmatch(first + "(?P<topic>.+)" + "(?P=topic)".join(others), collection)
    return match and match["topic"]
