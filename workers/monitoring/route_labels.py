"""The label `route` of the series of a topic: only where there are several topics, so that one topic's series are as ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.settings.route import UnroutableError

if TYPE_CHECKING:
    from workers.settings.route import RouteTable

ROUTE = ("route",)


class RouteLabels:
    """Of the routes of one fleet. Remembers the route of each topic."""

    def __init__(self, routes: RouteTable | None) -> None:
        """Args: routes: None: there is one topic."""
        self._routes = routes if routes is not None and routes.has_several_topics else None
        self._known: dict[str, tuple[str, ...]] = {}
        self.names: tuple[str, ...] = ROUTE if self._routes else ()
        """What comes behind the other labels of a topic's series."""

    def values(self, topic: str) -> tuple[str, ...]:
        """Their values; of a topic that no route can have, an empty text."""
        if self._routes is None:
            return ()
        if topic not in self._known:
            self._known[topic] = (self._label(self._routes, topic),)
        return self._known[topic]

    def _label(self, routes: RouteTable, topic: str) -> str:
        try:
            route = routes.route_of(topic)
        except UnroutableError:
            return ""
        return route.label if route else ""
