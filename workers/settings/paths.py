"""Where a fleet keeps its files: every path below a checkout (the "tree") stands here and nowhere else.

The defaults are those of `deploy/supervisord.conf`, which gives its processes `WORKERS_STATE_DIR` and
`WORKERS_EVENTS_FILE`. A command that is run by hand (`status`, `restart`, `chaos`, `lag`) does not have these variables.
It takes them from its environment, else from the `.env` of its tree, else it takes the defaults. So whoever moves them
for the fleet, in `deploy/local.d/`, writes the same values into `.env`. What supervisord.conf sets goes over `.env` for
the fleet's processes: `.env` alone does not move them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StatePaths:
    """The paths of one tree. All are absolute; whether anything is there is not looked at."""

    def __init__(self, tree: Path, state_dir: Path | None = None, events_file: Path | None = None) -> None:
        """Args:
        tree: the checkout whose fleet it is.
        state_dir: WORKERS_STATE_DIR where it is set.
        events_file: WORKERS_EVENTS_FILE where it is set.
        """
        self.tree = tree.absolute()
        self.env_file = self.tree / ".env"
        self.state_dir = (state_dir or self.tree / "var/run").absolute()
        self.events_file = (events_file or self.tree / "var/log/events.jsonl").absolute()
        self.supervisord_socket = self.tree / "var/run/supervisord.sock"
        self.stack_socket = self.tree / "var/stack/run/supervisord.sock"

    def stack_record(self, program: str) -> Path:
        """What a server of the embedded stack wrote about itself. Args: program: kafka or ferretdb."""
        return self.tree / f"var/stack/run/{program}.json"
