"""Standard input, output and error of a command: closed ones, and such that cannot be written."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from workers.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EPIPE}
"""Errors of writing a report."""
PLAIN = {"\u2026": "~", "\u2192": ">", "\u2500": "-", "\u2501": "-", "\u2502": "|", "\xa0": " "}
"""What is written in place of our own characters where the terminal has none but its own: one column for one."""
BRAILLE = range(0x2800, 0x2900)
"""What spinners are made of."""


def prepare() -> None:
    """Open what was closed, and make standard error tolerant. Call it first: a file that is opened before would get the
    number of a closed stream, and everything that is written to that stream would go into the file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    codecs.register_error("workers.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        # Not what a test has put there. Else a name that this encoding does not have would be a traceback.
        if stream in (sys.__stdout__, sys.__stderr__) and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="workers.plain")
    sys.stderr = cast("TextIO", _Tolerant(sys.stderr))


def finish(code: int, tell: Callable[[str], None]) -> int:
    """Write what is left of standard output.

    Args: tell: called with a line for people, if that fails.

    Returns:
        The exit code: not 0 any more, if the report is not whole.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        if not isinstance(error, BrokenPipeError):
            tell(f"cannot write to standard output: {getattr(error, 'strerror', None) or error}")
        # Else the interpreter would try again at its end, and exit with 120.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return code or ExitCode.FAILED
    return code


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = [
        PLAIN.get(each) or ("*" if ord(each) in BRAILLE else each.encode("ascii", "backslashreplace").decode())
        for each in error.object[error.start : error.end]
    ]
    return "".join(written), error.end


class _Tolerant:
    """Standard error, of which nobody depends: an error message that cannot be written must not hide the exit code."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
