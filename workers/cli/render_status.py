"""`workers status` on a terminal: one screen, 60 columns or wider. What is too long for a line goes on in the next."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from workers.cli import render_routes
from workers.cli.figures import at_least, duration, number, verb
from workers.cli.hanging import Hanging
from workers.cli.render_group import LABEL_WIDTH, group_lines
from workers.fleet.event_words import subject, words
from workers.fleet.sentences import plural
from workers.fleet.status.group import compact_partitions
from workers.fleet.status.slot import IDLE, PAUSED, WAITING_FOR_TOPIC, WORKING
from workers.fleet.verdict_facts import Level
from workers.naming import short_name
from workers.state.heartbeat import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import RenderableType

    from workers.fleet.status.model import Status
    from workers.fleet.status.slot import SlotStatus
    from workers.fleet.verdict_facts import Verdict

ALL_COLUMNS = 80
"""From so many columns of the terminal on all that is needed is shown."""
LEFT_OUT = ("pid", "restarts", "commit")
"""Columns for which there is no room below that."""
WIDE = 132
"""From so many columns on every number is shown, and no name is shortened."""
EVENTS = 6
HIDDEN_EVENTS = ("running", "stopping")
"""They only repeat the event before or after them."""
NARROW: dict[str, str] = {
    State.WAITING_FOR_MONGODB: "awaits MongoDB",
    WAITING_FOR_TOPIC: "awaits topic",
}
TRANSIENT = (
    State.STARTING,
    State.CRASH_LOOP_BACKOFF,
    State.WAITING_FOR_MONGODB,
    State.WAITING_FOR_KAFKA,
    State.JOINING,
    State.STOPPING,
)
BAD_EVENTS = ("exited", "fatal", "stalled")
SIGNS = {Level.CALM: ("●", "*"), Level.ATTENTION: ("▲", "!"), Level.ACT: ("■", "#")}
"""Before the verdict, so that not its colour alone says how much it matters; the second where only ASCII is shown."""
GOOD, WARN, BAD, FAINT = "green", "yellow", "bold red", "dim"


def screen(status: Status, width: int, said: Verdict | None = None, *, ascii_only: bool = False) -> RenderableType:
    """The whole screen.

    Args:
        width: columns of the terminal; no line is longer.
        said: the verdict, which is the headline; None: none.
        ascii_only: whether the terminal can show nothing else.
    """
    parts: list[RenderableType] = [headline(said, ascii_only=ascii_only), Text("")] if said else []
    parts += [summary(status, WARN if said and said.level != Level.ACT else BAD), Text(""), services(status), Text("")]
    if status.has_several_topics and status.routes:
        parts += [routes_of(status, width), Text("")]
    if status.slots:
        parts += [slots(status, width), Text("")]
    parts.append(group_lines(status, width))
    shown = last_events(status)[-EVENTS:]
    if shown:
        parts += [Text(""), events(shown, named=status.has_several_topics)]
    return Group(*parts)


def routes_of(status: Status, width: int, most: int = render_routes.MOST) -> RenderableType:
    """A line for each route; of a single one, for each topic. Args: most: lines."""
    if len(status.routes) == 1:
        return render_routes.topics(status.routes[0].topics, width, most)
    return render_routes.routes(status.routes, width, most)


def headline(said: Verdict, *, ascii_only: bool = False) -> RenderableType:
    """The verdict, and what else is to be known."""
    sign = SIGNS[said.level][ascii_only]
    style = {Level.CALM: f"bold {GOOD}", Level.ATTENTION: f"bold {WARN}", Level.ACT: BAD}[said.level]
    first = Hanging(Text(said.text, style=style), (Text(sign, style=style), 2))
    return Group(first, Hanging(Text(said.detail), ("", 2))) if said.detail else first


def summary(status: Status, style: str = BAD) -> Text:
    """Healthy, or the first problem, in that style, and how many more there are."""
    if status.healthy:
        reading = sum(slot.state in WORKING and slot.state != PAUSED for slot in status.slots)
        group = status.group
        paused = f", {plural(len(status.pauses.all), 'pause')}" if status.pauses.all else ""
        owned = f" {plural(group.partitions, 'partition')}, lag {group.lag:,}" if group and group.partitions else ""
        unstable = sum(each.offsets for each in group.open_transactions.values()) if group else 0
        behind = f", {unstable:,} unstable" if unstable else ""
        return Text.assemble(
            ("healthy", f"bold {GOOD}"), f": {plural(reading, 'worker')} {verb(reading)}{owned}{behind}{paused}"
        )
    first, more = status.problems[0], len(status.problems) - 1
    head = "not healthy: " if status.fleet else ""
    return Text(f"{head}{first}{f' (+{more} more)' if more else ''}", style=style, overflow="fold")


def services(status: Status) -> RenderableType:
    """A line for each service, and for what else runs."""
    return Group(
        *(
            Hanging(
                Text(service.detail),
                (name, LABEL_WIDTH),
                (Text("up" if service.up else "down", style=GOOD if service.up else BAD), 5),
            )
            for name, service in status.services.items()
        )
    )


def slots(status: Status, width: int, shown: Sequence[SlotStatus] | None = None) -> Table:
    """Columns have fixed widths, so that nothing moves at a refresh. Args: shown: None: all of them."""
    wide = width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2 if wide else 1, 0, 0))
    table.add_column("slot", no_wrap=True, width=9 if wide else 4)
    table.add_column("state", no_wrap=True, width=21 if wide else 17, overflow="ellipsis")
    columns: list[tuple[str, int, Callable[[SlotStatus], str]]] = [
        ("pid", 7, lambda slot: number(slot.pid, plain=True)),
        ("uptime", 6, lambda slot: duration(slot.uptime_seconds, exact=False)),
        ("restarts", 8, lambda slot: number(slot.restarts)),
        ("owns", min(20, 6 + width - WIDE) if wide else 6, lambda slot: compact_partitions(slot.partitions) or "-"),
        ("rec/s", 6, lambda slot: number(slot.records_per_second)),
        ("lag", 6, lambda slot: at_least(slot.lag, 6, partial=slot.lag_partial)),
        ("commit", 6, lambda slot: duration(slot.seconds_since_commit)),
        ("dead", 4, lambda slot: number(slot.dead_letters, most=4)),
    ]
    if status.has_several_topics:
        columns[3] = "parts", 6, lambda slot: number(len(slot.partitions))
    if wide:
        columns += [
            ("records", 10, lambda slot: number(slot.records, most=10)),
            ("rebalances", 10, lambda slot: number(slot.rebalances)),
            ("iteration", 9, lambda slot: duration(slot.seconds_since_iteration)),
        ]
    if width < ALL_COLUMNS:
        columns = [column for column in columns if column[0] not in LEFT_OUT]
    for name, size, _ in columns:
        table.add_column(name, justify="right", no_wrap=True, width=size, overflow="ellipsis")
    for slot in status.slots if shown is None else shown:
        name = slot.name if wide else short_name(slot.name)
        table.add_row(name, _state(slot, wide=wide), *(Text(show(slot)) for _, _, show in columns))
    return table


def _state(slot: SlotStatus, *, wide: bool) -> Text:
    text = slot.text if wide else NARROW.get(slot.text) or NARROW.get(str(slot.state), slot.text)
    if slot.healthy:
        return Text(text, style=FAINT if slot.state == IDLE else GOOD if text == slot.state else WARN)
    return Text(text, style=WARN if slot.state in TRANSIENT else BAD)


def last_events(status: Status) -> list[dict[str, Any]]:
    """Those worth a line, oldest first."""
    return [event for event in status.events if event.get("event") not in HIDDEN_EVENTS]


def events(shown: Sequence[Mapping[str, Any]], *, named: bool = False) -> RenderableType:
    """A line for each event. Args: named: see `event_words.words`."""
    return Group(*(_event(event, named=named) for event in shown))


def _event(event: Mapping[str, Any], *, named: bool) -> Hanging:
    kind, seconds = str(event.get("event")), event.get("seconds")
    bad = kind in BAD_EVENTS and not event.get("expected")
    after = f" (+{seconds:.2f} s)" if isinstance(seconds, int | float) else ""
    text = Text(words(event, short=True, named=named) + after, style=BAD if bad else WARN if kind == "backoff" else "")
    return Hanging(text, (Text(_clock(event.get("time")), style=FAINT), LABEL_WIDTH), (subject(event), 11))


def _clock(time: object) -> str:
    """The local time of an event, with its day if that is not today."""
    try:
        then = datetime.fromisoformat(str(time)).astimezone()
    except ValueError:
        return "?"
    return f"{then:%H:%M:%S}" if then.date() == datetime.now().astimezone().date() else f"{then:%d %b %H:%M}"
