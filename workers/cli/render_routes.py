"""Routes and topics on a terminal: a line each, with what waits, how fast it is stored, and what stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from workers.cli.figures import at_least, number
from workers.cli.payload import escaped
from workers.fleet.sentences import plural
from workers.fleet.status.group import compact_numbers
from workers.fleet.status.topics import ORDER, TopicState
from workers.naming import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.fleet.status.topics import RouteStatus, TopicStatus

MOST = 24
"""Lines of either table; JSON has all."""
STATE_WIDTH, LEAST_LABEL = 25, 8
OWNERS_WIDTH = 26
WIDE = 100
"""From so many columns on the owners of a topic are shown beside it."""
WAITING = (TopicState.UNASSIGNED, TopicState.MISSING, TopicState.PAUSED)
STYLES = {TopicState.READING: "green"} | dict.fromkeys(WAITING, "yellow")
BAD, FAINT = "bold red", "dim"


def routes(found: Sequence[RouteStatus], width: int, most: int = MOST) -> Table:
    """A line for each route, and one for each topic that no route can have."""
    unroutable = [topic for each in found if not each.label for topic in each.topics][:most]
    labels = [*(each.label for each in found), *(topic.topic for topic in unroutable)]
    table = _table("route", labels, width, [("topics", 6), ("parts", 5), ("rec/s", 7), ("lag", 7)])
    named = [each for each in found if each.label]
    for route in named[:most]:
        _row(
            table,
            route.label,
            [number(len(route.topics)), number(route.partitions), number(route.records_per_second, 7), _lag(route)],
            route.state,
            route.state_words,
        )
    _more(table, len(named) - most, "route")
    for topic in unroutable:
        _row(table, topic.topic, ["-"] * 4, topic.state, topic.state)
    return table


def topics(found: Sequence[TopicStatus], width: int, most: int = MOST) -> Table:
    """A line for each topic of a route, the worst of them if there are many."""
    shown = sorted(sorted(found, key=lambda each: ORDER.index(each.state))[:most], key=lambda each: each.topic)
    owners = [("owners", OWNERS_WIDTH + min(30, width - WIDE))] if width >= WIDE else []
    columns = [*owners, ("parts", 5), ("rec/s", 7), ("lag", 7)]
    table = _table("topic", [each.topic for each in shown], width, columns)
    for topic in shown:
        figures = [number(topic.partitions), number(topic.records_per_second, 7), _lag(topic)]
        _row(table, topic.topic, [*([_owners(topic)] if owners else []), *figures], topic.state, topic.state)
    _more(table, len(found) - most, "topic")
    return table


def _table(noun: str, labels: Sequence[str], width: int, columns: Sequence[tuple[str, int]]) -> Table:
    room = width - sum(size + 1 for _, size in columns) - STATE_WIDTH - 1
    label = max(LEAST_LABEL, min(room, max((len(escaped(each)) for each in labels), default=0)))
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(noun, no_wrap=True, width=label, overflow="ellipsis")
    for name, size in columns:
        table.add_column(
            name, justify="left" if name == "owners" else "right", no_wrap=True, width=size, overflow="ellipsis"
        )
    table.add_column("state", no_wrap=True, width=STATE_WIDTH, overflow="ellipsis")
    return table


def _row(table: Table, label: str, figures: Sequence[str], state: TopicState, words: str) -> None:
    table.add_row(Text(escaped(label)), *map(Text, figures), Text(words, style=STYLES.get(state, BAD)))


def _more(table: Table, more: int, noun: str) -> None:
    if more > 0:
        table.add_row(Text(f"and {plural(more, noun)} more", style=FAINT))


def _lag(each: RouteStatus | TopicStatus) -> str:
    return at_least(each.lag, 7, partial=each.lag_partial)


def _owners(topic: TopicStatus) -> str:
    return ", ".join(f"{escaped(short_name(name))} {compact_numbers(owned)}" for name, owned in topic.owners.items())
