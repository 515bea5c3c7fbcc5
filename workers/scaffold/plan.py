"""What becomes of each file of a folder. A file that a person may have changed is never overwritten.

Whether a person has changed a file is told by the record: it has what was written (`InitRecord`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from workers import __version__
from workers.scaffold.contents import ENV_FILE
from workers.scaffold.env_file import missing_settings, with_settings
from workers.scaffold.init_record import InitRecord
from workers.scaffold.merge import merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from workers.scaffold.contents import ScaffoldFile

BESIDE = ".new"
"""After the name of a file that is a person's: what this version would write there."""


class StepKind(StrEnum):
    """What becomes of one file. The words are those of `workers init --json`."""

    WRITTEN = "written"
    """It was not there."""
    CURRENT = "current"
    """It is what this version writes."""
    REPLACED = "replaced"
    """Nobody had changed it, and this version has another."""
    MERGED = "merged"
    """A person has changed it, and what this version changed is put into theirs; new settings at the end of `.env`."""
    YOURS = "yours"
    """A person has changed it, and this version brings nothing new."""
    BESIDE = "beside"
    """A person has made it, or changed what this version changed; this version's is beside it, with `.new`."""
    OUTDATED = "outdated"
    """This version has another. `--upgrade` would deal with it."""
    LEFT_OUT = "left_out"
    """A person has removed it."""
    OBSOLETE = "obsolete"
    """An earlier version wrote it, and this one does not use it."""


WRITES = {StepKind.WRITTEN, StepKind.REPLACED, StepKind.MERGED, StepKind.BESIDE}


class Step(NamedTuple):
    """One file, and what becomes of it."""

    file: ScaffoldFile
    """As this version has it; with what is to be written, if that is something else."""
    kind: StepKind
    present: bytes | None = None
    """What is there; None: nothing."""

    @property
    def target(self) -> str:
        """The path that is written, in the folder."""
        return f"{self.file.path}{BESIDE}" if self.kind is StepKind.BESIDE else self.file.path


class Plan(NamedTuple):
    """What `workers init` will do."""

    steps: list[Step]
    record: InitRecord
    """What is to be remembered afterwards."""
    before: str | None
    """The version that wrote the folder; None: no version did."""


def make_plan(
    folder: Path,
    files: Sequence[ScaffoldFile],
    record: InitRecord | None,
    platforms: Sequence[str],
    *,
    upgrade: bool,
) -> Plan:
    """Look at the folder and decide. Writes nothing.

    Args:
        files: what this version has for it.
        record: what was written before.
        platforms: for which `files` were made.
        upgrade: whether files of another version are to be brought up to date.

    Raises:
        OSError: a file cannot be read, or there is a folder of its name.
    """
    written = dict(record.files) if record else {}
    steps = []
    for file in files:
        step = _step(file, _read(folder / file.path), written.get(file.path), upgrade=upgrade)
        steps.append(step)
        if step.kind not in (StepKind.OUTDATED, StepKind.LEFT_OUT):
            written[file.path] = file.content.decode()
    current = {file.path for file in files}
    for path in [each for each in written if each not in current]:
        if upgrade and (folder / path).exists():
            steps.append(Step(files[0]._replace(path=path, content=b""), StepKind.OBSOLETE))
        elif upgrade:
            del written[path]
    whole = upgrade or record is None or all(step.kind is not StepKind.OUTDATED for step in steps)
    version = __version__ if whole or record is None else record.version
    return Plan(steps, InitRecord(version, list(platforms), written), record.version if record else None)


def _step(file: ScaffoldFile, present: bytes | None, known: str | None, *, upgrade: bool) -> Step:
    if present is None:
        # `--upgrade` takes a removed file for a decision; `workers init` is a request for all files.
        return Step(file, StepKind.LEFT_OUT if upgrade and known else StepKind.WRITTEN)
    if present == file.content:
        return Step(file, StepKind.CURRENT, present)
    if known is None:
        return Step(file, StepKind.BESIDE, present)
    if known.encode() == file.content:
        return Step(file, StepKind.YOURS, present)
    if not upgrade:
        return Step(file, StepKind.OUTDATED, present)
    if known.encode() == present:
        return Step(file, StepKind.REPLACED, present)
    text = present.decode(errors="surrogateescape")
    merged = _env(text) if file.path == ENV_FILE else merge(file.path, known, text, file.content.decode())
    if merged is None:
        return Step(file, StepKind.BESIDE, present)
    content = merged.encode(errors="surrogateescape")
    return Step(file._replace(content=content), StepKind.YOURS if content == present else StepKind.MERGED, present)


def _env(text: str) -> str:
    """Other words about settings that it has already are nothing to be told of."""
    missing = missing_settings(text)
    return with_settings(text, missing, __version__) if missing else text


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        # A link that leads nowhere is a person's: what would be written through it would land somewhere else.
        if path.is_symlink():
            raise
        return None
