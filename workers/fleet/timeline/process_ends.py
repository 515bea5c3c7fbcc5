"""When processes end, by the kernel, to the millisecond: of any process of this user, child or not."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress

from workers.state.proc import process_started


class ProcessEnds:
    """For one thread. Where the kernel offers no pidfd (it does since Linux 5.3), `wait` only waits."""

    def __init__(self) -> None:
        """Does no I/O."""
        self._epoll: select.epoll | None = None
        self._watched: dict[tuple[int, int], tuple[int, str]] = {}
        """By pid and start: its pidfd, and its name."""
        self.ended: dict[str, float] = {}
        """By name: when its last process ended, by `time.monotonic`."""

    def watch(self, name: str, pid: int, started: int) -> None:
        """Watch a process that lives. Args: started: see `ProcessStat.started`."""
        if (pid, started) in self._watched or not hasattr(os, "pidfd_open"):
            return
        with suppress(OSError):
            pidfd = os.pidfd_open(pid)
            if process_started(pid) != started:
                # It has ended meanwhile, and its pid was given to another one.
                os.close(pidfd)
                return
            self._epoll = self._epoll or select.epoll()
            self._epoll.register(pidfd, select.EPOLLIN)
            self._watched[pid, started] = pidfd, name

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a process ends."""
        if self._epoll is None:
            time.sleep(seconds)
            return
        ready = {pidfd for pidfd, _ in self._epoll.poll(seconds)}
        now = time.monotonic()
        for process, (pidfd, name) in list(self._watched.items()):
            if pidfd in ready:
                os.close(pidfd)
                del self._watched[process]
                self.ended[name] = now

    def close(self) -> None:
        """Watch nothing any more."""
        for pidfd, _ in self._watched.values():
            os.close(pidfd)
        self._watched.clear()
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None
