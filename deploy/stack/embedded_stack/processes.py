"""Processes that end with their parent, and that can be told apart from a stranger with the
same pid. Run as a program it ties a command to the process that starts it, see `tied`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """The kernel sends SIGTERM when the parent dies, even of SIGKILL; exec keeps that order.
    Without it a killed supervisord leaves servers behind that hold the ports and the data."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(f"the process {parent} that started this one is gone")


def tied(*command: str | Path) -> list[str]:
    """The command line of a child that gets SIGTERM when this process dies, of whatever cause.

    The thread that starts the child must live on: to the kernel, its end is the parent's death."""
    # By its file, so that it works for an interpreter that has not installed this package. -P: the modules beside it
    # are no top-level ones.
    return [sys.executable, "-P", __file__, str(os.getpid()), *map(str, command)]


@dataclass(frozen=True)
class Record:
    """A server that was started: where it listens and which process it is."""

    pid: int
    started: float
    address: str

    @classmethod
    def write(cls, path: Path, address: str) -> None:
        me = cls(os.getpid(), psutil.Process().create_time(), address)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(me)))
        fresh.replace(path)

    @classmethod
    def read(cls, path: Path) -> Record | None:
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def process(self) -> psutil.Process | None:
        """The process, unless it has ended and its number went to another one."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) < 1 and is_alive(process):
                return process
        except psutil.Error:
            pass
        return None


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
