"""The marks of the timeline: what happened to the workers, from the watchdog's events and from what was seen. Pure."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.fleet.event_words import SIGNAL, words
from workers.naming import is_worker
from workers.state.event_log import Event, unix_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KEPT = 2_000
TOLD = 200
"""The most in one answer; of more, rebalances are left out first, and then the oldest."""
SAME_SECONDS = 3.0
"""An end that was seen here and one that the watchdog tells of are the same, if they are nearer."""


class MarkKind(StrEnum):
    """The kinds of marks, as the page knows them."""

    DIED = "died"
    KILLED = "killed"
    EVICTED = "evicted"
    TAKEN_OVER = "taken_over"
    STORED_AGAIN = "stored_again"
    BACK = "back"
    STOPPED = "stopped"
    STALLED = "stalled"
    REBALANCED = "rebalanced"
    FLEET_STARTED = "fleet_started"


ENDS = (MarkKind.DIED, MarkKind.KILLED, MarkKind.STOPPED)
OF_EVENT: dict[str, MarkKind] = {
    Event.STOPPED: MarkKind.STOPPED,
    Event.BACKOFF: MarkKind.DIED,
    Event.FATAL: MarkKind.DIED,
    Event.FLEET_STOPPING: MarkKind.STOPPED,
    Event.EVICTED: MarkKind.EVICTED,
    Event.TAKEN_OVER: MarkKind.TAKEN_OVER,
    Event.STORED_AGAIN: MarkKind.STORED_AGAIN,
    Event.STALLED: MarkKind.STALLED,
    Event.REBALANCED: MarkKind.REBALANCED,
    Event.FLEET_STARTED: MarkKind.FLEET_STARTED,
}
"""Without those of `exited`, which may be more than one."""


class Mark(NamedTuple):
    """Something that happened at one moment."""

    time: float
    kind: MarkKind
    process: str | None
    """None: the fleet."""
    text: str
    """In words, without the process: `killed (SIGKILL)`."""
    seconds: float | None = None
    """Since the end of the process."""
    partitions: Mapping[str, Any] | None = None
    """By worker, by topic, the numbers."""


class Marks:
    """All marks of the last time. Times are of one clock."""

    def __init__(self) -> None:
        self._seen: list[Mark] = []
        self._told: list[Mark] = []
        self._times: dict[tuple[str, str, str], float] = {}
        """By event: its time of this clock, converted once: a step of the other clock moves nothing that was."""

    def see(self, mark: Mark) -> None:
        """Add what was seen here. An end that the watchdog has told of already, or tells of later, is not there twice."""
        self._seen = [*self._seen[-KEPT:], mark]

    def tell(self, events: Iterable[Mapping[str, Any]], to_monotonic: float, *, named: bool = False) -> None:
        """Replace what the watchdog tells. Args: to_monotonic: what is added to Unix times; named: see `event_words.words`."""
        times, told = self._times, []
        self._times = {}
        for event in events:
            if (mark := _mark_of(event, named=named)) is None:
                continue
            key = str(event.get("time")), mark.kind, str(mark.process)
            at = self._times[key] = times.get(key, mark.time + to_monotonic)
            told.append(mark._replace(time=at))
        self._told = told[-KEPT:]

    def between(self, start: float, end: float) -> list[Mark]:
        """In the order of their times."""
        ends = [mark for mark in self._seen if mark.kind in ENDS]
        told = _with_seconds(_earlier(mark, ends) if mark.kind in ENDS else mark for mark in self._told)
        seen = [mark for mark in self._seen if mark.kind not in ENDS or not any(_is_same(mark, each) for each in told)]
        found = [mark for mark in [*told, *seen] if start <= mark.time <= end]
        return _fewer(sorted(found, key=lambda mark: mark.time))


def _with_seconds(marks: Iterable[Mark]) -> list[Mark]:
    """With the time from the end of a worker until it was evicted, which the event does not tell."""
    found: list[Mark] = []
    ended: dict[str | None, float] = {}
    for mark in marks:
        if mark.kind in ENDS:
            ended[mark.process] = mark.time
        is_eviction = mark.kind is MarkKind.EVICTED and mark.process in ended
        found.append(mark._replace(seconds=round(mark.time - ended[mark.process], 3)) if is_eviction else mark)
    return found


def _is_same(one: Mark, other: Mark) -> bool:
    """Whether both are the same end of the same process."""
    return one.process == other.process and other.kind in ENDS and abs(one.time - other.time) < SAME_SECONDS


def _earlier(mark: Mark, seen: Iterable[Mark]) -> Mark:
    """An end with the earlier of both times: who notices it later was held up."""
    return mark._replace(time=min([mark.time, *(each.time for each in seen if _is_same(each, mark))]))


def _fewer(marks: Sequence[Mark]) -> list[Mark]:
    if len(marks) <= TOLD:
        return list(marks)
    return [mark for mark in marks if mark.kind is not MarkKind.REBALANCED][-TOLD:]


def _mark_of(event: Mapping[str, Any], *, named: bool) -> Mark | None:
    """With its Unix time."""
    process = event.get("process")
    if process is not None and not is_worker(str(process)):
        return None
    kind = OF_EVENT.get(str(event.get("event")))
    if event.get("event") == Event.EXITED:
        kind = MarkKind.STOPPED if event.get("expected") else MarkKind.KILLED if event.get(SIGNAL) else MarkKind.DIED
    at = unix_time(event.get("time"))
    with suppress(ValueError, TypeError):
        if kind and at is not None:
            seconds, partitions = event.get("seconds"), event.get("partitions")
            return Mark(
                at,
                kind,
                process,
                words(event, named=named),
                float(seconds) if seconds is not None else None,
                partitions if isinstance(partitions, dict) else None,
            )
    return None
