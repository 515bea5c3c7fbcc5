"""The request to stop a worker, and its reason: a signal, the end of supervisord, or the worker itself."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import stat
import sys
from typing import TYPE_CHECKING

import structlog

from workers.errors import ExitCode
from workers.process import SMALL_STACK, NoThreadError, start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1

log = structlog.get_logger()


class StopSignal:
    """A flag that is set once. Takes no lock, since a signal handler may run while the main thread holds one."""

    def __init__(self, on_stop: Callable[[], None]) -> None:
        """Args: on_stop: called once, in the main thread, perhaps inside a signal handler."""
        self._on_stop = on_stop
        self._signals = 0
        self._reader, self._writer = os.pipe()
        self.reason: str | None = None

    def install_handlers(self) -> None:
        """Request a stop on SIGTERM, SIGINT and the end of supervisord. Call it in the main thread."""
        # The C handler writes to the pipe too: a signal that comes just before `select` begins has its Python handler run
        # only after it, which would be after the whole wait.
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        if os.environ.get("SUPERVISOR_ENABLED"):
            # Not SIGTERM: both ways below may report one end, and a second SIGTERM means "now".
            signal.signal(signal.SIGHUP, lambda *_: self.request("supervisord ended"))
            _send_sighup_when_supervisord_ends()

    def request(self, reason: str) -> None:
        """Request a clean stop: the worker finishes the batch in flight. Only the first reason counts."""
        if self.reason is None:
            self.reason = reason
            os.write(self._writer, b"\n")
            self._on_stop()

    def __call__(self) -> bool:
        return self.reason is not None

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as a stop is requested."""
        select.select([self._reader], [], [], seconds)

    def _signalled(self, number: int, _frame: object) -> None:
        """The first signal requests a clean stop; the second one ends the process now."""
        self._signals += 1
        if self._signals > 1:
            os._exit(ExitCode.UNAVAILABLE)
        self.request(signal.Signals(number).name)


def _send_sighup_when_supervisord_ends() -> None:
    """Send SIGHUP to this process when supervisord ends, even by SIGKILL: an orphan would hold its slot for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    # For systems without prctl, and if supervisord ended before the call: standard input is a pipe whose other end
    # supervisord holds. If it is no pipe, this process was started by a shell that inherited the variable.
    try:
        piped = stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        piped = False
    if piped:
        try:
            start_thread(_wait_for_end_of_input, "supervisord", SMALL_STACK)
        except NoThreadError as error:
            # On Linux the kernel tells it all the same, see above.
            log.warning("this worker may not notice the end of supervisord", error=str(error))


def _wait_for_end_of_input() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGHUP)
