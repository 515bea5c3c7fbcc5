"""What is known about one slot, before anything is concluded from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.state.heartbeat import State

if TYPE_CHECKING:
    from workers.fleet.supervisor import Process
    from workers.state.heartbeat import Beat

NOT_JOINED = (
    State.STARTING,
    State.CRASH_LOOP_BACKOFF,
    State.WAITING_FOR_MONGODB,
    State.WAITING_FOR_KAFKA,
    State.FENCED,
)
"""States of a process that has not joined the group yet."""


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """What is known about one slot, by source."""

    process: Process | None = None
    """None: supervisord has no such process, or does not answer."""
    beat: Beat | None = None
    kernel: str | None = None
    """The state in proc(5) of the process that wrote the heartbeat; None: it has ended."""
    member: str | None = None
    """The member id in the slot's member file."""
    restarts: int | None = None
    rate: float | None = None
    """Records a second, over the last seconds."""
    member_lives: bool | None = None
    """Whether the process that has that member id runs; None: not known, since an earlier version wrote the file."""

    @property
    def live_beat(self) -> Beat | None:
        """The heartbeat, if its process is alive and is the one that supervisord has."""
        process, beat = self.process, self.beat
        if beat is None or self.kernel is None or (process and process.pid != beat.pid):
            return None
        return beat

    @property
    def own_member(self) -> str | None:
        """The member id of its live process, by whichever of the two files could be written; None: it has not joined."""
        beat = self.live_beat
        if beat and beat.member_id:
            return beat.member_id
        if self.member_lives is not None:
            return self.member if self.member_lives else None
        # One that waits for a right of Kafka is a member, and keeps its partitions.
        joined = beat is not None and (beat.state not in NOT_JOINED or bool(beat.partitions))
        return self.member if joined else None

    @property
    def dead_members(self) -> set[str]:
        """Member ids whose process has ended: partitions that the broker assigns to them are not read."""
        kept = None if self.member_lives else self.member
        told = self.beat.member_id if self.beat and self.kernel is None else None
        return {each for each in (kept, told) if each and each != self.own_member}
