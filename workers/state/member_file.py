"""The file in which a slot keeps the member id of its last process, for the process that succeeds it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.state.proc import process_started
from workers.state.replaced_file import replace_file
from workers.state.slot_member import SlotMember

if TYPE_CHECKING:
    from pathlib import Path

    from workers.state.write_failures import WriteFailures


class MemberFile:
    """For the process that has locked the slot, except `read` and `predecessor`, which any process may call."""

    def __init__(self, path: Path, fenced: Path, failures: WriteFailures) -> None:
        """Does no I/O. Args: fenced: the path of the note that another process took the static id."""
        self._path, self._fenced, self._failures = path, fenced, failures
        self._wanted: SlotMember | None = None
        """What this process wants to be remembered."""
        self.is_kept = False
        """Whether the file held that when it was looked at last."""

    def read(self) -> SlotMember | None:
        """The member of the last process in this slot that could write it; None: it left the group itself, or is not known."""
        try:
            return SlotMember.parse(self._path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def predecessor(self) -> str | None:
        """The member id of the last process in this slot; None: it left the group itself, or the id is not known."""
        return found.id if (found := self.read()) else None

    def evictable(self, static: bool) -> str | None:
        """The same, for a member to evict once it is dead. Not a static one whose successor is static too: the successor
        gets its partitions by its static id, without a rebalance.

        Args: static: WORKERS_STATIC_MEMBERSHIP of today; the last process may have had another.
        """
        found = self.read()
        return None if found is None or (static and found.static) else found.id

    def remember(self, member_id: str, static: bool = False) -> None:
        """Keep this process's member id for its successor. Atomic: a kill -9 leaves the old file or the new one.

        Where it cannot be kept (`is_kept`), the heartbeat has it. Without both, and if this process is killed, its
        partitions are idle until the session timeout.
        """
        pid = os.getpid()
        self._wanted = SlotMember(member_id, static, pid, process_started(pid))
        self.is_kept = self.read() == self._wanted or self._write(self._wanted)
        if self.is_kept:
            self._failures.succeeded(self._path)

    def _write(self, member: SlotMember) -> bool:
        try:
            replace_file(self._path, f"{member}\n".encode())
        except OSError as error:
            self._failures.failed(self._path, error, "cannot keep the member id of this worker")
            return False
        return True

    def restore(self) -> None:
        """Write the file again, if it could not be written, or was removed."""
        if self._wanted and self.read() != self._wanted:
            self.remember(self._wanted.id, self._wanted.static)

    def forget(self) -> bool:
        """Delete the member id: the member has left the group, or was evicted. Call it with the slot locked.

        Returns:
            Whether it is gone; if not (a read-only disk), its member is evicted once more, in vain.
        """
        self._wanted = None
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._failures.failed_once(self._path, error)
            return False
        return True

    def remember_fenced(self) -> None:
        """Keep for the successor that another process took this slot's static id: it must not take it back at once, or the
        two would end each other for ever.
        """
        # On a full disk the successor takes it back, and says so.
        with suppress(OSError):
            self._fenced.touch()

    def was_fenced(self) -> bool:
        """See `remember_fenced`."""
        return self._fenced.exists()

    def forget_fenced(self) -> None:
        """The other process has left the group."""
        with suppress(OSError):
            self._fenced.unlink()
