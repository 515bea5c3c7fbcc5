"""A file that one process at a time has locked. The kernel releases it when the process ends, in any way."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.state.state_file import open_in_folder

if TYPE_CHECKING:
    from pathlib import Path

UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT}


def lock(path: Path) -> int:
    """Lock the file for this process until the descriptor is closed, which is returned. No child inherits it.

    Raises:
        BlockingIOError: another process has locked it: see `holder_pid`.
        OSError: it cannot be opened or locked.
    """
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    # The pid is only for an error message, so a full disk is no error here.
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
    return file


def holder_pid(path: Path) -> int | None:
    """The pid of the last process that locked the file; None: not known."""
    try:
        pid = path.read_bytes()[:20].strip()
    except OSError:
        return None
    return int(pid) if pid.isdigit() else None


def _open(path: Path) -> int:
    try:
        return open_in_folder(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        # A file that is there can be locked without writing to it.
        with suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raise
