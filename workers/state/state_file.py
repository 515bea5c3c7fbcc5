"""A small file that one process overwrites in place: what it says can be read also when the process hangs or is dead.

Not memory-mapped: where the disk has no room, or the file was cut short, a write into mapped memory kills the process
(SIGBUS), and a write to the file is an error that can be told. It costs some microseconds, a few times a batch.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workers.state.file_names import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.state.write_failures import WriteFailures

CHECK_SECONDS = 5.0
"""Between two looks whether the file is still there, and between two attempts to open it."""


class StateFile:
    """Never raises for what the disk does: it is told to `WriteFailures`, and tried again every few seconds."""

    def __init__(
        self, path: Path, size: int, failures: WriteFailures, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Does no I/O: the file is opened with the first write, and its content is kept until then.

        Args: size: bytes to allocate, so that a disk that is full later does not matter.
        """
        self._path, self._size = path, size
        self._failures = failures
        self._clock = clock
        self._file: int | None = None
        self._check_at = 0.0
        self.is_failing = False
        """Whether the last write failed."""

    def write(self, content: bytes, offset: int = 0) -> None:
        """Overwrite this part of the file."""
        try:
            if (now := self._clock()) >= self._check_at:
                self._check_at = now + CHECK_SECONDS
                self._open()
            if self._file is None:
                return
            _write_all(self._file, content, offset)
        except OSError as error:
            self.is_failing = True
            self._failures.failed(self._path, error)
            self.close()
        else:
            self.is_failing = False
            self._failures.succeeded(self._path)

    def overwrite(self, content: bytes) -> None:
        """Write to the file if it is open, and tell nothing: for a signal handler, which may run in the middle of `write`."""
        if self._file is not None:
            with suppress(OSError):
                os.pwrite(self._file, content, 0)

    def close(self) -> None:
        """Close the file; the next write opens it again, some seconds after the last attempt."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None

    def _open(self) -> None:
        """Open the file, if it is not open, or another one or none has its name now."""
        if self._file is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(self._path.stat(), os.fstat(self._file)):
                    return
            self.close()
        self._file = open_in_folder(self._path, os.O_RDWR | os.O_CREAT)
        if hasattr(os, "posix_fallocate"):
            # Without room for all of it there may be room for what is written; some file systems cannot allocate.
            with suppress(OSError):
                os.posix_fallocate(self._file, 0, self._size)


def open_in_folder(path: str | Path, flags: int, mode: int = 0o600) -> int:
    """A file descriptor of the file, in a folder that is made if it is missing: a typo must not make a whole tree.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        return os.open(path, flags | os.O_CLOEXEC, mode)
    except FileNotFoundError:
        make_folder(Path(path).parent)
        return os.open(path, flags | os.O_CLOEXEC, mode)


def _write_all(file: int, content: bytes, offset: int) -> None:
    if os.pwrite(file, content, offset) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
