"""The paths of the files of a fleet below a checkout (the "tree"). No other module knows them.

The defaults are those of `deploy/supervisord.conf`, which sets `WORKERS_STATE_DIR` and `WORKERS_EVENTS_FILE` for its
processes. A command that is run by hand (`status`, `restart`, `chaos`, `lag`) takes these variables from its environment,
else from the `.env` of its tree, else the defaults. To move the files, set both variables in `deploy/local.d/` and in
`.env`: for the processes of the fleet, supervisord.conf takes precedence over `.env`, so `.env` alone does not move them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StatePaths:
    """The absolute paths of one tree. Does no I/O: they need not exist."""

    def __init__(self, tree: Path, state_dir: Path | None = None, events_file: Path | None = None) -> None:
        """Args:
        tree: the checkout whose fleet it is.
        state_dir: WORKERS_STATE_DIR, if it is set.
        events_file: WORKERS_EVENTS_FILE, if it is set.
        """
        self.tree = tree.absolute()
        self.env_file = self.tree / ".env"
        self.state_dir = (state_dir or self.tree / "var/run").absolute()
        self.events_file = (events_file or self.tree / "var/log/events.jsonl").absolute()
        self.supervisord_socket = self.tree / "var/run/supervisord.sock"
        self.drill_lock = self.state_dir / "chaos.lock"
        self.stack_socket = self.tree / "var/stack/run/supervisord.sock"

    def stack_record(self, program: str) -> Path:
        """The file in which a server of the embedded stack records its pid and address. Args: program: kafka or ferretdb."""
        return self.tree / f"var/stack/run/{program}.json"
