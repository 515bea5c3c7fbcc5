"""The entry point `workers`: Ctrl-C ends a command without a traceback, also while Python imports, before and after its work.

Before this module's `main` runs, only the interpreter's own start is left: some milliseconds. So it imports next to nothing.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT."""


def main() -> NoReturn:
    """Run the command line. Ends with one of `ExitCode`, or `INTERRUPTED`."""
    # A shell lets SIGINT be ignored by what it starts in the background; that stays so.
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _before)
    from workers.cli.main import main as run

    try:
        run()
    finally:
        if ours:
            signal.signal(signal.SIGINT, _after)


def _before(_number: int, _frame: FrameType | None) -> NoReturn:
    # An exception here could be swallowed by an import, or crash an extension module that is being loaded.
    try:
        os.write(2, b"\nworkers: interrupted; nothing was done\n")
    finally:
        os._exit(INTERRUPTED)


def _after(_number: int, _frame: FrameType | None) -> NoReturn:
    # The report is out; only threads and connections are left to end.
    os._exit(INTERRUPTED)
