"""One round of the watchdog: look at every worker, kill what hangs, evict the dead, start again what was given up."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from workers.errors import UnavailableError
from workers.fleet.watchdog.hang_detector import (
    HangDetector,
    Stall,
    WorkerObservation,
    is_from_the_future,
    own_word,
)
from workers.kafka.group_client import GroupClient
from workers.log_fields import Action
from workers.naming import is_worker
from workers.state.event_log import Event, Hang
from workers.state.heartbeat import read_beat
from workers.state.proc import process_started, process_stat
from workers.state.slot import Slot
from workers.types import by_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from workers.fleet.supervisor import Process, SupervisorClient
    from workers.kafka.admin import PartitionOffsets
    from workers.settings import Settings
    from workers.types import TopicPartition

REVIVE_SECONDS = 60.0
"""Until a process that supervisord has given up is started again."""
OWN_TIMER_SECONDS = 10.0
"""For the worker's own timer, which knows more: beyond them it is the watchdog's business."""

log = structlog.get_logger()


class Checks:
    """`run_once` makes one round; nothing that it meets is an error of its own: whoever does not answer is left alone."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        supervisord: SupervisorClient,
        tell: Callable[..., None],
        on_processes: Callable[[Iterable[tuple[str, str]]], None],
    ) -> None:
        """Args:

        folder: the state directory of the workers.
        supervisord: the one that runs them.
        tell: takes every event.
        on_processes: takes supervisord's processes, name and state of each.
        """
        self._settings = settings
        self._folder = folder
        self._supervisord = supervisord
        self._tell = tell
        self._on_processes = on_processes
        self._group = GroupClient(settings)
        self._hangs = HangDetector(
            max(settings.max_iteration_seconds, settings.stall_timeout) + OWN_TIMER_SECONDS, settings.progress_timeout
        )
        self._fatal_since: dict[str, float] = {}
        self._future_beats: set[tuple[int, int]] = set()
        """Processes whose heartbeat was said to be from the future: once each."""
        self._last: tuple[object, object] = (None, None)
        """The joins of all workers, as they were last seen and as they were last told."""

    def run_once(self) -> None:
        """Look once, and do what has to be done."""
        try:
            processes = self._supervisord.processes()
        except UnavailableError:
            # It is stopping, or is stopped: nobody is judged. The dead are evicted all the same, their locks prove it.
            processes = []
        else:
            self._on_processes((each.name, each.state) for each in processes)
        workers = {each.name: each for each in processes if is_worker(each.name)}
        looks = {name: look for name, process in workers.items() if (look := self._look(process))}
        now = time.monotonic()
        offsets = (
            self._group.partition_offsets()
            if any(look.beat and look.beat.partitions for look in looks.values())
            else None
        )
        for name, stall in self._hangs.judge(looks, offsets, now).items():
            if stall.hang is not Hang.NO_PROGRESS or self._is_real(stall, offsets or {}):
                self._kill(name, looks[name], stall)
        self._notice_rebalance(looks, offsets)
        self._evict_dead({name for name, process in workers.items() if process.pid})
        self._revive(workers, now)

    def _look(self, process: Process) -> WorkerObservation | None:
        name, pid = process.name, process.pid
        if pid is None or process.state != "RUNNING" or (stat := process_stat(pid)) is None:
            return None
        started = stat.started
        beat = own_word(read_beat(self._slot(name).heartbeat_file), pid, started)
        if beat and is_from_the_future(beat, time.monotonic()) and (pid, started) not in self._future_beats:
            self._future_beats.add((pid, started))
            log.warning("a heartbeat is from the future; this worker is not judged by it", process=name, pid=pid)
        return WorkerObservation(pid, started, stat.state, beat)

    def _is_real(self, stall: Stall, offsets: Mapping[TopicPartition, PartitionOffsets]) -> bool:
        """Whether another client gets what this worker does not."""
        return any(self._group.can_be_read(partition, offsets[partition]) for partition in stall.partitions)

    def _kill(self, name: str, look: WorkerObservation, stall: Stall) -> None:
        """By pid, not by supervisord's stop: so it sees a crash, and starts the worker again."""
        if process_started(look.pid) != look.started:
            return
        with suppress(ProcessLookupError):
            os.kill(look.pid, signal.SIGKILL)
            log.warning("killed a worker that hung", process=name, pid=look.pid, kind=stall.hang, detail=stall.detail)
            self._tell(Event.STALLED, name, kind=stall.hang, pid=look.pid, detail=stall.detail)

    def evict(self, name: str) -> bool:
        """Remove a worker's member from the group, if it is dead: the others take over while Python starts again.

        Returns:
            Whether Kafka answered.
        """
        if (member := self._dead_member(name)) is None:
            return True
        if (was_member := self._group.evict(member)) is None:
            return False
        self._forget(name, member)
        log.info("evicted a dead worker", action=Action.EVICT, process=name, member=member, was_still_member=was_member)
        if was_member:
            self._tell(Event.EVICTED, name, member=member)
        return True

    def _evict_dead(self, running: set[str]) -> None:
        """Remove dead members from the group, also those of slots that the configuration no longer has."""
        start, end = f"{self._settings.group}-".replace("/", "_"), ".member"
        for path in sorted(self._folder.glob(f"*{end}")):
            name = path.name.removeprefix(start).removesuffix(end)
            # One that is just being started evicts its predecessor itself.
            if not path.name.startswith(start) or not is_worker(name) or name in running:
                continue
            if not self.evict(name):
                # Asking for each of them would only keep the next round waiting.
                return

    def _dead_member(self, name: str) -> str | None:
        """The member of a slot that nobody holds. It stays dead, so the slot is free again while it is evicted."""
        slot = self._slot(name)
        with slot.try_lock() as held:
            member = slot.predecessor() if held else None
            if held and member is None:
                # What a full disk may leave of a member file: nobody, and not to be looked at in every round.
                slot.forget_member()
        return member

    def _forget(self, name: str, member: str) -> None:
        """Unless somebody has had the slot meanwhile."""
        slot = self._slot(name)
        with slot.try_lock() as held:
            if held and slot.predecessor() == member:
                slot.forget_member()

    def _revive(self, workers: Mapping[str, Process], now: float) -> None:
        fatal = {name for name, process in workers.items() if process.state == "FATAL"}
        self._fatal_since = {name: self._fatal_since.get(name, now) for name in fatal}
        for name, since in list(self._fatal_since.items()):
            if now - since >= REVIVE_SECONDS:
                del self._fatal_since[name]
                with suppress(UnavailableError):
                    self._supervisord.start(workers[name].full_name)
                    log.info("started a worker again that supervisord had given up", process=name)
                    self._tell(Event.REVIVED, name)

    def _notice_rebalance(
        self, looks: Mapping[str, WorkerObservation], offsets: Mapping[TopicPartition, PartitionOffsets] | None
    ) -> None:
        """Tell who owns what, once all joins are over: every partition has an owner, or nothing has changed since."""
        beats = {name: look.beat for name, look in sorted(looks.items()) if look.beat}
        owned = {name: beat.partitions for name, beat in beats.items()}
        joins = [(beat.pid, beat.started, beat.rebalances, beat.partitions) for beat in beats.values()]
        seen, told = self._last
        self._last = (joins, told)
        every = sorted(partition for partitions in owned.values() for partition in partitions)
        settled = joins == seen or every == sorted(offsets or {})
        if every and joins != told and settled and len(every) == len(set(every)):
            self._last = (joins, joins)
            self._tell(Event.REBALANCED, partitions={name: by_topic(partitions) for name, partitions in owned.items()})

    def _slot(self, name: str) -> Slot:
        return Slot(self._folder, self._settings.group, name)
