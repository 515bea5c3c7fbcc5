"""Takeovers: how long the partitions of a worker that died were read by nobody.

From the end of its process, by the kernel, until each of its partitions was assigned to a live worker, by that one's
heartbeat: the true duration, and not that between two looks. When their records are stored again is told after that.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from workers.fleet.watchdog.resumptions import Resumptions
from workers.naming import is_worker
from workers.state.event_log import Event
from workers.state.heartbeat import Beat, State, read_beat
from workers.state.progress import read_progress
from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.fleet.watchdog.process_times import ProcessTimes
    from workers.fleet.watchdog.resumptions import LagQuestion, Resumption
    from workers.state.slot import Slot
    from workers.types import TopicPartition

LOOK_SECONDS = 0.1
"""Between two looks at the heartbeats while a takeover is going on: less than between two rebalances."""
IDLE_SECONDS = 1.0
GIVE_UP_SECONDS = 600.0
"""The partitions went to another host, or nobody is left; the alert for a partition that stands still is another one."""


class Takeover(NamedTuple):
    """One that is complete. Times are seconds of `time.monotonic`."""

    process: str
    pid: int
    died: float
    completed: float
    owners: dict[str, list[TopicPartition]]
    """By worker: what was assigned to it first."""


@dataclass
class _Pending:
    process: str
    last: Beat
    died: float
    found: dict[TopicPartition, tuple[float, str]] = field(default_factory=dict)
    """By partition: when it was assigned first after that, and to whom. It may move on before the others are assigned."""


class Takeovers:
    """The takeovers that are going on. Pure: `died` and `observe` are told what is known."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def pids(self) -> list[int]:
        """Of the dead processes."""
        return [each.last.pid for each in self._pending]

    def died(self, process: str, last: Beat, at: float) -> None:
        """A process ended. Args: last: its last heartbeat. One that stopped cleanly has left the group before its end."""
        if last.partitions and last.state is not State.STOPPING:
            self._pending.append(_Pending(process, last, at))

    def observe(self, beats: Mapping[str, Beat], now: float) -> list[Takeover]:
        """The takeovers that are complete by these heartbeats. One that was complete before the death is left out: the
        broker had removed a member that hung.
        """
        complete = []
        for each in list(self._pending):
            wanted = {*each.last.partitions}
            for name, beat in beats.items():
                # Later than its last iteration, and not than its end: that is known a little too late on a busy machine.
                if beat.assigned is not None and beat.assigned > each.last.iterated and beat.pid != each.last.pid:
                    for partition in wanted & {*beat.partitions}:
                        each.found.setdefault(partition, (beat.assigned, name))
            if wanted <= each.found.keys():
                self._pending.remove(each)
                if (completed := max(each.found.values())[0]) >= each.died:
                    complete.append(_takeover(each, completed))
            elif now - each.died > GIVE_UP_SECONDS:
                self._pending.remove(each)
        return complete


def _takeover(done: _Pending, completed: float) -> Takeover:
    owners: dict[str, list[TopicPartition]] = {}
    for partition, (_, name) in sorted(done.found.items()):
        owners.setdefault(name, []).append(partition)
    return Takeover(done.process, done.last.pid, done.died, completed, owners)


def watch_takeovers(
    times: ProcessTimes, slot: Callable[[str], Slot], record: Callable[..., None], lag: LagQuestion
) -> NoReturn:
    """Record every takeover, and when records are stored again after it, on a thread of its own.

    Args:
        slot: of the worker of this name.
        record: called as `EventLog.append`.
        lag: another thread answers it.
    """
    takeovers, resumptions, beats = Takeovers(), Resumptions(), dict[str, Beat]()
    while True:
        ended = times.wait(LOOK_SECONDS if takeovers or resumptions else IDLE_SECONDS)
        to_monotonic = time.monotonic() - time.time()
        for each in ended:
            if is_worker(each.name):
                # Its successor may have begun its own heartbeat: then the last one that was seen has to do.
                known = [read_beat(slot(each.name).heartbeat_file), beats.get(each.name)]
                for last in [beat for beat in known if beat and beat.pid == each.pid][:1]:
                    at = each.ended + to_monotonic
                    takeovers.died(each.name, last, at)
                    if last.pid in takeovers.pids:
                        resumptions.died(each.name, last.pid, last.partitions, at)
        workers = list(filter(is_worker, times.running()))
        beats = {name: beat for name in workers if (beat := read_beat(slot(name).heartbeat_file))}
        for done in takeovers.observe(beats, time.monotonic()):
            _record(record, Event.TAKEN_OVER, done, done.owners, to_monotonic)
            resumptions.taken_over(done.pid, done.completed)
        resumptions.keep(takeovers.pids)
        if resumptions:
            progress = {name: found for name in workers if (found := read_progress(slot(name).progress_file))}
            since = resumptions.lag_wanted_since
            answer = None if since is None else lag.asked_since(since)
            for resumed in resumptions.observe(progress, answer, time.monotonic()):
                _record(record, Event.STORED_AGAIN, resumed, resumed.workers, to_monotonic)


def _record(
    record: Callable[..., None],
    event: Event,
    done: Takeover | Resumption,
    workers: Mapping[str, list[TopicPartition]],
    to_monotonic: float,
) -> None:
    record(
        event,
        done.process,
        at=done.completed - to_monotonic,
        pid=done.pid,
        seconds=round(done.completed - done.died, 3),
        partitions={name: by_topic(partitions) for name, partitions in workers.items()},
    )
