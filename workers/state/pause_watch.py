"""What is paused now, for a process that asks often: every worker before each poll, and `workers lag`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from workers.log_fields import Action
from workers.pauses import NO_PAUSES, Pauses
from workers.state.pause_file import UnreadablePausesError, everything, require_pauses

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger()


class PauseWatch:
    """One `stat` a question, and no more while the file does not change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: object = None
        """Of the file that was read last; None: there was none, or nothing was read yet."""
        self._is_known = False
        """Whether a file was read, or there was none."""
        self._pauses = NO_PAUSES
        self._told: str | None = None

    def __call__(self) -> Pauses:
        """The same object as before, while nothing has changed. Never raises."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            if self._signature is not None or self._pauses.problem:
                self._gone()
            self._is_known = True
            return self._pauses
        except OSError as error:
            # The folder cannot be used: what was known stays so. At the start nothing is known, and nothing is paused.
            self._tell(f"{self._path} cannot be looked at: {error.strerror}")
            return self._pauses
        # The time of the last change of its rights, too: who may read it now may not have before.
        signature = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
        if signature != self._signature:
            self._signature = signature
            self._read()
        return self._pauses

    def _read(self) -> None:
        try:
            self._pauses, self._told, self._is_known = require_pauses(self._path), None, True
        except UnreadablePausesError as error:
            problem = str(error)
            known = self._pauses._replace(problem=problem) if self._is_known else everything(self._path, problem)
            if known != self._pauses:
                self._pauses = known
            # Read again at the next question: the disk may be the cause.
            self._signature = ()
            self._tell(problem)

    def _gone(self) -> None:
        if self._pauses.all:
            log.warning(
                "the file of the pauses was removed, and not by `workers resume`; nothing is paused any more",
                action=Action.READ,
                file=str(self._path),
            )
        self._signature, self._pauses, self._told = None, NO_PAUSES, None

    def _tell(self, problem: str) -> None:
        if problem == self._told:
            return
        self._told = problem
        log.error(
            "the pauses cannot be read; those that were read before stay, and without them everything is paused"
            if self._signature is not None
            else "whether anything is paused cannot be known; what was known stays so",
            action=Action.READ,
            error=problem,
        )
