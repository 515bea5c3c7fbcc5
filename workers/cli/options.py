"""Options that several commands have, and checks that typer's own `min` and `max` do not make."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.errors import BadUsageError
from workers.types import RejectReason, TopicPartition

if TYPE_CHECKING:
    from workers.settings import Settings
    from workers.sinks.base import DeadLetterFilter

LONGEST_SECONDS = 315_360_000
"""Ten years: for options that are seconds, and that have no shorter limit."""
Json = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")]
Tree = Annotated[
    Path,
    typer.Option(help="The folder of the fleet; else this one, or one above it.", show_default=False),
]
"""Its default, `Path()`, is what `workers.settings.paths.find_tree` makes of the current folder."""

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def finite(value: float | None) -> float | None:
    """Refuse "nan", which passes every comparison, and "inf".

    Raises:
        typer.BadParameter: it is one of them.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number of seconds.")
    return value


def text(value: str | None) -> str | None:
    """Refuse bytes that are not UTF-8: no server takes them.

    Raises:
        typer.BadParameter: the value holds such bytes.
    """
    if value is not None and any(0xD800 <= ord(character) < 0xE000 for character in value):
        raise typer.BadParameter(f"{value!a} is not UTF-8 text.")
    return value


def texts(values: list[str] | None) -> list[str] | None:
    """The same, for an argument that may be given several times."""
    return [checked for value in values if (checked := text(value)) is not None] if values is not None else None


def route_names(incomplete: str) -> list[str]:
    """What the shell completes."""
    # Not at the top: see `workers.cli`.
    from workers.cli.complete import complete_route

    return complete_route(incomplete)


def topic_names(incomplete: str) -> list[str]:
    """The same, for a topic."""
    # Not at the top: see `workers.cli`.
    from workers.cli.complete import complete_topic

    return complete_topic(incomplete)


OfRoute = Annotated[
    str | None,
    typer.Option(
        "--route",
        metavar="NAME",
        callback=text,
        autocompletion=route_names,
        help="Only the topics of this route of WORKERS_ROUTES.",
    ),
]


def require_route(settings: Settings, route: str | None) -> None:
    """Refuse a route that is not there, before anything is asked.

    Raises:
        BadUsageError: there is none of this name.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings.files import shown

    table = settings.route_table
    if route is not None and table.labelled(route) is None:
        names = ", ".join(each.label for each in table.routes)
        raise BadUsageError(f"there is no route {shown(route)}: the routes are {names}")


def one_topic(settings: Settings) -> Settings:
    """The settings of the one topic, where there is only one: also that of the only route of a file."""
    (topic,) = settings.route_table.topics
    return settings.for_topic(topic)


# Which dead letters.
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", callback=texts, help="Only these ids.")]
OfReason = Annotated[RejectReason | None, typer.Option("--reason", help="Only this reason.")]
OfPartition = Annotated[
    int | None, typer.Option("--partition", metavar="N", min=0, max=2**31 - 1, help="Only this partition.")
]
OfTopic = Annotated[
    str | None,
    typer.Option("--topic", metavar="TOPIC", callback=text, autocompletion=topic_names, help="Only this topic."),
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Rejected at or after: 10m, 2h, 3d, or 2026-01-31T12:00.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Rejected before.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def chosen_by(
    ids: list[str] | None,
    reason: RejectReason | None,
    place: tuple[tuple[str, ...] | None, TopicPartition | None],
    since: str | None,
    until: str | None,
    *,
    every: bool,
) -> DeadLetterFilter:
    """What these options choose.

    Args:
        place: of `place_of`.
        every: whether a choice of everything is meant.

    Raises:
        BadUsageError: nothing, and not --all; or a time is none.
    """
    # Not at the top: see `workers.cli`.
    from workers.sinks.base import DeadLetterFilter

    topics, partition = place
    chosen = DeadLetterFilter(tuple(ids or ()), reason, partition, topics, time_of(since), time_of(until))
    if chosen.is_everything and not every:
        raise BadUsageError(
            "select dead letters by ids, --reason, --topic, --partition, --route, --since, --until, or --all"
        )
    return chosen


def place_of(
    settings: Settings, topic: str | None, number: int | None
) -> tuple[tuple[str, ...] | None, TopicPartition | None]:
    """The topic, and its partition of this number; None: any.

    Raises:
        BadUsageError: nobody says of which topic the partition is.
    """
    if number is None:
        return (None if topic is None else (topic,)), None
    table = settings.route_table
    if topic is None and table.has_several_topics:
        raise BadUsageError(f"of which topic is partition {number}? Add --topic, with {table.names}")
    return None, TopicPartition(topic or table.topics[0], number)


def time_of(given: str | None) -> datetime | None:
    """A time, or how long ago it was.

    Raises:
        BadUsageError: it is neither.
    """
    # Not at the top: see `workers.cli`.
    from workers.settings.files import shown

    if given is None:
        return None
    try:
        if ago := re.fullmatch(r"(\d{1,6})([smhd])", given):
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(given)
        return time if time.tzinfo else time.astimezone()
    except (ValueError, OverflowError):
        raise BadUsageError(f"{shown(given)} is not a time: use 10m, 2h, 3d (ago), or 2026-01-31T12:00") from None
