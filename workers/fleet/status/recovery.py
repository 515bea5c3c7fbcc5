"""What is said of a fleet in which a worker has just died, as long as all that is wrong heals by itself. Pure: no I/O."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.naming import is_worker, short_name
from workers.state.event_log import Event
from workers.state.heartbeat import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workers.fleet.status.group import GroupStatus
    from workers.fleet.status.slot import SlotStatus

RECOVERY_SECONDS = 20.0
"""After a death: twice the time in which Kafka itself notices it. What is wrong for longer is not healing."""
MOST = 4
"""Names in one sentence, which has to fit into 80 columns."""
RETURNING = ("ended", "exited", State.STARTING, State.JOINING)
"""States of a slot whose process is about to come back. One that backs off, or waits for a service, is not one of them."""


class Death(NamedTuple):
    """The last death of a worker, by the events of the watchdog."""

    process: str
    seconds_ago: float
    hung: bool
    """Whether the watchdog killed it."""
    owners: tuple[str, ...] | None
    """Who has its partitions now; None: they are not all taken over."""


def describe_recovery(
    slots: Iterable[SlotStatus], group: GroupStatus | None, events: Sequence[Mapping[str, Any]], time: str
) -> str | None:
    """One sentence, for example `worker_02 died 2 s ago and starts again; 00 and 03 have its partitions`.

    Args:
        events: the last ones, oldest first.
        time: now, ISO 8601.

    Returns:
        None: no worker has just died, or something is wrong that does not follow from that.
    """
    deaths = {death.process: death for death in _deaths(events, datetime.fromisoformat(time).timestamp())}
    away = [slot for slot in slots if slot.problem]
    if not deaths or group is None or any(_is_broken(slot, deaths) for slot in away) or _needs_somebody(group):
        return None
    latest = min(death.seconds_ago for death in deaths.values())
    names = sorted(deaths)
    partitions = _partitions(deaths, group)
    if len(names) > 1:
        who = (
            f"workers {_listed([short_name(name) for name in names])}"
            if len(names) <= MOST
            else f"{len(names)} workers"
        )
        return f"{who} died {latest:.0f} s ago and {'start again' if away else 'are back'}; {partitions}"
    (name,) = names
    if deaths[name].hung:
        return f"{name} hung and was killed {latest:.0f} s ago; {partitions}"
    return f"{name} died {latest:.0f} s ago and {'starts again' if away else 'is back'}; {partitions}"


def _deaths(events: Sequence[Mapping[str, Any]], now: float) -> Iterable[Death]:
    last: dict[str, tuple[float, Any]] = {}
    stalled: set[Any] = set()
    owners: dict[Any, tuple[str, ...]] = {}
    for event in events:
        kind, process, pid = event.get("event"), str(event.get("process")), event.get("pid")
        try:
            at = datetime.fromisoformat(str(event.get("time"))).timestamp()
            if kind == Event.TAKEN_OVER:
                owners[pid] = tuple(sorted(event["partitions"]))
        except (ValueError, KeyError, TypeError):
            # Written by another version.
            continue
        if kind == Event.STALLED:
            stalled.add(pid)
        elif kind == Event.EXITED and not event.get("expected") and is_worker(process):
            last[process] = at, pid
    for process, (at, pid) in last.items():
        if 0 <= now - at < RECOVERY_SECONDS:
            yield Death(process, now - at, pid in stalled, owners.get(pid))


def _is_broken(slot: SlotStatus, deaths: Mapping[str, Death]) -> bool:
    return slot.name not in deaths or slot.state not in RETURNING


def _needs_somebody(group: GroupStatus) -> bool:
    """Whether the group has a problem that no rebalance solves."""
    standing = any(each.hanging for each in group.open_transactions.values())
    owned = [partition for member in group.members for partition in member.partitions]
    return group.partitions is None or bool(group.unanswered) or standing or len(owned) > len(set(owned))


def _partitions(deaths: Mapping[str, Death], group: GroupStatus) -> str:
    whose = "its" if len(deaths) == 1 else "their"
    found = [death.owners for death in deaths.values()]
    if not group.settled:
        return "the group rebalances"
    if all(owners is not None for owners in found):
        owners = sorted({short_name(name) for each in found for name in each or ()})
        return f"{_listed(owners)} {'has' if len(owners) == 1 else 'have'} {whose} partitions"
    return f"{whose} partitions are being taken over" if group.unowned else "every partition has its owner"


def _listed(names: Sequence[str]) -> str:
    if len(names) > MOST:
        return f"{len(names)} workers"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
