"""The periodic checks of the watchdog: kill workers that hang, evict dead members, restart workers that are FATAL."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from workers.errors import UnavailableError
from workers.fleet.watchdog.evictions import Evictions
from workers.fleet.watchdog.hang_detector import (
    HangDetector,
    Stall,
    WorkerObservation,
    is_from_the_future,
    own_beat,
)
from workers.fleet.watchdog.pause_events import PauseEvents
from workers.kafka.group_client import GroupClient
from workers.naming import is_worker
from workers.state.event_log import Event, Hang
from workers.state.file_names import file_name
from workers.state.heartbeat import read_beat
from workers.state.pause_file import pause_file
from workers.state.proc import process_started, process_stat
from workers.state.slot import Slot
from workers.state.write_failures import WriteFailures
from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from workers.fleet.supervisor import Process, SupervisorClient
    from workers.kafka.partition_offsets import PartitionOffsets
    from workers.settings import Settings
    from workers.types import TopicPartition

REVIVE_SECONDS = 60.0
"""From FATAL until the worker is started again."""
OWN_TIMER_SECONDS = 10.0
"""Head start of the worker's own stall timer, which logs all stacks: the watchdog kills only after it."""

log = structlog.get_logger()


class Checks:
    """`run_once` makes all checks once. A service that does not answer is no error: what depends on it is skipped."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        supervisord: SupervisorClient,
        record_event: Callable[..., None],
        on_processes: Callable[[Iterable[tuple[str, str]]], None],
    ) -> None:
        """Args:

        folder: the state directory of the workers.
        supervisord: the one that runs them.
        record_event: called with every event, as `EventLog.append`.
        on_processes: called with name and state of every process of supervisord.
        """
        self._settings = settings
        self._folder = folder
        self._supervisord = supervisord
        self._record_event = record_event
        self._on_processes = on_processes
        self._group = GroupClient(settings)
        self._hang_detector = HangDetector(
            max(settings.max_iteration_seconds, settings.stall_timeout) + OWN_TIMER_SECONDS, settings.progress_timeout
        )
        self._failures = WriteFailures()
        self._evictions = Evictions(settings, folder, self._slot, self._group, record_event)
        self._pauses = PauseEvents(pause_file(folder, settings.group), record_event)
        self._fatal_since: dict[str, float] = {}
        self._future_beats: set[tuple[int, int]] = set()
        """Processes whose heartbeat with a time in the future was logged: once each."""
        self._seen_joins: object = None
        self._recorded_joins: object = None
        """The joins of all workers: at the last check, and in the last `rebalanced` event."""
        self._resumed_owners: object = None

    def resume(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Go on after these events, which an earlier watchdog of this fleet has written."""
        events = list(events)
        self._pauses.resume(events)
        rebalances = [event.get("partitions") for event in events if event["event"] == Event.REBALANCED]
        self._resumed_owners = rebalances[-1] if rebalances else None

    def run_once(self) -> None:
        """Observe every worker once, and act on it."""
        try:
            processes = self._supervisord.processes()
        except UnavailableError:
            # It is stopping or suspended: no worker is killed. Dead members are still evicted: the locks prove that they are dead.
            processes = []
        else:
            self._on_processes((each.name, each.state) for each in processes)
        workers = {each.name: each for each in processes if is_worker(each.name)}
        observations = {name: found for name, process in workers.items() if (found := self._observe(process))}
        now = time.monotonic()
        offsets = (
            self._group.partition_offsets()
            if any(each.beat and each.beat.partitions for each in observations.values())
            else None
        )
        for name, stall in self._hang_detector.detect(observations, offsets, now).items():
            if self._is_proven(name, stall, offsets or {}):
                self._kill(name, observations[name], stall)
        self._detect_rebalance(observations, offsets)
        self._pauses.look()
        self._evictions.evict_dead({name for name, process in workers.items() if process.pid})
        self._revive(workers, now)

    def _observe(self, process: Process) -> WorkerObservation | None:
        name, pid = process.name, process.pid
        if pid is None or process.state != "RUNNING" or (stat := process_stat(pid)) is None:
            return None
        started = stat.started
        beat = own_beat(read_beat(self._slot(name).heartbeat_file), pid, started)
        if beat and is_from_the_future(beat, time.monotonic()) and (pid, started) not in self._future_beats:
            self._future_beats.add((pid, started))
            log.warning("a heartbeat has a time in the future; it is ignored", process=name, pid=pid)
        return WorkerObservation(pid, started, stat.state, beat)

    def _is_proven(self, name: str, stall: Stall, offsets: Mapping[TopicPartition, PartitionOffsets]) -> bool:
        """Whether the worker hangs, and not what it is judged by."""
        if stall.hang in (Hang.LOOP_STALLED, Hang.NO_PROGRESS) and not self._can_write_state():
            # Its heartbeat may be old because it cannot be written. The worker's own timer ends it if it does hang.
            log.warning(
                "a worker may hang; its heartbeat cannot be judged, as the state folder takes no writes", process=name
            )
            return False
        return stall.hang is not Hang.NO_PROGRESS or self._is_backlog_readable(stall, offsets)

    def _can_write_state(self) -> bool:
        probe = self._folder / f"{file_name(self._settings.group)}.probe"
        try:
            probe.write_bytes(bytes(4096))
        except OSError:
            return False
        finally:
            # On a disk that is full, what was written of it would take the last room.
            with suppress(OSError):
                probe.unlink()
        return True

    def _is_backlog_readable(self, stall: Stall, offsets: Mapping[TopicPartition, PartitionOffsets]) -> bool:
        """Whether another client can read the records that this worker does not: else Kafka is to blame."""
        return any(self._group.can_be_read(partition, offsets[partition]) for partition in stall.partitions)

    def _kill(self, name: str, observed: WorkerObservation, stall: Stall) -> None:
        """By pid, not through supervisord, which then sees a crash and restarts the worker."""
        if process_started(observed.pid) != observed.started:
            return
        with suppress(ProcessLookupError):
            at = time.time()
            os.kill(observed.pid, signal.SIGKILL)
            log.warning(
                "killed a worker that hung", process=name, pid=observed.pid, kind=stall.hang, detail=stall.detail
            )
            self._record_event(Event.STALLED, name, at=at, kind=stall.hang, pid=observed.pid, detail=stall.detail)

    def evict(self, name: str) -> bool:
        """See `Evictions.evict`."""
        return self._evictions.evict(name)

    def lag(self) -> dict[TopicPartition, int] | None:
        """By partition: how many records are not committed; None: Kafka does not answer."""
        offsets = self._group.partition_offsets()
        return None if offsets is None else {partition: each.lag for partition, each in offsets.items()}

    def _revive(self, workers: Mapping[str, Process], now: float) -> None:
        fatal = {name for name, process in workers.items() if process.state == "FATAL"}
        self._fatal_since = {name: self._fatal_since.get(name, now) for name in fatal}
        for name, since in list(self._fatal_since.items()):
            if now - since >= REVIVE_SECONDS:
                del self._fatal_since[name]
                with suppress(UnavailableError):
                    self._supervisord.start(workers[name].full_name)
                    log.info("restarted a worker that was FATAL", process=name)
                    self._record_event(Event.REVIVED, name)

    def _detect_rebalance(
        self, observations: Mapping[str, WorkerObservation], offsets: Mapping[TopicPartition, PartitionOffsets] | None
    ) -> None:
        """Record the new assignment once it is complete: every partition has an owner, or nothing changed since the last check."""
        beats = {name: each.beat for name, each in sorted(observations.items()) if each.beat}
        owned = {name: beat.partitions for name, beat in beats.items()}
        joins = [(beat.pid, beat.started, beat.rebalances, beat.partitions) for beat in beats.values()]
        unchanged, self._seen_joins = joins == self._seen_joins, joins
        every = sorted(partition for partitions in owned.values() for partition in partitions)
        settled = unchanged or every == sorted(offsets or {})
        if every and joins != self._recorded_joins and settled and len(every) == len(set(every)):
            first, self._recorded_joins = self._recorded_joins is None, joins
            owners = {name: by_topic(partitions) for name, partitions in owned.items()}
            if first and owners == self._resumed_owners:
                # An earlier watchdog has recorded it.
                return
            last = max(
                (beat.assigned for beat in beats.values() if beat.assigned is not None), default=time.monotonic()
            )
            self._record_event(Event.REBALANCED, at=last - time.monotonic() + time.time(), partitions=owners)

    def _slot(self, name: str) -> Slot:
        return Slot(self._folder, self._settings.group, name, self._failures)
