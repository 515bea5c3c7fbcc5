"""Whether a pause is in force: every worker of this host has obeyed it, and nothing of what is paused is in flight."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from workers.state.pause_file import pause_file, read_pauses
from workers.state.paused_now import live_beats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.settings import Settings
    from workers.state.heartbeat import Beat

LOOK_SECONDS = 0.05
ITERATIONS = 4
"""Of a worker without partitions: it may have lost them a moment ago, with a batch in flight, which it has written by then."""


class PauseEffect:
    """Looks at the heartbeats of the workers of one folder."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._iterations: dict[tuple[str, int, int], set[float]] = {}

    def beats(self) -> dict[str, Beat]:
        """By worker that lives: its heartbeat."""
        return live_beats(self._folder, self._settings.group)

    def waiting_for(self) -> dict[str, str]:
        """By worker that has not obeyed yet: the state that it is in."""
        pauses = read_pauses(pause_file(self._folder, self._settings.group))
        return {
            name: str(beat.state)
            for name, beat in self.beats().items()
            if not pauses.among(beat.partitions).keys() <= {*beat.paused} or not self._has_settled(name, beat)
        }

    def _has_settled(self, name: str, beat: Beat) -> bool:
        if beat.partitions or beat.assigned is None:
            return True
        seen = self._iterations.setdefault((name, beat.pid, beat.started), set())
        seen.add(beat.iterated)
        return len(seen) >= ITERATIONS

    def wait(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> dict[str, str]:
        """Wait until all have obeyed, at most so long. Returns those that have not."""
        deadline = clock() + seconds
        while (left := self.waiting_for()) and clock() < deadline:
            time.sleep(LOOK_SECONDS)
        return left
