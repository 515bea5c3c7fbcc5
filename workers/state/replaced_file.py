"""A file that is replaced whole, by rename: readers see the old content or the new one, never a part."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UNFINISHED = ".new"
"""After the whole name of the file, so that two files never share one while they are written."""


def replace_file(path: Path, content: bytes) -> None:
    """Give the file this content; it is made if it is missing. For one writer at a time.

    Atomic: a kill -9 leaves the old file or the new one. It may leave an unfinished one beside it, which nobody reads, and
    which the next replacement overwrites.

    Raises:
        OSError: it cannot be written. The file is as it was, and an unfinished one takes no room.
    """
    new = path.with_name(f"{path.name}{UNFINISHED}")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
