"""Faults around the processes: connections that send nothing, and a disk without room for their files."""

from __future__ import annotations

import contextlib
import resource
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECTIONS = 100
"""To each port; with all ports of a fleet this stays below the usual limit of open files."""


class IdleConnections:
    """Connections that are open, and send nothing."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def open(self, addresses: Iterable[tuple[str, int]]) -> int:
        """Open `CONNECTIONS` to each address. Returns how many were accepted."""
        for address in addresses:
            with contextlib.suppress(OSError):
                for _ in range(CONNECTIONS):
                    self._sockets.append(socket.create_connection(address, timeout=0.5))
        return len(self._sockets)

    def close(self) -> None:
        """Close all of them."""
        for each in self._sockets:
            each.close()
        self._sockets.clear()


class FullDisk:
    """As if there were no room left for the files of some processes: a write to any file fails, to pipes and sockets not.

    It is the limit of the size of a file (RLIMIT_FSIZE, EFBIG), set to 0. Linux only.
    """

    def __init__(self) -> None:
        self._before: dict[int, int] = {}

    def fill(self, pids: Iterable[int]) -> int:
        """Returns how many processes have no room now."""
        for pid in pids:
            with contextlib.suppress(OSError, ProcessLookupError):
                self._before[pid] = _limit_file_size(pid, 0)
        return len(self._before)

    def free(self) -> None:
        """Give room again to those that still live."""
        for pid, before in self._before.items():
            with contextlib.suppress(OSError, ProcessLookupError):
                _limit_file_size(pid, before)
        self._before.clear()


def _limit_file_size(pid: int, size: int) -> int:
    """Set the soft limit, and return it as it was."""
    before, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    return before
