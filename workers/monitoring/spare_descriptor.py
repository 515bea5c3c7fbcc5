"""A file descriptor that is kept, so that there is one for a scrape when the process has no other left."""

from __future__ import annotations

import os
from contextlib import suppress


class SpareDescriptor:
    """One at most. Opened with `reserve`. For one thread."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def reserve(self) -> None:
        """Keep one, if none is kept and the process has one left."""
        if self._descriptor is None:
            with suppress(OSError):
                self._descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def is_reserved(self) -> bool:
        """Whether one is kept."""
        return self._descriptor is not None

    def release(self) -> bool:
        """Give it back to the process. Returns: whether there was one."""
        if self._descriptor is None:
            return False
        os.close(self._descriptor)
        self._descriptor = None
        return True
