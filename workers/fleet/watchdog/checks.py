"""One round of the watchdog: look at every worker, kill what hangs, evict the dead, start again what was given up."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from xmlrpc.client import Fault

import structlog
from supervisor.childutils import getRPCInterface
from supervisor.states import ProcessStates

from workers.fleet.watchdog.hang_detector import (
    Hang,
    HangDetector,
    Stall,
    WorkerObservation,
    is_from_the_future,
    own_word,
)
from workers.kafka.group_client import GroupClient
from workers.log_fields import Action
from workers.state.event_log import Event
from workers.state.heartbeat import process_started, read_beat
from workers.state.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from workers.kafka.admin import PartitionOffsets
    from workers.settings import Settings

REVIVE_SECONDS = 60.0
"""Until a process that supervisord has given up is started again."""
OWN_TIMER_SECONDS = 10.0
"""For the worker's own timer, which knows more: beyond them it is the watchdog's business."""
WORKER = re.compile(r"worker_\d\d")

log = structlog.get_logger()


class Checks:
    """`go` makes one round; nothing that it meets is an error of its own, and whoever does not answer is left alone."""

    def __init__(
        self, settings: Settings, folder: Path, tell: Callable[..., None], see: Callable[[Iterable[Any]], None]
    ) -> None:
        """Args:

        folder: with the workers' state.
        tell: takes every event.
        see: takes supervisord's processes, name and state of each.
        """
        self._settings = settings
        self._folder = folder
        self._tell = tell
        self._see = see
        self._group = GroupClient(settings)
        self._hangs = HangDetector(
            max(settings.max_iteration_seconds, settings.stall_timeout) + OWN_TIMER_SECONDS, settings.progress_timeout
        )
        self._fatal_since: dict[str, float] = {}
        self._odd: set[tuple[int, int]] = set()
        self._last: tuple[object, object] = (None, None)
        """The joins of all workers, as they were last seen and as they were last told."""

    def go(self) -> None:
        """Look once, and do what has to be done."""
        found = ask_supervisord("getAllProcessInfo")
        workers = {each["name"]: each for each in found or [] if WORKER.fullmatch(each["name"])}
        if found is not None:
            self._see((each["name"], each["statename"]) for each in found)
        looks = {name: look for name, info in workers.items() if (look := self._look(name, info))}
        now = time.monotonic()
        backlogs = (
            self._group.backlogs() if any(look.beat and look.beat.partitions for look in looks.values()) else None
        )
        for name, stall in self._hangs.judge(looks, backlogs, now).items():
            if stall.hang is not Hang.NO_PROGRESS or self._is_real(stall, backlogs or {}):
                self._kill(name, looks[name], stall)
        self._notice_rebalance(looks, backlogs)
        self._evict_dead({name for name, info in workers.items() if info["pid"]})
        self._revive(workers, now)

    def _look(self, name: str, info: Mapping[str, Any]) -> WorkerObservation | None:
        pid = info["pid"]
        started = process_started(pid) if info["state"] == ProcessStates.RUNNING else None
        if started is None:
            return None
        beat = own_word(read_beat(self._slot(name).heartbeat_file), pid, started)
        if beat and is_from_the_future(beat, time.monotonic()) and (pid, started) not in self._odd:
            self._odd.add((pid, started))
            log.warning("a heartbeat is from the future; this worker is not judged by it", process=name, pid=pid)
        return WorkerObservation(pid, started, kernel_state(pid), beat)

    def _is_real(self, stall: Stall, backlogs: Mapping[int, PartitionOffsets]) -> bool:
        """Whether another client gets what this worker does not."""
        return any(self._group.can_be_read(partition, backlogs[partition]) for partition in stall.partitions)

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
            if not path.name.startswith(start) or not WORKER.fullmatch(name) or name in running:
                continue
            if not self.evict(name):
                # Asking for each of them would only keep the next round waiting.
                return

    def _dead_member(self, name: str) -> str | None:
        """The member of a slot that nobody holds. It stays dead, so the slot is free again while it is evicted."""
        slot = self._slot(name)
        if slot.take() is not None:
            return None
        member = slot.predecessor()
        slot.unlock() if member else slot.release()
        return member

    def _forget(self, name: str, member: str) -> None:
        slot = self._slot(name)
        if slot.take() is None:
            slot.release() if slot.predecessor() == member else slot.unlock()

    def _revive(self, workers: Mapping[str, Mapping[str, Any]], now: float) -> None:
        fatal = {name for name, info in workers.items() if info["state"] == ProcessStates.FATAL}
        self._fatal_since = {name: self._fatal_since.get(name, now) for name in fatal}
        for name, since in list(self._fatal_since.items()):
            if now - since >= REVIVE_SECONDS:
                del self._fatal_since[name]
                if ask_supervisord("startProcess", f"{workers[name]['group']}:{name}", False):
                    log.info("started a worker again that supervisord had given up", process=name)
                    self._tell(Event.REVIVED, name)

    def _notice_rebalance(
        self, looks: Mapping[str, WorkerObservation], backlogs: Mapping[int, PartitionOffsets] | None
    ) -> None:
        """Tell who owns what, once all joins are over: every partition has an owner, or nothing has changed since."""
        beats = {name: look.beat for name, look in sorted(looks.items()) if look.beat}
        owned = {name: beat.partitions for name, beat in beats.items()}
        joins = [(beat.pid, beat.started, beat.rebalances, beat.partitions) for beat in beats.values()]
        seen, told = self._last
        self._last = (joins, told)
        every = sorted(partition for partitions in owned.values() for partition in partitions)
        settled = joins == seen or every == sorted(backlogs or {})
        if every and joins != told and settled and len(every) == len(set(every)):
            self._last = (joins, joins)
            self._tell(Event.REBALANCED, partitions={name: list(partitions) for name, partitions in owned.items()})

    def _slot(self, name: str) -> Slot:
        return Slot(self._folder, self._settings.group, name)


def ask_supervisord(method: str, *arguments: object) -> Any:
    """Its answer, or None: it is busy stopping, or refuses."""
    try:
        with getRPCInterface(os.environ) as server:
            return getattr(server.supervisor, method)(*arguments)
    except (OSError, HTTPException, Fault):
        return None


def kernel_state(pid: int) -> str:
    """The letter of proc(5); empty where nothing can be said."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 as in heartbeat
            return stat.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
