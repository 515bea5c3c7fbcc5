"""Which workers died in the last time, and what followed, by the watchdog's events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.fleet.event_words import SIGNAL, owners_of
from workers.fleet.sentences import duration
from workers.state.event_log import Event, unix_time

if TYPE_CHECKING:
    from workers.fleet.status.model import Status


class Death(NamedTuple):
    """A worker that ended though nobody asked it to."""

    process: str
    at: float
    """Unix time."""
    killed: bool
    """Whether it is known that a signal ended it."""
    owners: tuple[str, ...] = ()
    """The workers that have its partitions now."""
    seconds: float | None = None
    """From its end until they had them, or had stored again; None: not yet, or not known."""
    stored_again: bool = False

    def words(self, now: float) -> str:
        """`worker_01 was killed 3 s ago`."""
        return f"{self.process} {'was killed' if self.killed else 'died'} {duration(now - self.at)} ago"


def recent_deaths(status: Status, now: float, seconds: float) -> list[Death]:
    """The last death of each worker within so many seconds, oldest first. Args: now: Unix time."""
    found: dict[str, Death] = {}
    for event in status.events:
        process, kind, at = str(event.get("process")), event.get("event"), unix_time(event.get("time"))
        if at is None or now - at > seconds:
            continue
        if kind == Event.EXITED and not event.get("expected"):
            found.pop(process, None)
            found[process] = Death(process, at, SIGNAL in event)
        elif kind in (Event.TAKEN_OVER, Event.STORED_AGAIN) and process in found:
            owners = tuple(name for name, owned in owners_of(event).items() if owned)
            found[process] = found[process]._replace(
                owners=owners or found[process].owners,
                seconds=event.get("seconds"),
                stored_again=kind != Event.TAKEN_OVER,
            )
    slots = {slot.name for slot in status.slots}
    return [death for death in found.values() if death.process in slots]
