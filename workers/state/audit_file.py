"""What the auditor (`workers audit`) found last: a file of the group, which the page, `status` and the metrics read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.state.checked_file import checked, read_checked
from workers.state.file_names import file_name

if TYPE_CHECKING:
    from pathlib import Path

    from workers.state.state_file import StateFile

VERSION = 1
SIZE = 4096
MOST_FOUND = 5
"""Of all that was found, so many are named one by one."""


class Audit(NamedTuple):
    """Times are Unix times. Counts are of what stands now, not of all that was ever found."""

    time: float
    """When this was said. What it counts was found at `done`."""
    until: float | None = None
    """Every record that Kafka still holds, and that was written before this, is accounted for; None: that was not proven yet,
    or not again: see `since` and `set_back`."""
    records: int = 0
    """Verified since the auditor was started, each counted once."""
    missing: int = 0
    twice: int = 0
    unexplained: int = 0
    unstable: int = 0
    """Records that cannot be read yet, behind an open transaction."""
    problem: str | None = None
    """Why the last round could not be done, in one line; None: it was done."""
    since: float | None = None
    """The first pass over what was stored before this is not done; None: all is verified."""
    recent: float | None = None
    """While `until` is None for the first pass: every record that was stored after `since`, and written before this, is
    accounted for."""
    passed: float | None = None
    """When a pass over everything that Kafka holds was last completed; None: none was yet."""
    unverified: int = 0
    """Offsets that the group has committed, and that are not verified yet."""
    found: tuple[tuple[str, int, int, str], ...] = ()
    """The first of those that are missing, twice or unexplained: topic, partition, offset, and what it is."""
    removed: int = 0
    """Offsets that Kafka has removed before they were accounted for: by retention, by a truncation, by compaction. What became
    of their records cannot be verified any more. Counted until somebody acknowledges them."""
    removed_since: float | None = None
    """When the first of them were missed."""
    set_back: float | None = None
    """When it was seen that the group was set back, or lost its commits; None: all that it reads again is proven again."""
    topic: str = ""
    interval: float = 0.0
    """Seconds between two rounds."""
    routes: str = ""
    """The fingerprint of its routes: `RouteTable.fingerprint`; empty: an older version wrote this."""
    done: float | None = None
    """When the last round was done, and so these counts were found; None: none was yet, and they are not known."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is missing, twice or unexplained."""
        return not (self.missing or self.twice or self.unexplained)

    @property
    def is_known(self) -> bool:
        """Whether the counts say something, and are not those of an auditor that has not verified anything yet."""
        return self.done is not None or not self.is_clean

    @property
    def command(self) -> str:
        """The command that shows more of what was found."""
        if not self.found:
            return "workers verify"
        topic, partition, offset, _ = self.found[0]
        return f"workers peek {topic}/{partition}/{offset}"

    @property
    def failures(self) -> str:
        """What stands now, in words: `2 missing, 1 unexplained`; empty: nothing."""
        counts = {"missing": self.missing, "twice": self.twice, "unexplained": self.unexplained}
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def audit_file(folder: Path, group: str) -> Path:
    """The path of the file. Args: folder: WORKERS_STATE_DIR."""
    return folder / f"{file_name(group)}.audit"


def audit_lock_file(folder: Path, group: str) -> Path:
    """The path of the file that the auditor of the group has locked while it runs."""
    return folder / f"{file_name(group)}.audit-lock"


def write_audit(file: StateFile, audit: Audit) -> None:
    """Overwrite the file."""
    file.write(checked({"version": VERSION, **audit._asdict()}))


def read_audit(path: Path) -> Audit | None:
    """What the file holds; None: there is none, it cannot be parsed, or it is of another version."""
    try:
        content = read_checked(path)
        if content.pop("version") != VERSION:
            return None
        found = tuple((topic, partition, offset, what) for topic, partition, offset, what in content.pop("found"))
        return Audit(**content, found=found)
    except (TypeError, KeyError, AttributeError, ValueError):
        return None
