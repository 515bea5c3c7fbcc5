"""The events of the fleet in words, at one place: for `workers status`, the marks of the timeline and the page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.fleet.sentences import listed, which
from workers.fleet.status.group import compact_partitions
from workers.naming import short_name
from workers.pauses import Pause
from workers.state.event_log import Event, Hang
from workers.types import from_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.types import TopicPartition

UNKNOWN_END = "crashed or was killed"
SIGNAL, EXIT_CODE = "signal", "exit_code"
"""Facts of an `exited` event that supervisord's log has (`workers.fleet.endings`)."""
HANGS: dict[str, str] = {
    Hang.STOPPED: "stopped by a signal",
    Hang.UNINTERRUPTIBLE: "stuck in the kernel",
    Hang.LOOP_STALLED: "its loop stood still",
    Hang.NO_PROGRESS: "it did not read its partitions",
}
PLAIN: dict[str, str] = {
    Event.FLEET_STARTED: "started",
    Event.FLEET_STOPPING: "is stopping",
    Event.STARTING: "is starting",
    Event.RUNNING: "runs",
    Event.STOPPING: "is stopping",
    Event.STOPPED: "stopped as requested",
    Event.BACKOFF: "did not stay up; supervisord starts it again",
    Event.FATAL: "does not stay up; supervisord has given up on it (FATAL)",
    Event.UNKNOWN: "is in a state that supervisord does not know",
    Event.REVIVED: "started again after FATAL",
    Event.EVICTED: "removed from the group",
}


def subject(event: Mapping[str, Any]) -> str:
    """Who it happened to."""
    return str(event.get("process") or "fleet")


def words(event: Mapping[str, Any], *, short: bool = False, named: bool = False) -> str:
    """What happened, without who it happened to: `killed (SIGKILL)`.

    Args:
        short: workers by their two digits, for narrow output.
        named: whether partitions are named with their topic also where all are of one: the fleet has several.
    """
    kind = str(event.get("event"))
    if kind == Event.EXITED:
        return how_it_ended(event)
    if kind == Event.STALLED:
        why = str(event.get("kind"))
        return f"hung ({HANGS.get(why, why)}) and was killed by the watchdog"
    if kind in (Event.TAKEN_OVER, Event.STORED_AGAIN):
        return _moved(event, kind, short=short, named=named)
    if kind in (Event.PAUSED, Event.RESUMED):
        return _paused(event, kind)
    if kind == Event.REBALANCED:
        return f"rebalanced: {_owners(event.get('partitions'), named=named)}"
    return PLAIN.get(kind, kind)


def how_it_ended(event: Mapping[str, Any]) -> str:
    """How a process ended: an `exited` event in words."""
    if event.get("expected"):
        return "ended as requested"
    if event.get(SIGNAL):
        return f"killed ({event[SIGNAL]})"
    if event.get(EXIT_CODE) is not None:
        return f"ended with exit code {event[EXIT_CODE]}"
    return UNKNOWN_END


def owners_of(event: Mapping[str, Any]) -> dict[str, list[TopicPartition]]:
    """By worker, the partitions of an event; empty: it has none, or was written by a version with another format."""
    try:
        owners = dict(event.get("partitions") or {})
        return {name: sorted(from_topics(topics)) for name, topics in sorted(owners.items())}
    except (AttributeError, TypeError, ValueError):
        return {}


def _moved(event: Mapping[str, Any], kind: str, *, short: bool, named: bool) -> str:
    owners = {name: owned for name, owned in owners_of(event).items() if owned}
    moved = sorted({partition for owned in owners.values() for partition in owned})
    what = which(moved, named=named) if moved else "its partitions"
    who = listed([short_name(name) if short else name for name in owners])
    if kind == Event.TAKEN_OVER:
        return f"{what} taken over by {who}" if who else "its partitions were taken over"
    return f"first record of {what} stored again{f', by {who}' if who else ''}"


def _paused(event: Mapping[str, Any], kind: str) -> str:
    what = Pause("", "", 0.0, event.get("topic"), event.get("partition")).what
    by = f" by {event.get('by')}" if kind == Event.PAUSED else ", paused"
    return f"{kind} {what}{by}: {event.get('because')}"


def _owners(owners: object, *, named: bool) -> str:
    found = owners_of({"partitions": owners})
    if not found:
        return "partitions moved"
    return ", ".join(
        f"{short_name(name)} {compact_partitions(owned, named=named) or '-'}" for name, owned in found.items()
    )
