"""Whether a worker is to stop, and who says so: a signal, the end of its supervisord, or the worker itself."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import stat
import sys
import threading
from typing import TYPE_CHECKING

from workers.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1


class StopSignal:
    """A flag that is set once. Nothing of it takes a lock: signals come at any moment, also while one is held."""

    def __init__(self, begun: Callable[[], None]) -> None:
        """Args: begun: called when the worker is to stop, in the main thread, perhaps inside a signal's handler."""
        self._begun = begun
        self._signals = 0
        self._reader, self._writer = os.pipe()
        self.reason: str | None = None

    def listen(self) -> None:
        """Take note of signals, and of the end of supervisord. Call it in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        if os.environ.get("SUPERVISOR_ENABLED"):
            # A signal of its own: two that tell of one death must not pass for a person who insists.
            signal.signal(signal.SIGHUP, lambda *_: self.ask("supervisord ended"))
            _hang_up_with_supervisord()

    def ask(self, reason: str) -> None:
        """Have the worker stop after the batch in hand."""
        if self.reason is None:
            self.reason = reason
            os.write(self._writer, b"\n")
            self._begun()

    def __call__(self) -> bool:
        return self.reason is not None

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as the worker is to stop."""
        select.select([self._reader], [], [], seconds)

    def _signalled(self, number: int, _frame: object) -> None:
        """The first signal asks for a clean stop; the second one ends the process now."""
        self._signals += 1
        if self._signals > 1:
            os._exit(ExitCode.UNAVAILABLE)
        self.ask(signal.Signals(number).name)


def _hang_up_with_supervisord() -> None:
    """Have SIGHUP sent here when supervisord dies, even of SIGKILL: an orphan would hold its slot for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    # Where the kernel does not tell, or told before it was asked to: supervisord holds the other end of this pipe. What
    # is no pipe comes from somebody else: a shell in a supervised terminal hands the variable on, but not the pipe.
    try:
        piped = stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        piped = False
    if piped:
        threading.Thread(target=_wait_for_end_of_input, name="supervisord", daemon=True).start()


def _wait_for_end_of_input() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGHUP)
