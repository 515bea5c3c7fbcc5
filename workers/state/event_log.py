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

from workers.state.file_names import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

SIZE = 1024 * 1024
"""Bytes after which the file is rotated."""
BACKUPS = 2
OPEN_ATTEMPTS = 20


class Event(StrEnum):
    """The kinds of events. The first eight are supervisord's states of a process."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    EXITED = "exited"
    FATAL = "fatal"
    STOPPING = "stopping"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    FLEET_STARTED = "fleet_started"
    FLEET_STOPPING = "fleet_stopping"
    """Supervisord stops all processes. It sends no event for the ends of most of them."""
    REVIVED = "revived"
    """A FATAL process was started again."""
    EVICTED = "evicted"
    """A dead worker was removed from the consumer group."""
    STALLED = "stalled"
    """A worker that stalled was killed."""
    REBALANCED = "rebalanced"
    """The assignment of partitions to workers changed."""


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


class EventLog:
    """The writer: one a file. Safe on any thread."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path = path
        self._size = size
        self._lock = threading.Lock()

    def append(self, event: Event, process: str | None = None, **facts: object) -> None:
        """Write one event, with the current time.

        Raises:
            OSError: it could not be written: the disk is full, the folder belongs to another user.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        named = {} if process is None else {"process": process}
        line = json.dumps({"time": time, "event": event, **named, **facts}).encode() + b"\n"
        with self._lock:
            if not self._path.parent.is_dir():
                make_folder(self._path.parent)
            with suppress(FileNotFoundError):
                if self._path.stat().st_size + len(line) > self._size:
                    self._rotate()
            # Opened each time, so that no event is lost when the file is moved or removed meanwhile.
            with self._path.open("a+b", buffering=0) as file:
                if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                    # The writer was killed in the middle of a line: end that line, so that this one can be parsed.
                    line = b"\n" + line
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

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
    """By process: the number of its starts since the fleet was started. All but the first are restarts."""
    return Counter(event.get("process", "") for event in since_fleet_started(path) if event["event"] == Event.STARTING)


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


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
