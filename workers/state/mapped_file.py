"""A file mapped into memory: its content survives a kill -9 of the process, and writing costs no system call."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from workers.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def mapped_file(path: Path, size: int) -> mmap.mmap:
    """Map the file, with the content that it has.

    Raises:
        UnavailableError: it cannot be written: the disk is full, the folder belongs to another user.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Allocate the whole file now: a write to a hole on a full disk would be a SIGBUS.
            os.posix_fallocate(file, 0, size) if hasattr(os, "posix_fallocate") else os.ftruncate(file, size)
            return mmap.mmap(file, size)
        finally:
            os.close(file)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {path}: {error.strerror}; free some space, or set WORKERS_STATE_DIR"
        ) from error
