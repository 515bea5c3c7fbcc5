"""The consumer group on a terminal: its members, its topics, what cannot be read of them, and what is verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from workers.cli.figures import at_least, duration, number
from workers.cli.hanging import Hanging
from workers.cli.paste import missing_topic
from workers.cli.payload import escaped
from workers.cli.render_audit import audit_line
from workers.cli.render_pauses import pause_lines
from workers.fleet.sentences import plural
from workers.fleet.status.group import CORRECT, STABLE, compact_partitions, no_topics
from workers.naming import short_name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workers.fleet.status.group import GroupStatus
    from workers.fleet.status.model import Status

MOST = 3
"""The most open transactions that are shown, and topics that are not read."""
LABEL_WIDTH = 13
WARN, BAD, FAINT = "yellow", "bold red", "dim"


def group_lines(status: Status, width: int) -> RenderableType:
    """The consumer group, its topic, what cannot be read of it, and until when it is verified."""
    rows = [*_group(status, width - LABEL_WIDTH), *pause_lines(status), ("audit", audit_line(status.audit))]
    return Group(*(Hanging(text, (label, LABEL_WIDTH)) for label, text in rows))


def _group(status: Status, width: int) -> list[tuple[str, Text]]:
    group = status.group
    if group is None:
        return [("group", Text("unknown while Kafka is down", style=FAINT))]
    named = group.has_several_topics
    members = ", ".join(
        f"{escaped(short_name(each.client_id))} {compact_partitions(each.partitions, named=named) or '-'}"
        for each in group.members
    )
    described = f"{group.name}: {group.state}, {plural(len(group.members), 'member')}"
    style = "" if group.state == STABLE else WARN
    first = "group", Text(f"{described}: {members}" if members else described, style=style)
    if group.partitions is None and not group.has_several_topics:
        return [first, *missing_topic(group.topic, group.create_topic or "", width)]
    if group.unowned:
        owned = Text(f"unassigned: {compact_partitions(group.unowned, named=named)}", style=BAD)
    else:
        owned = Text("all assigned") if group.settled else Text("rebalancing", style=WARN)
    lag = at_least(group.lag, 99, partial=bool(group.unanswered))
    sums = f"{plural(group.partitions or 0, 'partition')}, lag {lag}, "
    if not group.has_several_topics:
        return [first, ("topic", Text.assemble(f"{group.topic}: {sums}", owned)), *_unreadable(group)]
    found = sum(topic.partitions > 0 for route in status.routes for topic in route.topics)
    return [first, ("topics", Text.assemble(f"{found} with {sums}", owned)), *_unread(group), *_unreadable(group)]


def _unread(group: GroupStatus) -> list[tuple[str, Text]]:
    """Topics that are not read at all, a line each."""
    lines = [("halted", f"topic {topic}: {why}; {CORRECT}") for topic, why in sorted(group.unroutable.items())]
    lines += [("refused", f"topic {topic}: {why}") for topic, why in sorted(group.refused.items())]
    shown = [(label, Text(escaped(text), style=BAD)) for label, text in lines[:MOST]]
    if (more := len(lines) - MOST) > 0:
        shown.append(("", Text(f"and {plural(more, 'more topic')}", style=BAD)))
    if group.missing:
        text = f"{no_topics(group.missing)} yet; what is made is read within a minute"
        shown.append(("missing", Text(text, style=WARN)))
    return shown


def _unreadable(group: GroupStatus) -> list[tuple[str, Text]]:
    """What stands although every worker is well, a line for each kind."""
    lines = []
    if group.unanswered:
        lines.append(
            (
                "no answer",
                Text(f"partition {compact_partitions(group.unanswered, named=group.has_several_topics)}", style=BAD),
            )
        )
    for partition, each in sorted(group.open_transactions.items())[:MOST]:
        text = (
            f"partition {partition if group.has_several_topics else partition.partition}: {number(each.offsets)} unstable, open for "
            f"{duration(each.seconds)} at offset {each.first_offset:,} ({each.source or 'age not known yet'})"
        )
        lines.append(("transaction", Text(text, style=BAD if each.hanging else WARN)))
    if (more := len(group.open_transactions) - MOST) > 0:
        lines.append(("", Text(f"and open transactions in {plural(more, 'more partition')}", style=WARN)))
    return lines
