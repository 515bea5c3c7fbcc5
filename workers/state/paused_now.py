"""Which partitions the workers of this host have paused, by their own word, and why: for commands that wait for records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.naming import all_worker_names
from workers.state.heartbeat import Beat, read_beat
from workers.state.pause_file import pause_file, read_pauses
from workers.state.slot import Slot

if TYPE_CHECKING:
    from pathlib import Path

    from workers.pauses import Pause
    from workers.types import TopicPartition


def live_beats(folder: Path, group: str) -> dict[str, Beat]:
    """By worker that lives: its heartbeat. Args: folder: WORKERS_STATE_DIR."""
    found = {}
    for name in all_worker_names():
        beat = read_beat(Slot(folder, group, name).heartbeat_file)
        if beat and beat.is_alive():
            found[name] = beat
    return found


def paused_now(folder: Path, group: str) -> dict[TopicPartition, Pause]:
    """By partition that its worker has paused: why. Not what is paused here, and is read by a worker of another host."""
    pauses = read_pauses(pause_file(folder, group))
    if not pauses.all:
        return {}
    beats = live_beats(folder, group).values()
    return pauses.among(sorted({each for beat in beats for each in {*beat.paused} & {*beat.partitions}}))
