"""A file that is replaced whole, by rename: readers see the old content or the new one, never a part."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UNFINISHED = ".new"
"""After the whole name of the file, so that two files never share one while they are written."""


def replace_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Give the file this content; it is made if it is missing. For one writer at a time.

    Atomic: a kill -9 leaves the old file or the new one. It may leave an unfinished one beside it, which nobody reads, and
    which the next replacement overwrites.

    Args: durable: it is on the disk, also after a loss of power, when this returns; and other users may read it.

    Raises:
        OSError: it cannot be written. The file is as it was, and an unfinished one takes no room.
    """
    new = path.with_name(f"{path.name}{UNFINISHED}")
    try:
        if durable:
            _write_durably(new, content)
        else:
            new.write_bytes(content)
        new.replace(path)
        if durable:
            _sync(path.parent)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        # Whatever the umask of a person is: the fleet may run as another user.
        os.fchmod(file.fileno(), 0o644)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    # Some file systems cannot.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
