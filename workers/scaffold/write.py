"""Carries a plan out."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from workers.errors import BadUsageError
from workers.fleet.start_command import CONF, IN_A_CLONE, conf_of
from workers.scaffold.contents import EMPTY_FOLDERS
from workers.scaffold.init_record import FILE_NAME
from workers.scaffold.plan import WRITES, StepKind
from workers.settings.files import shown

if TYPE_CHECKING:
    from workers.scaffold.plan import Plan

LONGEST_SOCKET = 99
"""Bytes of the path of supervisord's socket. It binds "<path>.<pid>" first, and the kernel takes 107 (unix(7))."""
_REFUSED = '%"'
"""In a path, supervisord's configuration takes them for something else. Spaces and all other printable signs are fine."""


def require_usable(folder: Path) -> None:
    """Refuse a folder in which no fleet could run, or that nobody can mean. Writes nothing. Args: folder: absolute.

    Raises:
        BadUsageError: it is the root of the machine, or below a folder that is not there; it is a clone, which has all of
            this; or supervisord could not use its path.
    """
    if wrong := sorted({letter for letter in str(folder) if letter in _REFUSED or not letter.isprintable()}):
        raise BadUsageError(
            f"{shown(folder)}: supervisord cannot use a path with {' or '.join(map(repr, wrong))}; choose another"
        )
    length = len(os.fsencode(folder / "var/run/supervisord.sock"))
    if length > LONGEST_SOCKET:
        raise BadUsageError(
            f"{shown(folder)}: supervisord's socket in it would have a path of {length} bytes, and {LONGEST_SOCKET} is the "
            f"most; choose a shorter one"
        )
    if folder == folder.parent or not folder.parent.is_dir() or (folder.exists() and not folder.is_dir()):
        # Only the last folder is made, so that a slip in a path makes no tree.
        what = (
            "is no folder for a fleet"
            if folder == folder.parent or folder.exists()
            else "is in no folder that is there"
        )
        raise BadUsageError(f"{shown(folder)} {what}; name another")
    in_deploy = folder.name == "deploy" and (folder / CONF).is_file() and not (folder / FILE_NAME).exists()
    if in_deploy or conf_of(folder) == folder / IN_A_CLONE:
        raise BadUsageError(
            f"{shown(folder)} is that of a clone, which has all of this: `supervisord -c {IN_A_CLONE}` starts its fleet. "
            f"For a fleet of its own, name another folder"
        )


def carry_out(folder: Path, plan: Plan) -> None:
    """Write what is to be written, and the record last: killed in between, the same command goes on from there.

    Raises:
        OSError: something cannot be written. What was written is whole.
    """
    for name in EMPTY_FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for step in plan.steps:
        if step.kind not in WRITES:
            continue
        path = folder / step.target
        path.parent.mkdir(parents=True, exist_ok=True)
        if step.kind is StepKind.WRITTEN:
            _create(path, step.file.content, step.file.mode)
        else:
            _replace(path, step.file.content, step.file.mode)
    _replace(folder / FILE_NAME, plan.record.text().encode(), 0o644)


def _create(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all. Raises: FileExistsError: somebody has made a file of this name since the plan, and keeps it."""
    new = _temporary(path, content, mode & ~_umask())
    try:
        path.hardlink_to(new)
    finally:
        new.unlink()


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Atomic. A link stays a link, and a file keeps its permissions."""
    path = path.resolve()
    new = _temporary(path, content, path.stat().st_mode & 0o7777 if path.exists() else mode & ~_umask())
    try:
        new.replace(path)
    except OSError:
        new.unlink()
        raise


def _temporary(path: Path, content: bytes, mode: int) -> Path:
    """A file with this content and mode, beside the path."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        new = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
        except OSError:
            new.unlink()
            raise
    return new


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
