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

from workers.errors import UnavailableError
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


class UnreadablePausesError(UnavailableError):
    """The file is there, and does not say what is paused."""


def pause_file(folder: Path, group: str) -> Path:
    """The path of the file. Args: folder: WORKERS_STATE_DIR."""
    return folder / f"{file_name(group)}.pauses"


def read_pauses(path: Path) -> Pauses:
    """What is paused. Without a file nothing is; a file that does not say it pauses everything, with the problem as reason."""
    try:
        return require_pauses(path)
    except UnreadablePausesError as error:
        return everything(path, str(error))


def change_pauses(path: Path, change: Callable[[Pauses], Iterable[Pause]], *, anew: bool = False) -> None:
    """Replace the pauses by what `change` makes of them. One process at a time; it is on the disk when this returns.

    Args: anew: whether a file that cannot be read is replaced too. What it held is lost then.

    Raises:
        UnavailableError: another process changes it, it cannot be read, or it cannot be written.
    """
    held = _lock(path)
    try:
        try:
            before = require_pauses(path)
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


def everything(path: Path, problem: str) -> Pauses:
    """All is paused, since the file says nothing else: since it was written. Args: problem: why it says nothing."""
    try:
        since = path.stat().st_mtime
    except OSError:
        since = time.time()
    return Pauses((Pause(problem, UNKNOWN, since),), problem)


def require_pauses(path: Path) -> Pauses:
    """What the file says. Without a file nothing is paused.

    Raises:
        UnreadablePausesError: it is there, and says nothing.
    """
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
