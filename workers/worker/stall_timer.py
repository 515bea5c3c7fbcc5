"""Ends a process that stands still, also with the interpreter's lock held: all stacks to the log, then exit code 75."""

from __future__ import annotations

import ctypes
import faulthandler
import signal
import sys
import time
from typing import TYPE_CHECKING

from workers.errors import ExitCode
from workers.pipeline.observer import NullObserver

if TYPE_CHECKING:
    from collections.abc import Callable

RE_ARM_SECONDS = 1.0
"""To arm it takes 50 us, a thread of faulthandler's; so it is done once a second, and the limit is so much longer."""
DUMP_SECONDS = 1.0
"""From the dump to the end."""
SIGEV_THREAD = 2


def explain_crashes() -> None:
    """Have all stacks written to the log on SIGUSR1, and when the process dies of a fault in C."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)


class StallTimer(NullObserver):
    """The observer that every turn sets back. What does not turn in time is ended, by the kernel's timer and in C.

    A process that is stopped (SIGSTOP) for longer than the limit may end when it is continued: the kernel's clock goes
    on meanwhile. It has lost its place in the group by then, or is about to; where the machine slept, the clock did too.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: limit: seconds that a turn may take; 0: as long as it likes."""
        self._limit = limit
        self._clock = clock
        self._exit_in = _exit_timer(ExitCode.STALLED)
        self._again = 0.0
        self._end: float | None = None

    def iterated(self) -> None:
        if self._clock() >= self._again:
            self.allow(self._limit)

    def allow(self, seconds: float) -> None:
        """Let what comes now take so long, where a turn may not: a connection that is made, for example."""
        self._again = self._clock() + RE_ARM_SECONDS
        if self._limit and self._end is None:
            self._set(max(seconds, self._limit) + RE_ARM_SECONDS)
        # Looked at last: it is set by a signal's handler, which may have come just now.
        if self._end is not None and (left := self._end - self._clock()) > 0:
            self._set(left)

    def finish_within(self, seconds: float) -> None:
        """Let the process live no longer than this, whether it turns or not."""
        self._end = self._clock() + seconds
        self._set(seconds)

    def _set(self, seconds: float) -> None:
        faulthandler.dump_traceback_later(seconds, exit=self._exit_in is None)
        if self._exit_in:
            self._exit_in(seconds + DUMP_SECONDS)


class _Event(ctypes.Structure):
    """`struct sigevent` of Linux."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("room", ctypes.c_byte * 64),
    )


class _Times(ctypes.Structure):
    """`struct itimerspec`."""

    _fields_ = (("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2))


def _exit_timer(code: int) -> Callable[[float], None] | None:
    """A function that has this process end with the code in so many seconds, unless it is called again before.

    None where there is nothing of the kind, as on macOS: faulthandler can end a process too, but only with 1.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "timer_create"):
        # glibc before 2.34 has it in a library of its own.
        libc = ctypes.CDLL("librt.so.1")
    timer = ctypes.c_void_p()
    # The kernel's timer calls `_exit(code)` on a thread of the C library's: no Python takes part in it.
    exit_function = ctypes.cast(ctypes.CDLL(None)._exit, ctypes.c_void_p).value
    event = _Event(value=code, notify=SIGEV_THREAD, function=exit_function)
    if libc.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) != 0:
        return None

    def exit_in(seconds: float) -> None:
        whole, part = divmod(seconds, 1)
        times = _Times(value=(int(whole), int(part * 1e9)))
        libc.timer_settime(timer, 0, ctypes.byref(times), None)

    return exit_in
