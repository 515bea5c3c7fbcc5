"""The times of supervisord's events, which carry none: those of the processes, and not those at which they are read."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workers.state.event_log import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.fleet.watchdog.process_times import ProcessTimes

LATE_SECONDS = 1.2
"""supervisord notices within a second that a process has stayed up; an event that is read later was kept back."""
ENDS = (Event.EXITED, Event.STOPPED, Event.BACKOFF)


class EventTimes:
    """Ask it for each event once, in the order of supervisord. Times are seconds since the epoch."""

    def __init__(self, processes: ProcessTimes, fleet_started: float, start_seconds: Mapping[str, float]) -> None:
        """Args:
        fleet_started: the start of supervisord.
        start_seconds: `startsecs` by process.
        """
        self._processes = processes
        self.fleet_started = fleet_started
        self._start_seconds = start_seconds
        self._last: dict[str, float] = {}
        """By process: the time of its last event, which no later one precedes."""

    def resume(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Go on after these events, which an earlier watchdog has written."""
        for event in events:
            with suppress(KeyError, ValueError, TypeError):
                self._last[event["process"]] = datetime.fromisoformat(event["time"]).timestamp()

    def of(self, event: Event, process: str, pid: int | None) -> float:
        """When a process changed its state: by the kernel for starts and ends, else now. Args: pid: None: not said."""
        self._processes.scan()
        last = self._last.get(process, self.fleet_started)
        at = now = time.time()
        if event is Event.STARTING:
            at = self._processes.started_at(process, last)
        elif event is Event.RUNNING and process in self._last:
            due = last + self._start_seconds.get(process, 0.0)
            at = due if now - due > LATE_SECONDS else now
        elif event in ENDS:
            at = self._processes.ended_at(process, pid, last)
        self._last[process] = at = min(now, max(last, at))
        return at
