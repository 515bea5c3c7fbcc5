"""The pauses of a group: a file that `workers pause` and `workers resume` replace, and that every worker looks at.

It outlives workers and, as far as its folder does, the machine. Nobody resumes by accident: `resume` leaves a file without
pauses behind; one that is there and cannot be read pauses everything, or leaves in force what was read before.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from workers.errors import UnavailableError
from workers.log_fields import Action
from workers.pauses import NO_PAUSES, Pause, Pauses
from workers.state.file_names import file_name, make_folder
from workers.state.lock_file import lock
from workers.state.replaced_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

VERSION = 1
LONGEST = 1024 * 1024
"""Bytes. A longer file is not one of ours."""
LOCK_SECONDS, LOCK_POLL_SECONDS = 5.0, 0.05
"""How long a command waits for another one that changes the file."""
UNKNOWN = "?"
"""Who has paused what cannot be read."""

log = structlog.get_logger()


class UnreadablePausesError(UnavailableError):
    """The file is there, and does not say what is paused."""


def pause_file(folder: Path, group: str) -> Path:
    """The path of the file. Args: folder: WORKERS_STATE_DIR."""
    return folder / f"{file_name(group)}.pauses"


def read_pauses(path: Path) -> Pauses:
    """What is paused. Without a file nothing is; a file that does not say it pauses everything, with the problem as reason."""
    try:
        return _read(path)
    except UnreadablePausesError as error:
        return _everything(path, str(error))


def change_pauses(path: Path, change: Callable[[Pauses], Iterable[Pause]], *, anew: bool = False) -> None:
    """Replace the pauses by what `change` makes of them. One process at a time; it is on the disk when this returns.

    Args: anew: whether a file that cannot be read is replaced too. What it held is lost then.

    Raises:
        UnavailableError: another process changes it, it cannot be read, or it cannot be written.
    """
    held = _lock(path)
    try:
        try:
            before = _read(path)
        except UnreadablePausesError as error:
            if not anew:
                raise UnavailableError(
                    f"{error}, so everything is paused; `workers resume` writes it anew, with no pause"
                ) from error
            before = NO_PAUSES
        content = {"version": VERSION, "pauses": Pauses(tuple(change(before))).as_list()}
        # For people too: they may look at it where no command runs.
        replace_file(path, json.dumps(content, indent=1).encode() + b"\n", durable=True)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written, so nothing has changed: {error.strerror}") from error
    finally:
        os.close(held)


class PauseWatch:
    """What is paused now, for one who asks at every poll: one `stat`, and no more while the file does not change."""

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
        signature = (found.st_ino, found.st_mtime_ns, found.st_size)
        if signature != self._signature:
            self._signature = signature
            self._read()
        return self._pauses

    def _read(self) -> None:
        try:
            self._pauses, self._told, self._is_known = _read(self._path), None, True
        except UnreadablePausesError as error:
            problem = str(error)
            self._pauses = (
                self._pauses._replace(problem=problem) if self._is_known else _everything(self._path, problem)
            )
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


def _lock(path: Path) -> int:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            make_folder(path.parent)
            held = lock(path.with_name(f"{path.name}-lock"))
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise UnavailableError("another `workers pause` or `workers resume` runs; try it again") from error
        except OSError as error:
            raise UnavailableError(f"{path} cannot be written, so nothing has changed: {error.strerror}") from error
        else:
            # Whoever may write the folder may pause, also after another user did.
            with suppress(OSError):
                os.fchmod(held, 0o666)
            return held
        time.sleep(LOCK_POLL_SECONDS)


def _everything(path: Path, problem: str) -> Pauses:
    try:
        since = path.stat().st_mtime
    except OSError:
        since = time.time()
    return Pauses((Pause(problem, UNKNOWN, since),), problem)


def _read(path: Path) -> Pauses:
    """Raises: UnreadablePausesError."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except FileNotFoundError:
        return NO_PAUSES
    except OSError as error:
        raise UnreadablePausesError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LONGEST:
        raise UnreadablePausesError(f"{path} is too long to be a file of pauses")
    try:
        found = json.loads(content)
        if found["version"] != VERSION:
            raise UnreadablePausesError(f"{path} was written by another version, or is another file")
        return Pauses(tuple(_parse(each) for each in found["pauses"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadablePausesError(f"{path} is torn, or is another file") from error


def _parse(entry: dict[str, Any]) -> Pause:
    topic, partition = entry["topic"], entry["partition"]
    is_place = (topic is None or isinstance(topic, str)) and (partition is None or type(partition) is int)
    if not is_place or (topic is None and partition is not None):
        raise ValueError("no topic or partition")
    return Pause(_one_line(entry["because"]), _one_line(entry["by"]), float(entry["since"]), topic, partition)


def _one_line(text: str) -> str:
    # A person may have edited the file, and it is shown on terminals.
    return "".join(character if character.isprintable() else "?" for character in text)
