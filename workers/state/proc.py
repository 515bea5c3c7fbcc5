"""The only reader of `/proc`: the kernel's data about processes.

None means not known, in every function: there is no `/proc` (macOS), or the process belongs to another user.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""


class ProcessStat(NamedTuple):
    """One process at one moment. Both fields are from one read, so they are of the same process."""

    started: int
    """Clock ticks from the boot of the machine to the start of the process; 0 without `/proc`. It identifies the process
    together with the pid, which may be reused.
    """
    state: str | None
    """The letter of proc(5): R running, S sleeping, D in uninterruptible sleep, T stopped, Z zombie; None: not known."""


def process_stat(pid: int) -> ProcessStat | None:
    """The process with this pid; None: there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 read often
            # The name of the program is in parentheses, and may contain parentheses.
            fields = file.read().rpartition(")")[2].split()
        return ProcessStat(int(fields[19]), fields[0])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None if os.path.isdir("/proc/self") else _stat_without_proc(pid)  # noqa: PTH112


def _stat_without_proc(pid: int) -> ProcessStat | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        # It exists, and belongs to another user.
        pass
    return ProcessStat(0, None)


def process_started(pid: int) -> int | None:
    """See `ProcessStat.started`; None: there is no such process."""
    stat = process_stat(pid)
    return None if stat is None else stat.started


def kernel_state(pid: int) -> str | None:
    """See `ProcessStat.state`; None also where there is no such process."""
    stat = process_stat(pid)
    return None if stat is None else stat.state


def uptime(started: int) -> float | None:
    """Seconds since a process was started. Args: started: see `ProcessStat.started`."""
    if not started or not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def resident_mebibytes() -> int | None:
    """The resident memory of this process, in MiB."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def children(pid: int) -> list[int]:
    """The pids of the children of a process, of its main thread; empty if they cannot be read."""
    with suppress(OSError, ValueError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return []


def environment_value(pid: int, name: str) -> str | None:
    """A variable that a process was started with; None: it has none, has ended, or belongs to another user."""
    prefix = f"{name}=".encode()
    with suppress(OSError):
        for each in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if each.startswith(prefix):
                return each.removeprefix(prefix).decode(errors="replace")
    return None


def port_holder(port: int) -> str | None:
    """The pid and the command line of the process that listens on this TCP port, for an error message.

    Linux shows only the user's own processes, and all of them to root.
    """
    if (pid := port_holder_pid(port)) is not None:
        with suppress(OSError):
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
            return f"pid {pid} ({' '.join(arguments).strip()[:120]})"
    return None


def port_holder_pid(port: int) -> int | None:
    """Its pid alone; see `port_holder`. None: nobody listens, or a process that this user may not see."""
    sockets = {f"socket:[{inode}]" for inode in _listening_sockets(port)}
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        # The process may end meanwhile, or belong to another user.
        with suppress(OSError):
            if any(_target(file) in sockets for file in (process / "fd").iterdir()):
                return int(process.name)
    return None


def is_listened_on(port: int) -> bool:
    """Whether a process listens on this TCP port, on any address of this machine."""
    return any(True for _ in _listening_sockets(port))


def parent(pid: int) -> int | None:
    """The pid of the process that started it; None: there is no such process."""
    with suppress(OSError, ValueError, IndexError):
        return int(
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        )
    return None


def _listening_sockets(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on this port."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    yield columns[9]


def _target(file: Path) -> str | None:
    with suppress(OSError):
        return str(file.readlink())
    return None
