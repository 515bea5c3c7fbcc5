"""The entry point `workers`: Ctrl-C ends a command without a traceback, also while Python imports, before and after its work.

Before this module's `main` runs, only the interpreter's own start is left: some milliseconds. So it imports next to nothing.
"""

from __future__ import annotations

import gc
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

IMPORTED_OBJECTS = 150_000
"""About so many objects are made by the imports of a command, and stay. To look among them for garbage, again and again, is a
tenth of its start; and to look once more when Python ends takes a quarter of all that a short command takes.
"""
OBJECTS = 10_000
"""After so many new objects garbage is looked for from then on, among the new ones alone."""
INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT."""


def main() -> NoReturn:
    """Run the command line. Ends with one of `ExitCode`, or `INTERRUPTED`."""
    gc.set_threshold(IMPORTED_OBJECTS)
    gc.callbacks.append(_collected)
    # A shell lets SIGINT be ignored by what it starts in the background; that stays so.
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, before)
    from workers.cli.main import main as run

    try:
        run()
    except SystemExit as ended:
        gc.freeze()
        if ours:
            code = ended.code if isinstance(ended.code, int) else 1
            # The report is out; only threads and connections are left to end.
            signal.signal(signal.SIGINT, lambda *_: os._exit(code))
        if ended.code == INTERRUPTED:
            # What was interrupted may be in any state, and a library that tidies up at the end would say so.
            os._exit(INTERRUPTED)
        raise
    except KeyboardInterrupt:
        # Again and again, while the first one was being told.
        _leave(b"\nworkers: interrupted\n")


def before(_number: int, _frame: FrameType | None) -> NoReturn:
    """The handler until a command begins: an exception in the middle of an import could be swallowed, or crash it."""
    _leave(b"\nworkers: interrupted; nothing was done\n")


def _collected(phase: str, _info: dict[str, int]) -> None:
    """Garbage was looked for, for the first time: what is there is in use. A worker has its own rules for its loop."""
    if phase == "stop":
        gc.callbacks.remove(_collected)
        if gc.get_threshold()[0] == IMPORTED_OBJECTS:
            gc.freeze()
            gc.set_threshold(OBJECTS)


def _leave(words: bytes) -> NoReturn:
    try:
        os.write(2, words)
    finally:
        os._exit(INTERRUPTED)
