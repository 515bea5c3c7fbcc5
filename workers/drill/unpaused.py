"""A drill needs a fleet that reads: what is paused would never be stored, and it would wait for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.errors import UnavailableError
from workers.pauses import described
from workers.state.pause_file import pause_file, read_pauses

if TYPE_CHECKING:
    from workers.settings import Settings
    from workers.settings.paths import StatePaths


def require_unpaused(settings: Settings, paths: StatePaths, nothing: str) -> None:
    """Before anything is broken. Args: nothing: what has not happened: `nothing was killed`.

    Raises:
        UnavailableError: something is paused.
    """
    if pauses := read_pauses(pause_file(paths.state_dir, settings.group)).all:
        raise UnavailableError(f"{nothing}: {described(pauses)}; first `workers resume`")
