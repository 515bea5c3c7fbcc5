"""A slot: a worker's place in the fleet, locked by one process at a time, with the member id of its last process.

A killed worker stays a member of its group until the session timeout, and its partitions are idle. The slot's files
outlive it: the next process in the slot reads the dead member's id there, and evicts it before it joins.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workers.errors import BadConfigurationError, UnavailableError
from workers.naming import all_worker_names
from workers.state.file_names import file_name
from workers.state.lock_file import holder_pid, lock
from workers.state.member_file import MemberFile
from workers.state.write_failures import WriteFailures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workers.state.heartbeat import Beat

WRONG_SETTING = {
    errno.ENOTDIR,
    errno.ENOENT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EINVAL,
    errno.ENOLCK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
}
"""The folder is not one, its parent is missing, or it does not know locks: more room or rights would not help."""


class SlotUnavailableError(UnavailableError):
    """The slot cannot be locked now: the disk is full or read-only, or the folder belongs to another user."""


class Slot:
    """One slot's lock and its other files, in a folder on a local disk.

    The kernel releases the lock when the process that holds it ends, in any way. So a process that gets the lock knows
    that the member in the file is dead. The watchdog holds it only for a moment, see `try_lock`; a worker that is started
    in that moment retries.
    """

    def __init__(self, folder: Path, group: str, worker: str, failures: WriteFailures | None = None) -> None:
        """Does no I/O: the folder is created when the slot is acquired.

        Args: failures: told when a file cannot be written.
        """
        self._folder, self._group, self._worker = folder, group, worker
        self._failures = failures or WriteFailures()
        self.member = MemberFile(self.file("member"), self.file("fenced"), self._failures)
        self._lock_file = self.file("lock")
        self.heartbeat_file = self.file("heartbeat")
        self.progress_file = self.file("progress")
        self.starts_file = self.file("starts")
        self._lock: int | None = None

    def file(self, kind: str) -> Path:
        """The path of a file of this slot."""
        return self._folder / f"{file_name(self._group)}-{self._worker}.{kind}"

    def group_file(self, kind: str) -> Path:
        """The path of a file that all slots of the group in this folder share."""
        return self._folder / f"{file_name(self._group)}.{kind}"

    def others(self) -> list[Slot]:
        """The other slots of the group in this folder that were ever acquired."""
        found = [Slot(self._folder, self._group, name) for name in all_worker_names() if name != self._worker]
        return [slot for slot in found if os.path.lexists(slot._lock_file)]

    def try_acquire(self) -> bool:
        """Lock the slot for this process, until `unlock` or the end of the process.

        Returns:
            True: this process holds it; False: another process does, see `holder_pid`.

        Raises:
            BadConfigurationError: the folder cannot be one for files and locks.
            SlotUnavailableError: the disk is full or read-only, the folder belongs to another user.
        """
        try:
            self._lock = lock(self._lock_file)
        except BlockingIOError:
            return False
        except OSError as error:
            problem = f"WORKERS_STATE_DIR={self._folder}: cannot be used: {error.strerror or error}"
            if error.errno in WRONG_SETTING:
                raise BadConfigurationError([f"{problem}; it must be a folder on a local disk"]) from error
            raise SlotUnavailableError(problem) from error
        return True

    def restore(self) -> None:
        """Make the lock and the member id again where their files were removed, or could not be written. Never raises.

        Call it now and then, with the slot acquired. A slot that another process has got meanwhile stays that one's: the
        sink is idempotent, so two members with one name cost speed and nothing else.
        """
        if self._lock is not None and not self._is_mine(self._lock):
            old, self._lock = self._lock, None
            try:
                held = self.try_acquire()
            except (BadConfigurationError, UnavailableError):
                held = False
            if not held:
                # The old lock is better than none: nobody else can see it, and nothing else needs it.
                self._lock = old
                self._failures.failed(self._lock_file, OSError(errno.ENOENT, "removed, and cannot be locked again"))
                return
            os.close(old)
            self._failures.succeeded(self._lock_file)
        self.member.restore()

    def _is_mine(self, lock: int) -> bool:
        try:
            return os.path.samestat(self._lock_file.stat(), os.fstat(lock))
        except OSError as error:
            # An error of the disk says nothing about the file.
            return not isinstance(error, FileNotFoundError)

    def holder_pid(self) -> int | None:
        """The pid of the last process that acquired the slot; None: not known."""
        return holder_pid(self._lock_file)

    def dead_members(self, last: Beat | None, static: bool) -> list[str]:
        """The members to evict of those who had this slot. Call it with the slot locked.

        The lock alone proves too little. A worker on a disk without room for its lock or member file lives without them;
        then its heartbeat has the id, and the file may still have that of its predecessor. And a lock file that somebody
        removes can be locked twice. So whose process runs is left alone; where that is not known, the lock has to do.

        Args:
            last: the slot's heartbeat, before this process overwrites it.
            static: see `MemberFile.evictable`.
        """
        known = (self.member.read(), last and last.member_not_kept)
        dead = [each.id for each in known if each and not (static and each.static) and not each.lives]
        return list(dict.fromkeys(dead))

    def unlock(self) -> None:
        """Release the slot. Its files are kept for the next process."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def try_lock(self) -> Iterator[bool]:
        """Hold the lock within this context, if no process has it; yields whether it is held.

        A lock that cannot be taken, for whatever reason, is not held: nothing is proven then.
        """
        try:
            held = self.try_acquire()
        except (BadConfigurationError, SlotUnavailableError):
            held = False
        try:
            yield held
        finally:
            if held:
                self.unlock()
