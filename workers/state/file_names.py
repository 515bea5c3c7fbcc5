"""The names of the files of a group, and the folder that they are in."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 180
"""Characters of a group's name that are used as they are: a file name has at most 255 bytes, with the rest of it."""


def file_name(group: str) -> str:
    """The first part of the names of a group's files. Two groups never have the same one.

    Kafka takes any name for a group. One that is no file name, or too long for one, is replaced by what is left of it and a
    hash; such a name holds a "~", which those that are used as they are do not.
    """
    if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", group) and len(group) <= LONGEST:
        return group
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", group)[:60]
    return f"{readable}~{hashlib.sha256(group.encode()).hexdigest()[:16]}"


def make_folder(folder: Path) -> None:
    """Make the folder, but not the one that it is in: a slip in a path must not make a tree somewhere.

    Raises:
        OSError: it cannot be made, or the folder that it would be in does not exist.
    """
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        if folder.parent.is_dir():
            raise
        raise FileNotFoundError(
            2, f"{folder.parent} does not exist; make it, or mend the path: only its last folder is made"
        ) from None
