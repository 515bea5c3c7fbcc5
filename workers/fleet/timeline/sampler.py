"""Looks at the fleet some times a second, for the timeline: files of the workers, their processes, Kafka's offsets, events.

On a thread of its own, always: the history is there before somebody looks. An end of a worker wakes it up at once.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import structlog

from workers.fleet.endings import Endings
from workers.fleet.supervisor import SupervisorClient
from workers.fleet.timeline.model import Timeline
from workers.fleet.timeline.process_ends import ProcessEnds
from workers.fleet.timeline.worker import WorkerSample
from workers.naming import all_worker_names
from workers.process import SMALL_STACK, start_thread
from workers.state.event_log import read_events
from workers.state.heartbeat import Beat, read_beat
from workers.state.proc import process_stat
from workers.state.progress import WorkerProgress, read_progress
from workers.state.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.monitoring.lag import LagSnapshot
    from workers.settings import Settings
    from workers.settings.paths import StatePaths
    from workers.types import TopicPartition

LOOK_SECONDS = 0.25
SLOTS_SECONDS = 1.0
"""Between two looks for new slots."""
FORGET_SECONDS = 600.0
EVENTS_SECONDS = 0.5
"""The shortest time between two reads of the event log."""
EVENTS = 1_000
SETTLE_SECONDS = 0.35
"""After Kafka was asked, so long until the files of all workers tell what was stored by then: see `progress.WRITE_SECONDS`."""
SUPERVISORD_SECONDS = 0.5
"""How long supervisord may take to tell how a process ended."""
FRESH_NANOSECONDS = 50_000_000
"""A file that was written so short a time ago may be written again without another time of its last change."""

T = TypeVar("T")
log = structlog.get_logger()


class Offsets(Protocol):
    """Who asks Kafka: `workers.monitoring.lag_poller.LagPoller`."""

    interval: float

    def latest(self) -> tuple[float, float, LagSnapshot] | None:
        """When it asked last, and was answered, by `time.monotonic`, and the answer; None: Kafka does not answer."""


class Sampler:
    """From `start` to `stop` on a thread of its own. `as_dict` and `holes` are safe on any thread."""

    def __init__(self, settings: Settings, paths: StatePaths, offsets: Offsets | None = None) -> None:
        """Does no I/O. Args: paths: of the tree whose fleet it is; offsets: None: nothing is known of Kafka."""
        self._offsets = offsets
        routes = settings.route_table
        self._names = {"group": settings.group, "topic": routes.names}
        self._slots = [_SlotFiles(Slot(paths.state_dir, settings.group, name), name) for name in all_worker_names()]
        self._used: list[_SlotFiles] = []
        self._ends = ProcessEnds()
        self._endings = Endings(SupervisorClient(paths.supervisord_socket, timeout=SUPERVISORD_SECONDS))
        self._events = _File(paths.events_file, lambda path: read_events(path, EVENTS))
        self._told_events: list[dict[str, Any]] | None = None
        self._due = dict.fromkeys(("slots", "events", "forget"), 0.0)
        self._answer: tuple[float, float, LagSnapshot] | None = None
        """Kafka's last answer, which is told a moment later."""
        self._taken: LagSnapshot | None = None
        self._timeline = Timeline(time.monotonic(), has_several_topics=routes.has_several_topics)
        self._lock = threading.Lock()
        """Guards the timeline. Held for about a millisecond: no I/O."""
        self._stop_event = threading.Event()
        self._failed = False

    def start(self) -> None:
        """Raises: NoThreadError."""
        start_thread(self._run, "timeline", SMALL_STACK)

    def stop(self) -> None:
        """It ends within `LOOK_SECONDS`; it is not waited for."""
        self._stop_event.set()

    def as_dict(self, seconds: int) -> dict[str, Any]:
        """See `Timeline.as_dict`; and whose it is: the group, and its topics in words."""
        with self._lock:
            now = time.monotonic()
            return self._names | self._timeline.as_dict(seconds, now, time.time() - now)

    def holes(self) -> dict[TopicPartition, float]:
        """By partition whose records wait and are stored by nobody now: for how many seconds."""
        with self._lock:
            now = time.monotonic()
            return {partition: now - since for partition, since in self._timeline.holes.items()}

    def _run(self) -> None:
        while not self._stop_event.is_set():
            try:
                self.look()
                self._failed = False
            except Exception as error:  # noqa: BLE001 whatever a file holds, the page must go on
                if not self._failed:
                    log.error(
                        "the timeline could not be continued; it is tried again",
                        error=f"{type(error).__name__}: {error}",
                    )
                self._failed = True
            self._ends.wait(LOOK_SECONDS)
        self._ends.close()

    def look(self) -> None:
        """Look once."""
        now = time.monotonic()
        if self._is_due("slots", now, SLOTS_SECONDS):
            self._used = [slot for slot in self._slots if slot.is_used]
        self._read_events(now)
        samples = {slot.name: sample for slot in self._used if (sample := slot.look(self._ends))}
        if self._offsets and (answer := self._offsets.latest()) and answer[2] is not self._taken:
            self._answer, self._taken = answer, answer[2]
        now = time.monotonic()
        with self._lock:
            self._timeline.saw_workers(samples, now)
            if self._offsets and self._answer and now >= self._answer[1] + SETTLE_SECONDS:
                began, at, snapshot = self._answer
                self._answer = None
                self._timeline.saw_kafka(snapshot, at, self._offsets.interval, began)
            if self._is_due("forget", now, FORGET_SECONDS):
                self._timeline.forget(now)

    def _read_events(self, now: float) -> None:
        if not self._is_due("events", now, EVENTS_SECONDS):
            return
        events = self._events.read() or []
        self._endings.look(events)
        explained = self._endings.explained(events)
        if explained != self._told_events:
            self._told_events = explained
            with self._lock:
                self._timeline.saw_events(explained, time.monotonic() - time.time())

    def _is_due(self, what: str, now: float, every: float) -> bool:
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True


