"""The routes of `workers config`: what becomes of which topics, as it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from workers.cli.policy_marks import losses, policy_mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.settings import Settings
    from workers.settings.route import Route

INDENT = 4


def by_route() -> set[str]:
    """The fields of the settings that each route has for itself."""
    # Not at the top: see `workers.cli`.
    from workers.settings.route_options import RouteOptions

    return {"topic", "collection", *RouteOptions.model_fields}


def routes_as_json(settings: Settings) -> list[dict[str, Any]]:
    """Every route with all that it has, also its defaults."""
    return [
        {"name": route.label, **{name: value for name, value in route.model_dump().items() if name != "name"}}
        | {"lossy": losses(route)}
        for route in settings.route_table.routes
    ]


def routes_screen(settings: Settings) -> Iterator[Text]:
    """Each route: its name, its topics, where they go, and then those of its options that are not the default."""
    for route in settings.route_table.routes:
        yield Text("")
        topics = ", ".join(route.topics) or f"every topic that matches {route.topic_pattern}"
        yield Text.assemble((route.label, "bold"), f"  {topics}  into  ", (_targets(route), "bold"))
        given = {
            name: value
            for name in sorted(by_route() & type(route).model_fields.keys())
            if name != "collection" and (value := getattr(route, name)) != type(route).model_fields[name].default
        }
        for name, value in given.items():
            line = Text.assemble(" " * INDENT, f"{name:<{max(map(len, given))}}  ", (_shown(value), "bold"))
            if mark := policy_mark(name, value):
                line.append("  ").append_text(mark)
            yield line


def _targets(route: Route) -> str:
    found = list(dict.fromkeys(route.collection_of(topic) for topic in route.topics))
    return ", ".join(found) or route.collection


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)
