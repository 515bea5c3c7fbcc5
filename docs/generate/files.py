"""docs/reference/files.md: what lies on the disk, for those who run a fleet. The table is that of docs/ARCHITECTURE.md."""

from __future__ import annotations

from pathlib import Path

from docs.generate.markdown import page

ARCHITECTURE = Path(__file__).parents[1] / "ARCHITECTURE.md"
HEAD = """
Everything that a fleet writes is below `var/` of its folder. **Nothing there is needed for the promise:** offsets are in
Kafka, and documents in MongoDB. Delete all of it while the fleet is down, and what is lost is speed: a dead worker is not
evicted, a crash is not remembered.

`SLOT` is the group and the name of the worker, `counters-worker_00` for example. The folder of the state files is
`WORKERS_STATE_DIR`. It must be on a local disk, because the files are locked.
"""


def on_disk() -> str:
    """The table of the section "On disk"."""
    section = ARCHITECTURE.read_text(encoding="utf-8").split("\n## On disk\n")[1].split("\n## ")[0]
    return "\n".join(line for line in section.splitlines() if line.startswith("|"))


def make() -> str:
    return page("Files", HEAD, on_disk())
