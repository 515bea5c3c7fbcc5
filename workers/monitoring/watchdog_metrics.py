"""The metrics of the watchdog: their names, their help, and their counting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from workers.state.event_log import Event, Hang

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STATES = (
    Event.STOPPED,
    Event.STARTING,
    Event.RUNNING,
    Event.BACKOFF,
    Event.STOPPING,
    Event.EXITED,
    Event.FATAL,
    Event.UNKNOWN,
)
"""The states of supervisord. A process enters each with the event of its name."""
EXPECTED = {Event.STOPPED: "true", Event.BACKOFF: "false"}
"""The ends of a process with an event other than `exited`: stopped by supervisord, and crashed too soon after its start."""


class WatchdogMetrics:
    """Counts events, so that no restart between two scrapes is missed."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own
        self.registry = registry = CollectorRegistry()
        self._known: set[str] = set()
        self._starts = Counter(
            "workers_process_starts", "Starts of a process by supervisord.", ["process"], registry=registry
        )
        self._exits = Counter(
            "workers_process_exits",
            "Ends of a process; expected: supervisord stopped it, or its exit code was 0.",
            ["process", "expected"],
            registry=registry,
        )
        self._state = Gauge(
            "workers_process_state",
            "1 for the state of the process in supervisord, 0 for the other states.",
            ["process", "state"],
            registry=registry,
        )
        self._evictions = Counter(
            "workers_evictions", "Dead workers that the watchdog evicted from the consumer group.", registry=registry
        )
        self._stalls = Counter(
            "workers_stalls", "Workers that stalled and were killed, by the kind of hang.", ["kind"], registry=registry
        )
        self._last_event = Gauge(
            "workers_watchdog_last_event_timestamp_seconds",
            "When supervisord last sent an event to the watchdog; it sends one every 5 seconds.",
            registry=registry,
        )
        for hang in Hang:
            self._stalls.labels(hang)
        ProcessCollector(registry=registry)

    def event_received(self) -> None:
        """Supervisord has sent an event of any kind."""
        self._last_event.set(time.time())

    def count(self, event: Mapping[str, Any]) -> None:
        """Count one event of the event log; unknown ones, of other versions, are ignored."""
        kind, process = event["event"], event.get("process")
        if kind == Event.EVICTED:
            self._evictions.inc()
        elif kind == Event.STALLED:
            self._stalls.labels(event.get("kind")).inc()
        elif kind in tuple(STATES) and process:
            self._create_series(process, Event(kind))
            for state in STATES:
                self._state.labels(process, state).set(state == kind)
            if kind == Event.STARTING:
                self._starts.labels(process).inc()
            elif kind == Event.EXITED:
                self._exits.labels(process, "true" if event.get("expected") else "false").inc()
            elif kind in EXPECTED:
                self._exits.labels(process, EXPECTED[Event(kind)]).inc()

    def set_processes(self, states: Iterable[tuple[str, str]]) -> None:
        """Set which processes exist, with the state of each, for those whose events were sent before the watchdog ran."""
        existing = dict(states)
        for process, state in existing.items():
            self._create_series(process, Event(state.lower()))
        for process in self._known - existing.keys():
            for state in STATES:
                self._state.remove(process, state)
            self._known.discard(process)

    def _create_series(self, process: str, now: Event) -> None:
        if process in self._known:
            return
        self._known.add(process)
        # A series that appears with its first event hides that event from rate() and increase().
        self._starts.labels(process)
        for expected in ("true", "false"):
            self._exits.labels(process, expected)
        for state in STATES:
            self._state.labels(process, state).set(state == now)
