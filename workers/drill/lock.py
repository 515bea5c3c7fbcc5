"""The lock of a tree's drills: two at once would take each other's faults for the fleet's."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workers.errors import BadUsageError, UnavailableError
from workers.fleet.start_command import how_to_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def only_drill(path: Path, tree: Path) -> Iterator[None]:
    """Hold the lock. Args: tree: the folder of the fleet, for the message where there is none.

    Raises:
        BadUsageError: the file cannot be opened.
        UnavailableError: another process holds it; the message has its pid.
    """
    try:
        file = path.open("a+", encoding="ascii")
    except FileNotFoundError as error:
        # The folder of state files is made by whoever starts a fleet.
        raise BadUsageError(f"no fleet has run in {tree}; {how_to_start(tree)}") from error
    except OSError as error:
        raise BadUsageError(f"no drill can begin: cannot open {path}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise UnavailableError(f"another drill breaks this fleet, as pid {pid}; wait for it, or end it") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
