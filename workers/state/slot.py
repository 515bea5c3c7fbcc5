"""A worker's place in the fleet: held by one process at a time, and remembering who held it last.

A member that was killed stays in its group until the session timeout, and its partitions stay idle. Its slot outlives
it: the next process in the slot reads the dead member's id there and removes it from the group before it joins.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from workers.errors import BadConfigurationError
from workers.naming import all_worker_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = structlog.get_logger()


class Slot:
    """One slot's lock and its member file, in a folder on a local disk.

    The lock is the kernel's, so it ends with the process that holds it, however it ends. Holding the lock therefore
    proves that the member in the file is dead. Who only looks holds it for a moment, see `try_lock`; a worker that is
    started in that moment tries again.
    """

    def __init__(self, folder: Path, group: str, worker: str) -> None:
        """Touches nothing: the folder is made when the slot is acquired."""
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
        found = [Slot(self._folder, self._group, name) for name in all_worker_names() if name != self._worker]
        return [slot for slot in found if slot._lock_file.exists()]

    def try_acquire(self) -> bool:
        """Take the slot for this process, until `unlock` or its end.

        Returns:
            Whether it is this process's now; False: another one has it, see `holder_pid`.

        Raises:
            BadConfigurationError: the folder cannot be made, or takes no file or no lock.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
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
                    f"WORKERS_STATE_DIR={self._folder}: cannot be used: {error.strerror}; it must be a folder on a local disk"
                ]
            ) from error
        self._lock = lock
        # The pid is for a message only, so a full disk does not matter.
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        return True

    def holder_pid(self) -> int | None:
        """The pid of the process that acquired the slot last; None: not known."""
        try:
            pid = self._lock_file.read_bytes()[:20].strip()
        except OSError:
            return None
        return int(pid) if pid.isdigit() else None

    def unlock(self) -> None:
        """Give the slot free. What is in its files stays, for whoever acquires it next."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def try_lock(self) -> Iterator[bool]:
        """Hold the slot while it is looked at, if nobody has it; gives whether that is so.

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
        """The member id of the process that had this slot before; None: it left the group itself, or is not known."""
        try:
            return self._member_file.read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None

    def remember_member(self, member_id: str) -> None:
        """Keep this process's member id for its successor. Whole or not at all, also when killed meanwhile."""
        new = self._member_file.with_suffix(".new")
        try:
            new.write_text(member_id + "\n", encoding="utf-8")
            new.replace(self._member_file)
        except OSError as error:
            # No reason to end a worker: its successor then waits for Kafka's session timeout.
            log.warning("cannot keep the member id of this worker", file=str(new), error=error.strerror)

    def forget_member(self) -> None:
        """Leave no member behind: it has left the group, or was removed from it. Call it with the slot locked."""
        self._member_file.unlink(missing_ok=True)
