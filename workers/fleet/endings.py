"""How processes ended: the signal or the exit code, which supervisord's events do not carry and its log has."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from workers.errors import UnavailableError
from workers.fleet.event_words import EXIT_CODE, SIGNAL
from workers.state.event_log import Event, unix_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.fleet.supervisor import SupervisorClient

TAIL_BYTES = 16 * 1024
NEAR_SECONDS = 5.0
"""Between the end of a process, by the kernel, and the line that supervisord writes when it notices."""
TRY_SECONDS = 3.0
"""An end that the log does not have yet is looked for again for so long."""
KEPT = 1_000
LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) \w+ exited: (\S+) \(([^\n]*)\)$", re.MULTILINE)
HOW = re.compile(r"terminated by (SIG\w+)|exit status (\d+)")
"""supervisor.options.decode_wait_status, and supervisor.process.Subprocess.finish."""


class Ending(NamedTuple):
    """One end of one process, by supervisord's log."""

    process: str
    time: float
    """Unix time."""
    facts: Mapping[str, Any]


def endings_in(log: str) -> list[Ending]:
    """The ends that a part of supervisord's log tells of, oldest first. Its times are local ones."""
    found = []
    for clock, milliseconds, process, text in LINE.findall(log):
        how = HOW.search(text)
        if how:
            facts: dict[str, Any] = {SIGNAL: how[1]} if how[1] else {EXIT_CODE: int(how[2])}
            with suppress(ValueError, OverflowError):
                then = datetime.strptime(clock, "%Y-%m-%d %H:%M:%S").astimezone().timestamp()
                found.append(Ending(process, then + int(milliseconds) / 1000, facts))
    return found


class Endings:
    """Asks supervisord for the end of its log when there is an end that is not explained yet: once each.

    `look` may wait for supervisord; `explained` never does.
    """

    def __init__(self, supervisord: SupervisorClient) -> None:
        self._supervisord = supervisord
        self._known: dict[tuple[str, str], Mapping[str, Any]] = {}
        """By process and time of the event: what was found, which may be nothing."""

    def look(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Find out how the processes of these events ended."""
        unknown = [event for event in events if _is_unexplained(event) and _key(event) not in self._known]
        if not unknown:
            return
        try:
            found = endings_in(str(self._supervisord.call("readLog", -TAIL_BYTES, 0)))
        except UnavailableError:
            # It has no log file, or does not answer: then nothing more is known of these.
            found = []
        for event in unknown[-KEPT:]:
            facts = _nearest(event, found)
            if facts or time.time() - (unix_time(event.get("time")) or 0.0) > TRY_SECONDS:
                self._known[_key(event)] = facts
        while len(self._known) > KEPT:
            del self._known[next(iter(self._known))]

    def explained(self, events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The events, with what is known of how processes ended."""
        return [{**event, **self._known.get(_key(event), {})} for event in events]


def _is_unexplained(event: Mapping[str, Any]) -> bool:
    return event.get("event") == Event.EXITED and not event.get("expected") and SIGNAL not in event


def _key(event: Mapping[str, Any]) -> tuple[str, str]:
    return str(event.get("process")), str(event.get("time"))


def _nearest(event: Mapping[str, Any], endings: Iterable[Ending]) -> Mapping[str, Any]:
    if (then := unix_time(event.get("time"))) is None:
        return {}
    near = [
        (abs(each.time - then), each.facts)
        for each in endings
        if each.process == event.get("process") and abs(each.time - then) <= NEAR_SECONDS
    ]
    return min(near, key=lambda each: each[0])[1] if near else {}
