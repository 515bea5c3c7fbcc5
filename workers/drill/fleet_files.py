"""What the workers and the watchdog of a fleet have written into their files, for a drill that looks many times a second."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.state.event_log import Event, read_events, unix_time
from workers.state.heartbeat import Beat, read_beat
from workers.state.progress import WorkerProgress, read_progress
from workers.state.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workers.settings import Settings
    from workers.settings.paths import StatePaths

EVENTS = 200
"""The last events that are looked at: more than a fleet of 100 workers writes while one is taken over."""


class FleetFiles:
    """The files of these slots. A file that is missing or damaged is left out."""

    def __init__(self, settings: Settings, paths: StatePaths, names: Iterable[str]) -> None:
        self._slots = {name: Slot(paths.state_dir, settings.group, name) for name in names}
        self._events_file = paths.events_file
        self._version: tuple[int, int] | None = None
        self._evicted: dict[str, float] = {}

    def beats(self) -> dict[str, Beat]:
        """By worker: its heartbeat."""
        return {name: beat for name, slot in self._slots.items() if (beat := read_beat(slot.heartbeat_file))}

    def progress(self) -> dict[str, WorkerProgress]:
        """By worker: how far it has stored its partitions."""
        return {name: found for name, slot in self._slots.items() if (found := read_progress(slot.progress_file))}

    def evicted_at(self, member_id: str | None) -> float | None:
        """When the watchdog removed this member from the group, in seconds of `time.monotonic`; None: it did not."""
        with suppress(OSError):
            found = self._events_file.stat()
            if (found.st_ino, found.st_size) != self._version:
                self._version = found.st_ino, found.st_size
                self._evicted = dict(self._evictions())
        return self._evicted.get(member_id or "")

    def _evictions(self) -> Iterable[tuple[str, float]]:
        for event in read_events(self._events_file, EVENTS):
            at, member = unix_time(event.get("time")), event.get("member")
            if event["event"] == Event.EVICTED and at is not None and member:
                yield member, time.monotonic() - (time.time() - at)
