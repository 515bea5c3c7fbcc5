"""What a worker says of one partition that it has, and how much came or was stored meanwhile. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Owner(NamedTuple):
    """What a live worker of this host says of one partition of its assignment. Times are of one clock."""

    name: str
    pid: int
    assigned: float
    first: float | None = None
    """When its first batch was acknowledged; None: none of this assignment was."""
    halted: bool = False
    stopped: float | None = None
    """Since when it stores nothing: stopped by a signal, the sink is unavailable; None: it works."""
    patience: float = 5.0
    """Seconds without any acknowledgement, after which it stores nothing, though it says that it works."""
    acked: float = 0.0
    """When any of its batches was acknowledged last."""
    paused: bool = False
    """Whether somebody has paused it (`workers pause`)."""


class Increase(NamedTuple):
    """Records that came or were stored between two moments."""

    amount: int
    start: float
    end: float
