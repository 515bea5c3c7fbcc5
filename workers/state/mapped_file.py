"""Memory that outlives its process: a file that the kernel keeps, whatever ends whoever wrote it, and that costs no
system call to write.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from workers.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def mapped_file(path: Path, size: int) -> mmap.mmap:
    """The file as memory. What it held is still there.

    Raises:
        UnavailableError: it cannot be written: the disk is full, the folder belongs to somebody else.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # All of it on the disk now: a hole that cannot be filled later would be a SIGBUS.
            os.posix_fallocate(file, 0, size) if hasattr(os, "posix_fallocate") else os.ftruncate(file, size)
            return mmap.mmap(file, size)
        finally:
            os.close(file)
    except OSError as error:
        raise UnavailableError(f"cannot write {path}: {error.strerror}; make room, or set WORKERS_STATE_DIR") from error
