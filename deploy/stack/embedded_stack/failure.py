"""The user's mistakes and the machine's: one line and an exit code, never a traceback."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell sees; the numbers are those of sysexits.h."""

    OK = 0
    USAGE = 64
    UNAVAILABLE = 69
    CONFIG = 78
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818 - most of them are no error of ours
    """Says what happened and what to do next, in one line."""

    def __init__(self, message: str, code: ExitCode = ExitCode.UNAVAILABLE) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code
