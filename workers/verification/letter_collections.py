"""In which collections the dead letters of the routes are. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workers.settings.route import LETTERS, TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from workers.settings.route import Route


def letter_collections(routes: Iterable[Route], existing: Callable[[], Sequence[str]]) -> list[str]:
    """The collections of documents of these routes, whose dead letters are beside them.

    Those of a pattern with one collection a topic are found among the collections that are there, also of topics that are
    not there any more: Kafka is not asked.

    Args: existing: the names of all collections; asked for only if it is needed.
    """
    found: set[str] = set()
    for route in routes:
        if TOPIC not in route.collection:
            found.add(route.collection)
        elif route.topic_pattern is None:
            found.update(route.collection_of(topic) for topic in route.topics)
        else:
            names = (name.removesuffix(LETTERS) for name in existing() if name.endswith(LETTERS))
            found.update(name for name in names if (topic := topic_of(route, name)) and route.matches(topic))
    return sorted(found)


def topic_of(route: Route, collection: str) -> str | None:
    """The inverse of `Route.collection_of`; None: it is the collection of no topic."""
    first, *others = (re.escape(part) for part in route.collection.split(TOPIC))
    if not others:
        return None
    match = re.fullmatch(first + "(?P<topic>.+)" + "(?P=topic)".join(others), collection)
    return match and match["topic"]
