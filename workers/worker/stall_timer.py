"""Ends a process whose loop stalls, even with the GIL held: all stacks go to the log, then exit code 75."""

from __future__ import annotations

import ctypes
import faulthandler
import signal
import sys
import time
from typing import TYPE_CHECKING

import structlog

from workers.errors import ExitCode
from workers.pipeline.observer import NullObserver

if TYPE_CHECKING:
    from collections.abc import Callable

RE_ARM_SECONDS = 1.0
"""Arming takes 50 us (faulthandler starts a thread), so it is done once a second; the limit is longer by that second."""
DUMP_SECONDS = 1.0
"""From the stack dump to the exit, and from the exit to the signal that needs no thread."""
LOG_EVERY_SECONDS = 60.0
SIGEV_THREAD = 2

log = structlog.get_logger()


def enable_stack_dumps() -> None:
    """Write all stacks to the log on SIGUSR1, and when the process crashes in C."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    # The last resort of the timer below ends the process: nobody may have made it ignored.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


class StallTimer(NullObserver):
    """The observer that restarts a timer at every iteration. The timer is the kernel's and ends the process in C.

    The stack dump, and the exit with code 75, each need a thread when their time has come. Where the system gives none, a
    SIGALRM of the kernel ends the process a second later, and supervisord sees that signal.

    A process that is stopped (SIGSTOP) for longer than the limit may end when it is continued, since the clock runs on.
    Its session in the group has expired by then, or is about to. While the machine sleeps, the clock stands still.
    """

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: limit: seconds that an iteration may take; 0: no limit."""
        self._limit = limit
        self._clock = clock
        self._exit_in = _exit_timer(ExitCode.STALLED)
        self._rearm_at = 0.0
        self._stop_deadline: float | None = None
        self._without_stacks: str | None = None
        """Why a stall would be ended without a stack dump; None: with one."""
        self._logged = -LOG_EVERY_SECONDS

    def iterated(self) -> None:
        if self._clock() >= self._rearm_at:
            self.allow(self._limit)
            self._log_without_stacks()

    def allow(self, seconds: float) -> None:
        """Allow this iteration to take longer than the limit, for example to connect."""
        self._rearm_at = self._clock() + RE_ARM_SECONDS
        if self._limit and self._stop_deadline is None:
            self._set(max(seconds, self._limit) + RE_ARM_SECONDS)
        # Read last: a signal handler sets it, perhaps during the lines above.
        if self._stop_deadline is not None and (left := self._stop_deadline - self._clock()) > 0:
            self._set(left)

    def finish_within(self, seconds: float) -> None:
        """End the process after these seconds, whether its loop iterates or not."""
        self._stop_deadline = self._clock() + seconds
        self._set(seconds)

    def _set(self, seconds: float) -> None:
        if self._exit_in:
            self._exit_in(seconds + DUMP_SECONDS)
        try:
            faulthandler.dump_traceback_later(seconds, exit=self._exit_in is None)
        except (RuntimeError, MemoryError, ValueError, OSError) as error:
            # No thread for it, or no standard error to write to. Not logged here: a signal handler may have called this.
            self._without_stacks = f"{type(error).__name__}: {error}"
            # The exit may get no thread either when its time has come.
            signal.setitimer(signal.ITIMER_REAL, seconds + 2 * DUMP_SECONDS)
        else:
            if self._without_stacks:
                signal.setitimer(signal.ITIMER_REAL, 0)
            self._without_stacks = None

    def _log_without_stacks(self) -> None:
        if self._without_stacks and self._clock() - self._logged >= LOG_EVERY_SECONDS:
            self._logged = self._clock()
            log.warning("a stall would end this worker without its stacks in the log", error=self._without_stacks)


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
    """A function that ends this process with the exit code in so many seconds, unless it is called again before.

    None where the system has no such timer (macOS): faulthandler ends the process there, with exit code 1.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "timer_create"):
        # glibc before 2.34 has it in a separate library.
        libc = ctypes.CDLL("librt.so.1")
    timer = ctypes.c_void_p()
    # The kernel's timer calls `_exit(code)` on a thread of the C library, without Python and its GIL.
    exit_function = ctypes.cast(ctypes.CDLL(None)._exit, ctypes.c_void_p).value
    event = _Event(value=code, notify=SIGEV_THREAD, function=exit_function)
    if libc.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) != 0:
        return None

    def exit_in(seconds: float) -> None:
        whole, part = divmod(seconds, 1)
        times = _Times(value=(int(whole), int(part * 1e9)))
        libc.timer_settime(timer, 0, ctypes.byref(times), None)

    return exit_in
