"""What the shell completes: only what is known without asking a server.

A completion never fails, and never prints: half a command line may name a folder or settings that cannot be used.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.settings.load import Loaded


def complete_topic(incomplete: str) -> list[str]:
    """The topics that the settings, or the routes, name."""
    loaded = _loaded()
    names = () if loaded is None else loaded.settings.route_table.topics
    return sorted(name for name in names if name.startswith(incomplete))


def complete_route(incomplete: str) -> list[str]:
    """The names of the routes."""
    loaded = _loaded()
    routes = () if loaded is None else loaded.settings.route_table.routes
    return [each.label for each in routes if each.label.startswith(incomplete)]


def complete_slot(incomplete: str) -> list[str]:
    """The workers that have run in this folder: worker_00, worker_01, ..."""
    loaded = _loaded()
    if loaded is None:
        return []
    try:
        files = list(loaded.paths.state_dir.glob("*-worker_[0-9][0-9].*"))
    except OSError:
        return []
    names = {found[0] for file in files if (found := re.search(r"worker_[0-9]{2}(?=\.)", file.name))}
    return sorted(name for name in names if name.startswith(incomplete))


def _loaded() -> Loaded | None:
    # Not at the top: see `workers.cli`.
    from workers.errors import WorkersError
    from workers.settings import load_all

    try:
        return load_all(Path())
    except WorkersError:
        return None
