"""The worker that a drill kills: which one, and the exact moments of the signal and of its end."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING, Self

from workers.errors import BadUsageError, UnavailableError
from workers.fleet.status.slot import WORKING
from workers.naming import MAX_SLOTS, worker_name
from workers.state.heartbeat import Beat, read_beat
from workers.state.proc import process_started
from workers.state.slot import Slot

if TYPE_CHECKING:
    from workers.fleet.status.model import Status
    from workers.settings import Settings
    from workers.settings.paths import StatePaths

LOOK_SECONDS = 0.01
"""Between two looks at a process of which the kernel tells no end (no pidfd: macOS)."""


def choose(status: Status, wanted: str | None) -> str:
    """The name of the worker to kill.

    Args: wanted: its name or its slot; None: the one with the most partitions, and of several the one that has lived
        longest: it will not back off before it joins again.

    Raises:
        BadUsageError: no such worker runs here.
        UnavailableError: it does not work, so nothing could be told of its end.
    """
    running = {slot.name: slot for slot in status.slots if slot.supervised and slot.pid}
    working = [slot for slot in running.values() if slot.state in WORKING]
    if wanted is None:
        if not working:
            raise UnavailableError("nothing was killed: no worker reads; `workers status` says why")
        return max(working, key=lambda slot: (len(slot.partitions), slot.uptime_seconds or 0.0)).name
    name = worker_name(int(wanted)) if wanted.isascii() and wanted.isdigit() and int(wanted) < MAX_SLOTS else wanted
    if name not in running:
        raise BadUsageError(f"nothing was killed: no worker {wanted!a} runs here, but {', '.join(running) or 'none'}")
    if running[name].state not in WORKING:
        raise UnavailableError(f"nothing was killed: {name} does not read yet: {running[name].text}")
    return name


class Victim:
    """One process, held by its pidfd (Linux 5.3): no other process can get the signal. Use it with `with`."""

    def __init__(self, name: str, beat: Beat) -> None:
        """Args: beat: its last word before it is killed."""
        self.name, self.beat = name, beat
        self._pidfd: int | None = None
        self._poll = select.poll()

    @classmethod
    def of(cls, name: str, settings: Settings, paths: StatePaths, pid: int | None) -> Self:
        """The live process in this slot.

        Args: pid: what supervisord says.

        Raises:
            UnavailableError: it has no heartbeat.
        """
        beat = read_beat(Slot(paths.state_dir, settings.group, name).heartbeat_file)
        if beat is None or beat.pid != pid or not beat.is_alive():
            raise UnavailableError(f"nothing was killed: {name} has no heartbeat; `workers status` says why")
        return cls(name, beat)

    def __enter__(self) -> Self:
        """Raises: UnavailableError: it has ended."""
        try:
            if hasattr(os, "pidfd_open"):
                self._pidfd = os.pidfd_open(self.beat.pid)
                self._poll.register(self._pidfd, select.POLLIN)
        except ProcessLookupError:
            pass
        if not self.beat.is_alive():
            self.close()
            raise UnavailableError(f"nothing was killed: {self.name}, pid {self.beat.pid}, has just ended by itself")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it. Idempotent."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def kill(self) -> float:
        """SIGKILL. Returns the time just before, in seconds of `time.monotonic`.

        Raises:
            UnavailableError: it has ended, or belongs to another user.
        """
        if self.ended(0.0) is not None:
            raise UnavailableError(f"nothing was killed: {self.name} has just ended by itself")
        at = time.monotonic()
        try:
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            else:
                os.kill(self.beat.pid, signal.SIGKILL)
        except ProcessLookupError as error:
            raise UnavailableError(f"nothing was killed: {self.name} has just ended by itself") from error
        except PermissionError as error:
            raise UnavailableError(
                f"nothing was killed: {self.name}, pid {self.beat.pid}, belongs to another user; run this as that user"
            ) from error
        return at

    def ended(self, seconds: float) -> float | None:
        """Wait at most so long for its end; return when that was, in seconds of `time.monotonic`. None: it lives."""
        if self._pidfd is not None:
            return time.monotonic() if self._poll.poll(seconds * 1000) else None
        deadline = time.monotonic() + seconds
        while process_started(self.beat.pid) == self.beat.started:
            if time.monotonic() >= deadline:
                return None
            time.sleep(LOOK_SECONDS)
        return time.monotonic()
