"""Every metric of the watchdog: its name, its help, and what counts it."""

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
"""supervisord's, each entered with the event of its name."""
EXPECTED = {Event.STOPPED: "true", Event.BACKOFF: "false"}
"""Ends of a process that have an event of their own: asked for, and too soon after its start."""


class WatchdogMetrics:
    """Counted from events: no restart is missed between two scrapes."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own
        self.registry = registry = CollectorRegistry()
        self._known: set[str] = set()
        self._starts = Counter(
            "workers_process_starts", "Times that supervisord started a process.", ["process"], registry=registry
        )
        self._exits = Counter(
            "workers_process_exits",
            "Times that a process ended; expected: it was asked to, or ended with exit code 0.",
            ["process", "expected"],
            registry=registry,
        )
        self._state = Gauge(
            "workers_process_state",
            "1 for the state in which supervisord has the process, 0 for the others.",
            ["process", "state"],
            registry=registry,
        )
        self._evictions = Counter(
            "workers_evictions", "Dead workers that were removed from the consumer group.", registry=registry
        )
        self._stalls = Counter(
            "workers_stalls", "Workers that hung and were killed, by the way they hung.", ["kind"], registry=registry
        )
        self._last_event = Gauge(
            "workers_watchdog_last_event_timestamp_seconds",
            "When supervisord last told the watchdog something; it does every 5 seconds.",
            registry=registry,
        )
        for hang in Hang:
            self._stalls.labels(hang)
        ProcessCollector(registry=registry)

    def heard(self) -> None:
        """Supervisord said something."""
        self._last_event.set(time.time())

    def count(self, event: Mapping[str, Any]) -> None:
        """Count one event as it stands in the file; unknown ones and those of others versions count for nothing."""
        kind, process = event["event"], event.get("process")
        if kind == Event.EVICTED:
            self._evictions.inc()
        elif kind == Event.STALLED:
            self._stalls.labels(event.get("kind")).inc()
        elif kind in tuple(STATES) and process:
            self._introduce(process, Event(kind))
            for state in STATES:
                self._state.labels(process, state).set(state == kind)
            if kind == Event.STARTING:
                self._starts.labels(process).inc()
            elif kind == Event.EXITED:
                self._exits.labels(process, "true" if event.get("expected") else "false").inc()
            elif kind in EXPECTED:
                self._exits.labels(process, EXPECTED[Event(kind)]).inc()

    def processes(self, states: Iterable[tuple[str, str]]) -> None:
        """These are all processes that there are, with the state of each; for those whose events came before."""
        there = dict(states)
        for process, state in there.items():
            self._introduce(process, Event(state.lower()))
        for process in self._known - there.keys():
            for state in STATES:
                self._state.remove(process, state)
            self._known.discard(process)

    def _introduce(self, process: str, now: Event) -> None:
        if process in self._known:
            return
        self._known.add(process)
        # A series that appears with its first event hides that event from rate() and increase().
        self._starts.labels(process)
        for expected in ("true", "false"):
            self._exits.labels(process, expected)
        for state in STATES:
            self._state.labels(process, state).set(state == now)
