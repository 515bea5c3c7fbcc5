"""The file in which a slot keeps the member id of its last process, for the process that succeeds it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from workers.state.write_failures import WriteFailures

STATIC = "static"
"""The word after the member id of a static member (WORKERS_STATIC_MEMBERSHIP)."""


class MemberFile:
    """For the process that has locked the slot, except `predecessor`, which any process may call."""

    def __init__(self, path: Path, fenced: Path, failures: WriteFailures) -> None:
        """Does no I/O. Args: fenced: the path of the note that another process took the static id."""
        self._path, self._fenced, self._failures = path, fenced, failures
        self._wanted: list[str] = []
        """What this process wants to be remembered: its member id, and whether it is static."""

    def predecessor(self) -> str | None:
        """The member id of the last process in this slot; None: it left the group itself, or the id is not known."""
        words = self._words()
        return words[0] if words else None

    def evictable(self, static: bool) -> str | None:
        """The same, for a member to evict once it is dead. Not a static one whose successor is static too: the successor
        gets its partitions by its static id, without a rebalance.

        Args: static: WORKERS_STATIC_MEMBERSHIP of today; the last process may have had another.
        """
        words = self._words()
        return None if not words or (static and STATIC in words[1:]) else words[0]

    def _words(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError):
            return []

    def remember(self, member_id: str, static: bool = False) -> None:
        """Keep this process's member id for its successor. Atomic: a kill -9 leaves the old file or the new one.

        Without it, and if this process is killed, its partitions are idle until the session timeout.
        """
        self._wanted = [member_id, STATIC] if static else [member_id]
        if self._words() == self._wanted:
            # It joined again under the same one.
            self._failures.succeeded(self._path)
            return
        new = self._path.with_suffix(".new")
        try:
            new.write_text(" ".join(self._wanted) + "\n", encoding="utf-8")
            new.replace(self._path)
        except OSError as error:
            self._failures.failed(self._path, error, "cannot keep the member id of this worker")
            with suppress(OSError):
                # Half of it would take the room that others need.
                new.unlink()
        else:
            self._failures.succeeded(self._path)

    def restore(self) -> None:
        """Write the file again, if it could not be written, or was removed."""
        if self._wanted and self._words() != self._wanted:
            self.remember(self._wanted[0], STATIC in self._wanted[1:])

    def forget(self) -> bool:
        """Delete the member id: the member has left the group, or was evicted. Call it with the slot locked.

        Returns:
            Whether it is gone; if not (a read-only disk), its member is evicted once more, in vain.
        """
        self._wanted = []
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
