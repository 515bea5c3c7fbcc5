"""Ctrl-C while a command works: one KeyboardInterrupt in the main thread, and never in the middle of an import."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workers.cli import entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from rich.console import Console

AGAIN_SECONDS = 0.02
"""Until an interrupt that came at a bad moment is tried again."""
IMPORTS = "<frozen importlib._bootstrap>"


class CtrlC:
    """What came of Ctrl-C in this process. Used by the main thread only."""

    def __init__(self) -> None:
        self.untold = False
        """Whether a command was interrupted, and has not said what came of it."""

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Raise KeyboardInterrupt on SIGINT, within this context, if that is what Python does before.

        An import is never interrupted: an exception in the middle of one may be swallowed, may leave half a module behind,
        and crashes some extension modules. A finalizer swallows every exception, so one that is raised there is raised again.
        """
        self.untold = False
        before = signal.getsignal(signal.SIGINT)
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or before in (signal.SIG_IGN, signal.SIG_DFL, None):
            yield
            return
        hook = sys.unraisablehook

        def unraisable(found: Any, /) -> None:
            if isinstance(found.exc_value, KeyboardInterrupt):
                _again()
            else:
                hook(found)

        signal.signal(signal.SIGINT, self._interrupt)
        sys.unraisablehook = unraisable
        try:
            yield
        finally:
            # Behind it only words are left, which no second interrupt may cut off.
            signal.signal(signal.SIGINT, signal.SIG_IGN if before is entry.before else before)
            sys.unraisablehook = hook

    def tell(self, console: Console, text: str) -> None:
        """Say what a command has done, and what not, when it was interrupted."""
        self.untold = False
        clear_line(console)
        console.print(f"interrupted: {text}", markup=False)

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            _again()
            return
        self.untold = True
        raise KeyboardInterrupt


ctrl_c = CtrlC()
"""That of this process, which has one main thread and one command."""


def clear_line(console: Console) -> None:
    """Make a terminal ready for a line, wherever a progress bar was interrupted, and however it echoes Ctrl-C."""
    # Not at the top: see `workers.cli`.
    from rich.control import Control
    from rich.segment import ControlType

    if console.is_terminal:
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), ControlType.SHOW_CURSOR))


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORTS:
            return True
        frame = frame.f_back
    return False


def _again() -> None:
    main = threading.main_thread().ident
    if main is not None:
        timer = threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, signal.SIGINT))
        timer.daemon = True
        timer.start()
