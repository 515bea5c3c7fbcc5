"""The data of the page: what the fleet is now, and its timeline. One answer serves all requests for a moment."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workers.fleet.audit_words import audit_words
from workers.fleet.event_words import words
from workers.fleet.verdict import verdict
from workers.fleet.verdict_facts import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.fleet.status.collector import StatusCollector
    from workers.fleet.timeline.sampler import Sampler
    from workers.monitoring.lag_poller import LagPoller
    from workers.state.audit_file import Audit
    from workers.web.totals import Totals

IDLE_SECONDS = 15.0
"""Without a request for so long, the status is not collected any more."""
CACHE_SECONDS = 0.4
"""One answer serves all requests for so long: many open pages cost no more than one."""
COARSE_CACHE_SECONDS = 5.0
"""The same for hours of the timeline, which take longer to put together and hardly change."""
FINE_SECONDS = 600
"""A timeline that is not longer is one of seconds."""
CACHED = 4
"""Timelines of different lengths that are kept."""
FIRST_STATUS_SECONDS = 1.0
"""The longest wait of the first request for the services to answer."""


class FleetView:
    """The status is collected, and Kafka asked each second, only while the page is requested. Thread-safe."""

    def __init__(
        self,
        lag: LagPoller,
        new_collector: Callable[[], StatusCollector],
        timeline: Sampler,
        *,
        totals: Totals,
        about: Mapping[str, str],
    ) -> None:
        """Args:
        new_collector: called at the first request, and at the first after an idle time.
        totals: counts while the page is requested.
        about: what never changes: topic, group, sink, target.
        """
        self._lag, self._new_collector, self._timeline = lag, new_collector, timeline
        self._totals, self._about = totals, about
        self._collector: StatusCollector | None = None
        self._lock = threading.Lock()
        self._answered, self._answer = -IDLE_SECONDS, b""
        self._timelines: dict[int, tuple[float, bytes]] = {}
        """By seconds: until when its answer is given again, and the answer."""

    def as_json(self) -> bytes:
        """Everything that the page shows of this moment."""
        self._lag.watch()
        with self._lock:
            if time.monotonic() - self._answered > CACHE_SECONDS:
                self._answer = _dumped(self._as_dict())
                self._answered = time.monotonic()
            return self._answer

    def timeline_as_json(self, seconds: int) -> bytes:
        """The timeline. Args: seconds: how far back."""
        self._lag.watch()
        with self._lock:
            until, answer = self._timelines.get(seconds, (0.0, b""))
            if time.monotonic() >= until:
                answer = _dumped(self._timeline.as_dict(seconds))
                while len(self._timelines) >= CACHED:
                    del self._timelines[next(iter(self._timelines))]
                kept = CACHE_SECONDS if seconds <= FINE_SECONDS else COARSE_CACHE_SECONDS
                self._timelines[seconds] = time.monotonic() + kept, answer
            return answer

    def close_if_idle(self, idle: float = IDLE_SECONDS) -> None:
        """Stop the collector, if there was no request for so many seconds."""
        with self._lock:
            if self._collector and time.monotonic() - self._answered >= idle:
                self._collector.close()
                self._totals.stop()
                self._collector = None
            if time.monotonic() - self._answered >= idle:
                self._timelines.clear()

    def _as_dict(self) -> dict[str, Any]:
        if self._collector is None:
            collector = self._new_collector()
            # If there is no thread for one of its pollers, the others end again: the next request tries anew.
            with ExitStack() as undo:
                undo.callback(collector.close)
                undo.callback(self._totals.stop)
                collector.start()
                self._totals.start()
                undo.pop_all()
            self._collector = collector
            self._collector.wait(FIRST_STATUS_SECONDS)
        snapshot, status = self._lag.current(), self._collector.collect()
        partitions = snapshot.partitions if snapshot else None
        told = status.as_dict()
        told["events"] = [
            {**event, "text": words(event, named=status.has_several_topics)} for event in told.get("events", ())
        ]
        found = verdict(Facts(status, time.time(), self._timeline.holes()))
        return {
            "about": self._about,
            "totals": self._totals.as_dict(snapshot),
            "verdict": found._asdict(),
            "audit": _audit(status.audit),
            "status": told,
            "partitions": None
            if partitions is None
            else [tp._asdict() | asdict(part) for tp, part in sorted(partitions.items())],
            "points": [point and point._asdict() for point in self._lag.points()],
            "interval": self._lag.interval,
        }


def _audit(audit: Audit | None) -> dict[str, Any] | None:
    """With the words of `workers status`."""
    if audit is None:
        return None
    level, words = audit_words(audit, time.time())
    return {**audit._asdict(), "level": level, "words": words}


def _dumped(content: object) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
