"""The event log of the fleet: a file with one JSON object a line, which the watchdog writes and other commands read."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from workers.state.replaced_file import replace_file
from workers.state.state_file import open_in_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

SIZE = 1024 * 1024
"""Bytes after which the file is rotated."""
BACKUPS = 2
OPEN_ATTEMPTS = 200
"""Of opening a file and its backups between two rotations; each takes microseconds."""


class Event(StrEnum):
    """The kinds of events. The first eight are supervisord's states of a process."""

    STARTING = "starting"
    """A process is being started. `tries`: the failed attempts before this one."""
    RUNNING = "running"
    """A process has lived for its `startsecs`. `pid`: which."""
    BACKOFF = "backoff"
    """A process ended before its `startsecs`, and is started again after a wait. `tries`: how often by now."""
    EXITED = "exited"
    """A process ended by itself or was killed. `pid`: which; `expected`: whether its exit code was 0."""
    FATAL = "fatal"
    """Supervisord has given up on a process after its `startretries`."""
    STOPPING = "stopping"
    """A process was asked to stop. `pid`: which."""
    STOPPED = "stopped"
    """A process that was asked to stop has ended. `pid`: which."""
    UNKNOWN = "unknown"
    """Supervisord does not know the state of a process: an error in supervisord."""
    FLEET_STARTED = "fleet_started"
    """Supervisord has started. `pid`: its own; `fleet`: the name of this run of it, which later events repeat."""
    FLEET_STOPPING = "fleet_stopping"
    """Supervisord stops all processes. It sends no event for the ends of most of them."""
    REVIVED = "revived"
    """The watchdog has started a FATAL process again."""
    EVICTED = "evicted"
    """A dead worker was removed from the consumer group. `member`: its id in the group."""
    STALLED = "stalled"
    """A worker that stalled was killed. `kind`: how it hung, see below; `pid`: which; `detail`: a sentence for people."""
    REBALANCED = "rebalanced"
    """The assignment of partitions to workers changed. `partitions`: by worker."""
    TAKEN_OVER = "taken_over"
    """The partitions of a worker that died were assigned to others; `seconds`: from its end until then."""
    PAUSED = "paused"
    """Somebody has paused everything, a `topic` or a `partition` of it. `by`: who, `because`: why."""
    RESUMED = "resumed"
    """That pause has ended; with the same fields."""
    STORED_AGAIN = "stored_again"
    """The records that waited meanwhile are being stored: the first one of each of its partitions is; `seconds`: from its
    end until then."""


class Hang(StrEnum):
    """How a worker hangs: the `kind` of a `stalled` event."""

    STOPPED = "stopped"
    """By a signal, or by a debugger."""
    UNINTERRUPTIBLE = "uninterruptible"
    """Inside the kernel, where it receives no signal."""
    LOOP_STALLED = "loop_stalled"
    """Its loop does not iterate."""
    NO_PROGRESS = "no_progress"
    """Its loop iterates, and does not read the records of its partitions."""


def unix_time(time: object) -> float | None:
    """Of the `time` of an event; None: it has none that can be read, as one of another version."""
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


class EventLog:
    """The writer: one a file. Safe on any thread. The events are in the order of their times."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path = path
        self._size = size
        self._lock = threading.Lock()
        self._last: str | None = None
        """The latest time that was written; None: not known, another process has written before."""

    def append(self, event: Event, process: str | None = None, *, at: float | None = None, **facts: object) -> None:
        """Write one event.

        Args:
            at: when it happened, in seconds since the epoch; None: now.

        Raises:
            OSError: it could not be written: the disk is full, the folder belongs to another user.
        """
        then = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
        time = then.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        named = {} if process is None else {"process": process}
        line = json.dumps({"time": time, "event": event, **named, **facts}).encode() + b"\n"
        with self._lock:
            if at is not None and (self._last is None or time < self._last) and self._insert(time, line):
                return
            self._last = max(time, self._last or "")
            with suppress(FileNotFoundError):
                if self._path.stat().st_size + len(line) > self._size:
                    self._rotate()
            # Opened each time, so that no event is lost when the file is moved or removed meanwhile.
            with open(self._path, "a+b", buffering=0, opener=_open_for_all) as file:
                if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                    # The writer was killed in the middle of a line: end that line, so that this one can be parsed.
                    line = b"\n" + line
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _insert(self, time: str, line: bytes) -> bool:
        """Write an event that was learned late before those that happened after it, in the same file; False: there are none.

        Never before the start of the fleet, unless that is the event. Atomic: a kill -9 leaves the old file or the new one.
        """
        if not self._path.is_file():
            return False
        lines = self._path.read_bytes().splitlines(keepends=True)
        place = len(lines)
        while place and _happened_after(lines[place - 1], time):
            place -= 1
        if place == len(lines):
            return False
        replace_file(self._path, b"".join([*lines[:place], line, *lines[place:]]))
        return True

    def _rotate(self) -> None:
        for number in range(BACKUPS, 0, -1):
            with suppress(FileNotFoundError):
                _numbered(self._path, number - 1).replace(_numbered(self._path, number))


def read_events(path: Path, count: int) -> list[dict[str, Any]]:
    """The last `count` events, newest last. A line that cannot be parsed is left out; without a file there are none."""
    events = [event for event, _ in zip(_newest_first(path), range(count), strict=False)]
    return events[::-1]


def since_fleet_started(path: Path) -> list[dict[str, Any]]:
    """The events since the fleet was started last. The first is `fleet_started`, unless rotation has deleted it."""
    events = []
    for event in _newest_first(path):
        events.append(event)
        if event["event"] == Event.FLEET_STARTED:
            break
    return events[::-1]


def count_starts(path: Path) -> Counter[str]:
    """By process: the number of its starts since the fleet was started. All but the first are restarts.

    Empty if rotation has deleted the beginning: a number that is too low would be wrong.
    """
    events = since_fleet_started(path)
    if not events or events[0]["event"] != Event.FLEET_STARTED:
        return Counter()
    return Counter(event.get("process", "") for event in events if event["event"] == Event.STARTING)


def _newest_first(path: Path) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        for file in _opened(path, stack):
            for line in reversed(file.read().splitlines()):
                # Bytes that are not UTF-8 raise a ValueError too.
                with suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict) and isinstance(event.get("event"), str):
                        yield event


def _opened(path: Path, stack: ExitStack) -> list[BinaryIO]:
    """The file and its backups, newest first. All are opened before a rotation, or all after it."""
    for _ in range(OPEN_ATTEMPTS):
        files: list[BinaryIO] = []
        before = _inode(path)
        for number in range(BACKUPS + 1):
            with suppress(OSError):
                files.append(stack.enter_context(_numbered(path, number).open("rb")))
        if _inode(path) == before:
            break
    return files


def _happened_after(line: bytes, time: str) -> bool:
    with suppress(ValueError, TypeError, KeyError):
        event = json.loads(line)
        return bool(event["event"] != Event.FLEET_STARTED and event["time"] > time)
    return False


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _open_for_all(path: str, flags: int) -> int:
    """Other users may read events, as far as their umask lets them."""
    return open_in_folder(path, flags, 0o666)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
