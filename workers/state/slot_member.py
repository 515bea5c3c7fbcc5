"""The member of the consumer group that a process of a slot is or was, as one of the slot's files tells."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from workers.state.proc import process_stat

STATIC = "static"
"""The word after the member id of a static member (WORKERS_STATIC_MEMBERSHIP)."""
ENDED = ("Z", "X")
"""States of a process in proc(5) that has ended, and was not reaped yet."""


class SlotMember(NamedTuple):
    """A member id, and the process that has it."""

    id: str
    static: bool = False
    pid: int | None = None
    """None: not known; an earlier version wrote the file."""
    started: int | None = None
    """See `ProcessStat.started`."""

    @property
    def lives(self) -> bool | None:
        """Whether its process runs; None: not known."""
        if self.pid is None:
            return None
        stat = process_stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state not in ENDED

    def __str__(self) -> str:
        """One line of words, of which earlier versions read the first one and `static`."""
        process = () if self.pid is None else (f"pid={self.pid}", f"started={self.started}")
        return " ".join([self.id, *([STATIC] if self.static else []), *process])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The member in a line; None: there is none."""
        words = text.split()
        if not words or words[0].startswith("pid="):
            return None
        process = re.search(r" pid=([0-9]{1,10}) started=([0-9]{1,20})$", text.rstrip())
        return cls(words[0], STATIC in words[1:], *(map(int, process.groups()) if process else ()))