class _File(Generic[T]):
    """A small file, parsed again only when it was written."""

    def __init__(self, path: Path, parse: Callable[[Path], T]) -> None:
        self._path, self._parse = path, parse
        self._version: tuple[int, ...] = ()
        self._content: T | None = None

    def read(self) -> T | None:
        """What it holds; None: there is no file."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 some times a second, for each file
        except OSError:
            self._version, self._content = (), None
            return None
        version = found.st_ino, found.st_size, found.st_mtime_ns
        if version != self._version or time.time_ns() - found.st_mtime_ns < FRESH_NANOSECONDS:
            self._version, self._content = version, self._parse(self._path)
        return self._content


class _SlotFiles:
    """The files of one slot, and the process that wrote them."""

    def __init__(self, slot: Slot, name: str) -> None:
        self.name = name
        self._path = slot.heartbeat_file
        self._beat: _File[Beat | None] = _File(slot.heartbeat_file, read_beat)
        self._progress: _File[WorkerProgress | None] = _File(slot.progress_file, read_progress)
        self._ended: float | None = None

    @property
    def is_used(self) -> bool:
        """Whether a worker was ever in it."""
        return self._path.exists()

    def look(self, ends: ProcessEnds) -> WorkerSample | None:
        """None: its heartbeat cannot be read."""
        beat = self._beat.read()
        if beat is None:
            return None
        # After the heartbeat: a worker tells its assignment there first.
        progress = self._progress.read()
        kernel = None
        if (stat := process_stat(beat.pid)) and stat.started == beat.started:
            # It lives; what it does may be unknown.
            kernel = stat.state or "R"
            ends.watch(self.name, beat.pid, beat.started)
        self._ended = ends.ended.get(self.name, self._ended)
        is_own = progress is not None and (progress.pid, progress.started) == (beat.pid, beat.started)
        return WorkerSample(beat, progress.partitions if progress and is_own else {}, kernel, self._ended)
