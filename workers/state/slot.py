"""A slot: a worker's place in the fleet, locked by one process at a time, with the member id of its last process.

A killed worker stays a member of its group until the session timeout, and its partitions are idle. The slot's files
outlive it: the next process in the slot reads the dead member's id there, and evicts it before it joins.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from workers.errors import BadConfigurationError
from workers.naming import all_worker_names
from workers.state.file_names import file_name, make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = structlog.get_logger()


class Slot:
    """One slot's lock and its other files, in a folder on a local disk.

    The kernel releases the lock when the process that holds it ends, in any way. So a process that gets the lock knows
    that the member in the file is dead. The watchdog holds it only for a moment, see `try_lock`; a worker that is started
    in that moment retries.
    """

    def __init__(self, folder: Path, group: str, worker: str) -> None:
        """Does no I/O: the folder is created when the slot is acquired."""
        self._folder, self._group, self._worker = folder, group, worker
        self._member_file = self.file("member")
        self._lock_file = self.file("lock")
        self.heartbeat_file = self.file("heartbeat")
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
        return [slot for slot in found if slot._lock_file.exists()]

    def try_acquire(self) -> bool:
        """Lock the slot for this process, until `unlock` or the end of the process.

        Returns:
            True: this process holds it; False: another process does, see `holder_pid`.

        Raises:
            BadConfigurationError: the folder cannot be created, or does not support files or locks.
        """
        try:
            if not self._folder.is_dir():
                make_folder(self._folder)
            lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                raise
        except BlockingIOError:
            return False
        except OSError as error:
            raise BadConfigurationError(
                [
                    f"WORKERS_STATE_DIR={self._folder}: cannot be used: {error.strerror or error}; it must be a folder on a local disk"
                ]
            ) from error
        self._lock = lock
        # The pid is only for an error message, so a full disk is no error here.
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        return True

    def holder_pid(self) -> int | None:
        """The pid of the last process that acquired the slot; None: not known."""
        try:
            pid = self._lock_file.read_bytes()[:20].strip()
        except OSError:
            return None
        return int(pid) if pid.isdigit() else None

    def unlock(self) -> None:
        """Release the slot. Its files are kept for the next process."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def try_lock(self) -> Iterator[bool]:
        """Hold the lock within this context, if no process has it; yields whether it is held.

        Raises:
            BadConfigurationError: as `try_acquire`.
        """
        held = self.try_acquire()
        try:
            yield held
        finally:
            if held:
                self.unlock()

    def predecessor(self) -> str | None:
        """The member id of the last process in this slot; None: it left the group itself, or the id is not known."""
        try:
            return self._member_file.read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def remember_member(self, member_id: str) -> None:
        """Keep this process's member id for its successor. Atomic: a kill -9 leaves the old file or the new one."""
        new = self._member_file.with_suffix(".new")
        try:
            new.write_text(member_id + "\n", encoding="utf-8")
            new.replace(self._member_file)
        except OSError as error:
            # The worker goes on: if it is killed, its partitions are idle until the session timeout.
            log.warning("cannot keep the member id of this worker", file=str(new), error=error.strerror)

    def forget_member(self) -> None:
        """Delete the member id: the member has left the group, or was evicted. Call it with the slot locked."""
        self._member_file.unlink(missing_ok=True)
