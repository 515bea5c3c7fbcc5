"""When the children of supervisord started and ended, by the kernel.

supervisord's events carry no time, and they are read late when this process was just started, was stopped, or the machine
is busy: by up to 20 seconds at the start of a fleet.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import defaultdict, deque
from contextlib import suppress
from typing import NamedTuple

from workers.state.proc import children, environment_value, process_started, uptime

KEPT = 100
"""Starts and ends that are remembered of each process."""
TICK_SECONDS = 0.02
"""The kernel counts the start of a process in hundredths of a second."""
NAME = "SUPERVISOR_PROCESS_NAME"
"""In the environment of each child of supervisord."""


class Ended(NamedTuple):
    """A process that ended. Times are seconds since the epoch."""

    name: str
    pid: int
    started: float
    ended: float


class _Child(NamedTuple):
    name: str
    pid: int
    started: float


class ProcessTimes:
    """Call `scan` at every event, and `wait` on a thread of its own. Thread-safe.

    Where the kernel offers no pidfd (it does since Linux 5.3), nothing is known: the times are those of the questions.
    """

    def __init__(self, parent: int) -> None:
        """Does no I/O. Args: parent: the pid of supervisord."""
        self._parent = parent
        self._lock = threading.Lock()
        self._epoll: select.epoll | None = None
        self._watched: dict[int, int] = {}
        """By pid: its pidfd."""
        self._children: dict[int, _Child] = {}
        self._starts: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._ends: dict[str, deque[Ended]] = defaultdict(lambda: deque(maxlen=KEPT))

    def scan(self) -> None:
        """Look for new children."""
        if not hasattr(os, "pidfd_open"):
            return
        with self._lock:
            if self._epoll is None:
                self._epoll = select.epoll()
            for pid in children(self._parent):
                if pid not in self._watched:
                    with suppress(OSError):
                        self._watched[pid] = pidfd = os.pidfd_open(pid)
                        self._epoll.register(pidfd, select.EPOLLIN)
                if pid not in self._children and (child := _child(pid)):
                    self._children[pid] = child
                    self._starts[child.name].append(child.started)

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until a child ends, at most so long; return those that have ended."""
        if self._epoll is None:
            time.sleep(seconds)
            return []
        ready = {pidfd for pidfd, _ in self._epoll.poll(seconds)}
        now = time.time()
        self.scan()
        with self._lock:
            return [self._end(pid, now) for pid, pidfd in list(self._watched.items()) if pidfd in ready]

    def running(self) -> list[str]:
        """The names of the children that run."""
        with self._lock:
            return [child.name for child in self._children.values()]

    def started_at(self, name: str, not_before: float) -> float:
        """When a process was started, which supervisord reports now. Args: not_before: its last event."""
        with self._lock:
            now = time.time()
            return next((start for start in self._starts[name] if start > not_before - TICK_SECONDS), now)

    def ended_at(self, name: str, pid: int | None, not_before: float) -> float:
        """When a process ended, which supervisord reports now.

        Args:
            pid: None: the event does not say it.
            not_before: its last event.
        """
        with self._lock:
            found = [end.ended for end in self._ends[name] if end.pid == (pid or end.pid) and end.ended >= not_before]
            return found[0] if found else self._before_successor(name, pid, not_before, time.time())

    def _end(self, pid: int, now: float) -> Ended:
        pidfd = self._watched.pop(pid)
        os.close(pidfd)
        child = self._children.pop(pid, _Child("", pid, now))
        ended = Ended(*child, self._before_successor(child.name, pid, child.started, now))
        self._ends[child.name].append(ended)
        return ended

    def _before_successor(self, name: str, pid: int | None, not_before: float, now: float) -> float:
        """Now; but supervisord starts the next process of this name at once, so that one's start is the better answer."""
        started = [each.started for each in self._children.values() if each.name == name and each.pid != pid]
        return min([now, *(start for start in started if start > not_before)])


def _child(pid: int) -> _Child | None:
    """None: it is no child with a name yet, or belongs to another user, or has ended."""
    name = environment_value(pid, NAME)
    seconds = uptime(process_started(pid) or 0)
    return _Child(name, pid, time.time() - seconds) if name and seconds is not None else None
