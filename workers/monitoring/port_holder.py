"""Who listens on a port, for a message to whoever wanted it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

LISTENING = "0A"


def port_holder(port: int) -> str | None:
    """The pid and the command of the process that listens on this TCP port; None: not known.

    Linux tells it of the user's own processes, and root of all.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        # A process may end while it is looked at, or belong to somebody else.
        with suppress(OSError):
            if any(_target(file) in sockets for file in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                return f"pid {process.name} ({' '.join(words).strip()[:120]})"
    return None


def _listening(port: int) -> list[str]:
    inodes = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    inodes.append(columns[9])
    return inodes


def _target(file: Path) -> str | None:
    with suppress(OSError):
        return str(file.readlink())
    return None
