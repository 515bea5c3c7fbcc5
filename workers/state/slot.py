"""A worker's place in the fleet: held by one process at a time, and remembering who held it last.

A member that was killed stays in its group until the session timeout, and its partitions stay idle. Its slot outlives
it: the next process in the slot reads the dead member's id there and removes it from the group before it joins.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from workers.errors import BadConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

MOST_SLOTS = 100


class Slot:
    """One slot's lock and its member file, in a folder on a local disk.

    The lock is the kernel's, so it ends with the process that holds it, however it ends. Whoever has the lock may
    therefore take the member in the file for dead.
    """

    def __init__(self, folder: Path, group: str, worker: str) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadConfigurationError([f"WORKERS_STATE_DIR={folder}: cannot be made: {error.strerror}"]) from error
        self._folder, self._group, self._worker = folder, group, worker
        self._member_file = self.file("member")
        self._lock_file = self.file("lock")
        self.heartbeat_file = self.file("heartbeat")
        self.starts_file = self.file("starts")
        self._lock: int | None = None

    def file(self, kind: str) -> Path:
        """A file of this slot's."""
        return self._folder / f"{self._group}-{self._worker}.{kind}".replace("/", "_")

    def group_file(self, kind: str) -> Path:
        """A file that all slots of the group in this folder share."""
        return self._folder / f"{self._group}.{kind}".replace("/", "_")

    def others(self) -> list[Slot]:
        """The slots of the group in this folder that anybody has had, but for this one."""
        slots = [f"worker_{number:02d}" for number in range(MOST_SLOTS)]
        found = [Slot(self._folder, self._group, worker) for worker in slots if worker != self._worker]
        return [slot for slot in found if slot._lock_file.exists()]

    def take(self) -> int | None:
        """Take the slot for this process.

        Returns:
            None, or the pid of the process that has it (0 where that is not known).
        """
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).strip()
            os.close(lock)
            return int(holder) if holder.isdigit() else 0
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock
        return None

    def try_acquire(self) -> bool:
        return self.take() is None

    def predecessor(self) -> str | None:
        """The member id of the process that had this slot before, if it did not leave the group itself."""
        try:
            return self._member_file.read_text(encoding="utf-8").strip() or None
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def remember(self, member_id: str) -> None:
        """Keep this process's member id for its successor. Whole or not at all, also when killed meanwhile."""
        new = self._member_file.with_suffix(".new")
        new.write_text(member_id + "\n", encoding="utf-8")
        new.replace(self._member_file)

    def release(self) -> None:
        """Leave the slot with no member behind: this process has left the group."""
        self._member_file.unlink(missing_ok=True)
        self.unlock()

    def unlock(self) -> None:
        """Give the slot free and leave the member in it, for whoever takes it next."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
