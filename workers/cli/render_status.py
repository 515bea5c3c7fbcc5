"""`workers status` on a terminal: one screen, 80 columns or wider."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from workers.cli.render_audit import audit_line
from workers.fleet.status.group import STABLE, compact_partitions
from workers.fleet.status.slot import IDLE, WORKING
from workers.naming import short_name
from workers.state.heartbeat import State
from workers.types import from_topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import RenderableType

    from workers.fleet.status.group import GroupStatus
    from workers.fleet.status.model import Status
    from workers.fleet.status.slot import SlotStatus

WIDE = 132
"""From so many columns on every number is shown, and no name is shortened."""
EVENTS = 6
TRANSACTIONS = 3
"""The most open transactions that are shown."""
HIDDEN_EVENTS = ("running", "stopping")
"""They only repeat the event before or after them."""
NARROW: dict[str, str] = {State.WAITING_FOR_MONGODB: "awaits MongoDB", State.WAITING_FOR_KAFKA: "awaits Kafka"}
TRANSIENT = (
    State.STARTING,
    State.CRASH_LOOP_BACKOFF,
    State.WAITING_FOR_MONGODB,
    State.WAITING_FOR_KAFKA,
    State.JOINING,
    State.STOPPING,
)
GOOD, WARN, BAD, FAINT = "green", "yellow", "bold red", "dim"


def screen(status: Status, width: int, height: int | None = None) -> RenderableType:
    """The whole screen.

    Args:
        width: columns of the terminal; no line is longer.
        height: lines of the terminal; a low one shows fewer events. None: no limit.
    """
    parts: list[RenderableType] = [summary(status, width), Text(""), *_services(status), Text("")]
    if status.slots:
        parts += [_slots(status, width), Text("")]
    group = [*_group(status), audit_line(status.audit)]
    parts += group
    used = len(status.services) + len(status.slots) + len(group) + 6
    shown = [event for event in status.events if event.get("event") not in HIDDEN_EVENTS]
    events = shown[-max(1, min(EVENTS, (height or 99) - used)) :]
    if events:
        parts += [Text(""), *(_event(event) for event in events)]
    for part in parts:
        if isinstance(part, Text):
            part.truncate(width, overflow="ellipsis")
    return Group(*parts)


def summary(status: Status, width: int) -> Text:
    """One line: healthy, or the first problem and how many more there are."""
    if status.healthy:
        reading = sum(slot.state in WORKING for slot in status.slots)
        group = status.group
        owned = f" {_plural(group.partitions, 'partition')}, lag {group.lag:,}" if group and group.partitions else ""
        unstable = sum(each.offsets for each in group.open_transactions.values()) if group else 0
        behind = f", {unstable:,} unstable" if unstable else ""
        return Text.assemble(
            ("healthy", f"bold {GOOD}"), f": {_plural(reading, 'worker')} {_verb(reading)}{owned}{behind}"
        )
    first, more = status.problems[0], len(status.problems) - 1
    rest = f" (+{more} more)" if more else ""
    head = "not healthy: " if status.fleet else ""
    problem = Text(head + first, style=BAD)
    problem.truncate(max(20, width - len(rest)), overflow="ellipsis")
    return problem.append(rest, style=BAD)


def _services(status: Status) -> list[Text]:
    return [
        Text.assemble(
            f"{name:<13}", (f"{'up' if service.up else 'down':<5}", GOOD if service.up else BAD), service.detail
        )
        for name, service in status.services.items()
    ]


def _slots(status: Status, width: int) -> Table:
    """Columns have fixed widths, so that nothing moves at a refresh."""
    wide = width >= WIDE
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2 if wide else 1, 0, 0))
    table.add_column("slot", no_wrap=True, width=9 if wide else 4)
    table.add_column("state", no_wrap=True, width=21 if wide else 17, overflow="ellipsis")
    columns: list[tuple[str, int, Callable[[SlotStatus], str]]] = [
        ("pid", 7, lambda slot: _number(slot.pid, plain=True)),
        ("uptime", 6, lambda slot: _duration(slot.uptime_seconds, exact=False)),
        ("restarts", 8, lambda slot: _number(slot.restarts)),
        ("owns", min(20, 6 + width - WIDE) if wide else 6, lambda slot: compact_partitions(slot.partitions) or "-"),
        ("rec/s", 6, lambda slot: _number(slot.records_per_second)),
        ("lag", 6, lambda slot: _at_least(slot.lag, 6, partial=slot.lag_partial)),
        ("commit", 6, lambda slot: _duration(slot.seconds_since_commit)),
        ("dead", 4, lambda slot: _number(slot.dead_letters, most=4)),
    ]
    if wide:
        columns += [
            ("records", 10, lambda slot: _number(slot.records, most=10)),
            ("rebalances", 10, lambda slot: _number(slot.rebalances)),
            ("iteration", 9, lambda slot: _duration(slot.seconds_since_iteration)),
        ]
    for name, size, _ in columns:
        table.add_column(name, justify="right", no_wrap=True, width=size, overflow="ellipsis")
    for slot in status.slots:
        name = slot.name if wide else short_name(slot.name)
        table.add_row(name, _state(slot, wide=wide), *(Text(show(slot)) for _, _, show in columns))
    return table


def _state(slot: SlotStatus, *, wide: bool) -> Text:
    text = slot.text if wide else NARROW.get(str(slot.state), slot.text)
    if slot.healthy:
        return Text(text, style=FAINT if slot.state == IDLE else GOOD if text == slot.state else WARN)
    return Text(text, style=WARN if slot.state in TRANSIENT else BAD)


def _group(status: Status) -> list[Text]:
    group = status.group
    if group is None:
        return [Text.assemble("group        ", ("unknown while Kafka is down", FAINT))]
    members = ", ".join(
        f"{short_name(each.client_id)} {compact_partitions(each.partitions) or '-'}" for each in group.members
    )
    described = f"{'group':<13}{group.name}: {group.state}, {_plural(len(group.members), 'member')}"
    first = Text(f"{described}: {members}" if members else described, style="" if group.state == STABLE else WARN)
    if group.partitions is None:
        return [first, Text.assemble(f"{'topic':<13}{group.topic}: ", ("there is no such topic yet", BAD))]
    if group.unowned:
        owned = Text(f"unassigned: {compact_partitions(group.unowned)}", style=BAD)
    else:
        owned = Text("all assigned") if group.settled else Text("rebalancing", style=WARN)
    lag = _at_least(group.lag, 99, partial=bool(group.unanswered))
    topic = f"{'topic':<13}{group.topic}: {_plural(group.partitions, 'partition')}, lag {lag}, "
    return [first, Text.assemble(topic, owned), *_unreadable(group)]


def _unreadable(group: GroupStatus) -> list[Text]:
    """What stands although every worker is well, a line for each kind."""
    lines = []
    if group.unanswered:
        lines.append(Text(f"{'no answer':<13}partition {compact_partitions(group.unanswered)}", style=BAD))
    for partition, each in sorted(group.open_transactions.items())[:TRANSACTIONS]:
        lines.append(
            Text(
                f"{'transaction':<13}partition {partition.partition}: {_number(each.offsets)} unstable, open for "
                f"{_duration(each.seconds)} at offset {each.first_offset:,} ({each.source or 'age not known yet'})",
                style=BAD if each.hanging else WARN,
            )
        )
    if (more := len(group.open_transactions) - TRANSACTIONS) > 0:
        lines.append(Text(f"{'':<13}and open transactions in {_plural(more, 'more partition')}", style=WARN))
    return lines


def _event(event: Mapping[str, Any]) -> Text:
    kind, process = str(event.get("event")), str(event.get("process") or "fleet")
    text = {
        "fleet_started": "started",
        "fleet_stopping": "is stopping",
        "exited": _exited(event),
        "backoff": "did not stay up; supervisord retries",
        "fatal": "FATAL: supervisord has given up on it",
        "revived": "restarted after FATAL",
        "evicted": f"removed from the group: {event.get('member')}",
        "stalled": f"stalled ({event.get('kind')}), killed: pid {event.get('pid')}",
        "taken_over": f"taken over after {event.get('seconds')} s: {_owners(event.get('partitions'))}",
        "rebalanced": f"rebalanced: {_owners(event.get('partitions'))}",
    }.get(kind, kind)
    style = {"exited": "" if event.get("expected") else BAD, "fatal": BAD, "stalled": BAD, "backoff": WARN}
    return Text.assemble((f"{_clock(event.get('time')):<13}", FAINT), f"{process:<11}", (text, style.get(kind, "")))


def _exited(event: Mapping[str, Any]) -> str:
    pid = f", pid {event['pid']}" if event.get("pid") else ""
    return f"exited as requested{pid}" if event.get("expected") else f"crashed or was killed{pid}"


def _owners(owners: object) -> str:
    try:
        owned = {name: from_topics(topics) for name, topics in sorted(dict(owners).items())}  # type: ignore[call-overload]
    except (AttributeError, TypeError, ValueError):
        # Written by a version with another format.
        return "partitions moved"
    return ", ".join(f"{short_name(name)} {compact_partitions(each) or '-'}" for name, each in owned.items())


def _clock(time: object) -> str:
    """The local time of an event, with its day if that is not today."""
    try:
        then = datetime.fromisoformat(str(time)).astimezone()
    except ValueError:
        return "?"
    return f"{then:%H:%M:%S}" if then.date() == datetime.now().astimezone().date() else f"{then:%d %b %H:%M}"


def _number(value: float | None, most: int = 6, *, plain: bool = False) -> str:
    """With separators; in thousands or millions if it would be longer than `most` characters."""
    if value is None:
        return "-"
    if plain or len(f"{value:,.0f}") <= most:
        return f"{value:.0f}" if plain else f"{value:,.0f}"
    return f"{value / 1e3:,.0f}k" if len(f"{value / 1e3:,.0f}k") <= most else f"{value / 1e6:,.0f}M"


def _at_least(value: int | None, most: int, *, partial: bool) -> str:
    """A sum; with a plus where a part of it is not known."""
    shown = _number(value, most - partial)
    return f"{shown}+" if partial and value is not None else shown


def _duration(seconds: float | None, *, exact: bool = True) -> str:
    """At most six characters: 2.5s, 40s, 3m12s, 2h05m, 4d03h, 120d."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if exact and seconds < 10:
        return f"{seconds:.1f}s"
    if whole < 60:
        return f"{whole}s"
    for small, large, first, second in ((60, 3600, "m", "s"), (3600, 86400, "h", "m"), (86400, 8640000, "d", "h")):
        if whole < large:
            return f"{whole // small}{first}{whole % small // {60: 1, 3600: 60, 86400: 3600}[small]:02d}{second}"
    return f"{whole // 86400}d"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _verb(number: int) -> str:
    return "reads" if number == 1 else "read"
