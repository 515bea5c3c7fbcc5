"""What happened to the fleet, kept in a file: one JSON object a line, written by the watchdog, read by anybody."""

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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

SIZE = 1024 * 1024
"""Bytes after which a file is put aside and the next one begun."""
BACKUPS = 2
TRIES = 20


class Event(StrEnum):
    """What can happen. The first eight are supervisord's own words about a process."""

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
    """Supervisord stops everything. It tells the ends of most processes to nobody any more."""
    REVIVED = "revived"
    """A FATAL process was started again."""
    EVICTED = "evicted"
    """A dead worker was removed from the consumer group."""
    STALLED = "stalled"
    """A worker that hung was killed."""
    REBALANCED = "rebalanced"
    """The assignment of partitions to workers changed."""


class Hang(StrEnum):
    """Ways in which a worker hangs: the `kind` of a `stalled` event."""

    STOPPED = "stopped"
    """By a signal, or by a debugger."""
    UNINTERRUPTIBLE = "uninterruptible"
    """Inside the kernel, where no signal reaches it."""
    LOOP_STALLED = "loop_stalled"
    """No iteration of its loop."""
    NO_PROGRESS = "no_progress"
    """The loop iterates, records wait, and none is taken."""


class EventLog:
    """The writer. There is one a file; its methods may be called on any thread."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path = path
        self._size = size
        self._lock = threading.Lock()

    def append(self, event: Event, process: str | None = None, **facts: object) -> None:
        """Write one event, with the time of now.

        Raises:
            OSError: it could not be written: the disk is full, the folder belongs to somebody else.
        """
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        named = {} if process is None else {"process": process}
        line = json.dumps({"time": time, "event": event, **named, **facts}).encode() + b"\n"
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                if self._path.stat().st_size + len(line) > self._size:
                    self._rotate()
            # Opened each time: whoever moves or removes the file meanwhile loses no later event.
            with self._path.open("a+b", buffering=0) as file:
                if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                    # A writer was killed in the middle of a line: that one is lost, and must not take this one along.
                    line = b"\n" + line
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _rotate(self) -> None:
        for number in range(BACKUPS, 0, -1):
            with suppress(FileNotFoundError):
                _numbered(self._path, number - 1).replace(_numbered(self._path, number))


def read_events(path: Path, count: int) -> list[dict[str, Any]]:
    """The last so many events, newest last. A line that cannot be made out is left out; no file, no events."""
    events = [event for event, _ in zip(_newest_first(path), range(count), strict=False)]
    return events[::-1]


def since_fleet_started(path: Path) -> list[dict[str, Any]]:
    """The events of the fleet that was started last, its `fleet_started` first where that is still kept."""
    events = []
    for event in _newest_first(path):
        events.append(event)
        if event["event"] == Event.FLEET_STARTED:
            break
    return events[::-1]


def count_starts(path: Path) -> Counter[str]:
    """By process: how often it was started since the fleet was. All but the first are restarts."""
    return Counter(event.get("process", "") for event in since_fleet_started(path) if event["event"] == Event.STARTING)


def _newest_first(path: Path) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        for file in _opened(path, stack):
            for line in reversed(file.read().splitlines()):
                # A ValueError is also what bytes that are no text give.
                with suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict) and isinstance(event.get("event"), str):
                        yield event


def _opened(path: Path, stack: ExitStack) -> list[BinaryIO]:
    """Every file there is, newest first, and from before or after a rotation, never from both."""
    for _ in range(TRIES):
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
