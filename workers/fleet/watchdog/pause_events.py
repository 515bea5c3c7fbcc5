"""Keeps in the event log who has paused what, and when it was resumed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from workers.pauses import Pause
from workers.state.event_log import Event
from workers.state.pause_file import read_pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

FRESH_SECONDS = 60.0
"""What is older was there before this watchdog looked: it is told with the time of the look."""

_Key = tuple[str | None, int | None, str]


class PauseEvents:
    """Call `look` every few seconds."""

    def __init__(self, path: Path, record_event: Callable[..., None]) -> None:
        """Args: record_event: as `EventLog.append`."""
        self._path, self._record_event = path, record_event
        self._known: dict[_Key, Pause] = {}

    def resume(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Go on after these events, which an earlier watchdog of this fleet has written."""
        for event in events:
            key = (event.get("topic"), event.get("partition"), str(event.get("because")))
            if event["event"] == Event.PAUSED:
                self._known[key] = Pause(key[2], str(event.get("by")), 0.0, key[0], key[1])
            elif event["event"] == Event.RESUMED:
                self._known.pop(key, None)

    def look(self) -> None:
        """Tell what has changed."""
        pauses = read_pauses(self._path)
        if pauses.problem:
            # Nobody knows what is paused now.
            return
        now = {(each.topic, each.partition, each.because): each for each in pauses.all}
        for key in now.keys() - self._known.keys():
            self._record(Event.PAUSED, now[key], now[key].since)
        for key in self._known.keys() - now.keys():
            self._record(Event.RESUMED, self._known[key], self._changed())
        self._known = now

    def _record(self, event: Event, pause: Pause, at: float) -> None:
        when = at if 0 <= time.time() - at < FRESH_SECONDS else None
        facts = {name: value for name, value in pause.as_dict().items() if name != "since" and value is not None}
        self._record_event(event, at=when, **facts)

    def _changed(self) -> float:
        try:
            return self._path.stat().st_mtime
        except OSError:
            return 0.0
