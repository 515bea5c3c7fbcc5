"""What the auditor (`workers audit`) found last: a file of the group, which the page, `status` and the metrics read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.state.checked_file import checked, read_checked

if TYPE_CHECKING:
    from pathlib import Path

    from workers.state.state_file import StateFile

VERSION = 1
SIZE = 4096


class Audit(NamedTuple):
    """Times are Unix times. Counts are of what stands now, not of all that was ever found."""

    time: float
    """When this was found."""
    until: float | None = None
    """Every record that was written to Kafka before this is accounted for; None: nothing was proven yet."""
    records: int = 0
    """Verified since the auditor was started."""
    missing: int = 0
    twice: int = 0
    unexplained: int = 0
    unstable: int = 0
    """Records that cannot be read yet, behind an open transaction."""
    problem: str | None = None
    """Why the last round could not be done, in one line; None: it was done."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing, twice or unexplained."""
        return not (self.missing or self.twice or self.unexplained)


def write_audit(file: StateFile, audit: Audit) -> None:
    """Overwrite the file."""
    file.write(checked({"version": VERSION, **audit._asdict()}))


def read_audit(path: Path) -> Audit | None:
    """What the file holds; None: there is none, it cannot be parsed, or it is of another version."""
    try:
        content = read_checked(path)
        return Audit(**content) if content.pop("version") == VERSION else None
    except (TypeError, KeyError, AttributeError):
        return None
