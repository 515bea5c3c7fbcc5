"""The rolling restart: one slot at a time, each back at work before the next, and none after one that is not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import ExitCode, UnavailableError, WorkersError
from workers.fleet.status.group import STABLE
from workers.fleet.status.slot import WELL, SlotStatus
from workers.fleet.supervisor import SupervisorClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.fleet.status.collector import StatusCollector
    from workers.fleet.status.model import Status
    from workers.settings.paths import StatePaths
    from workers.types import TopicPartition

STOP_SECONDS = 120.0
"""supervisord kills what does not end by itself within stopwaitsecs; this is for when even that does not help."""
SETTLE_SECONDS = 10.0
LOOK_SECONDS = 0.1
DOWN = ("stopped", "exited", "fatal", "unknown")


class NotBackError(WorkersError):
    """A slot is not back at work, and those behind it were left alone."""

    exit_code = ExitCode.FAILED


class Restarted(NamedTuple):
    """One slot that is back."""

    name: str
    seconds: float
    """From its stop until every partition was owned again."""
    old_pid: int | None
    pid: int | None
    partitions: tuple[TopicPartition, ...]
    killed: bool
    """It did not stop by itself in time: what it had in hand is delivered again."""


class Restart:
    """One rolling restart of the fleet of a tree, as a collector sees it."""

    def __init__(
        self, collector: StatusCollector, paths: StatePaths, timeout: float, tell: Callable[[str], None]
    ) -> None:
        """Args:
        timeout: seconds that a slot may take from its start until it is at work.
        tell: told what is going on.
        """
        self._collector = collector
        self._supervisord = SupervisorClient(paths.supervisord_socket)
        self._timeout = timeout
        self._tell = tell
        self._working: set[str] = set()
        """The slots that must be at work before the next is stopped."""

    def run(self) -> Iterator[Restarted]:
        """Restart every slot but those that somebody has stopped; yield each when it is back.

        Raises:
            UnavailableError: before anything was stopped: there is no fleet, or a service is down.
            NotBackError: a slot did not come back.
        """
        status = self._collector.collect()
        if not status.fleet:
            raise UnavailableError(status.problems[0])
        for name, service in status.services.items():
            if not service.up:
                raise UnavailableError(f"nothing was restarted: {name}: {service.detail}")
        slots = [slot for slot in status.slots if slot.supervised and slot.state != "stopped"]
        if not slots:
            raise UnavailableError("nothing was restarted: this supervisord has no worker that is started")
        # A rebalance that is just going on passes; what is wrong for longer is what a restart may be for.
        status = self._wait(lambda now: now.healthy, SETTLE_SECONDS) or self._collector.collect()
        slots = [status.slot(slot.name) or slot for slot in slots]
        self._working = {slot.name for slot in slots if _works(slot)}
        # What is away already comes first, so that never two are.
        slots.sort(key=lambda slot: (_works(slot), slot.name))
        for slot in slots:
            yield self._restart(slot)

    def _restart(self, slot: SlotStatus) -> Restarted:
        begun = time.monotonic()
        self._tell(f"{slot.name} is stopping")
        try:
            self._supervisord.stop(slot.full_name)
        except UnavailableError as error:
            raise NotBackError(
                f"{slot.name} was asked to stop, and supervisord {error}; `workers status` shows whether it runs; "
                f"the slots behind it were left alone"
            ) from error
        try:
            stopped = self._wait(lambda now: _is_down(now.slot(slot.name)), STOP_SECONDS)
        finally:
            # Whatever interrupts the wait, a Ctrl-C for example: no slot is left stopped.
            self._start(slot)
        self._tell(f"{slot.name} is starting")
        self._working.add(slot.name)
        back = self._wait(lambda now: self._is_back(now, slot), self._timeout)
        now = (back or self._collector.collect()).slot(slot.name) or slot
        if back is None:
            raise NotBackError(self._why(slot))
        ended = stopped.slot(slot.name) if stopped else None
        killed = ended is not None and ended.exit_status == -1
        return Restarted(slot.name, time.monotonic() - begun, slot.pid, now.pid, now.partitions, killed)

    def _start(self, slot: SlotStatus) -> None:
        if self._wait(lambda now: _is_down(now.slot(slot.name)), STOP_SECONDS) is None:
            raise NotBackError(f"{slot.name} does not stop; the slots behind it were left alone")
        try:
            self._supervisord.start(slot.full_name)
        except UnavailableError as error:
            raise NotBackError(
                f"{slot.name} is stopped, and supervisord {error}; the slots behind it were left alone"
            ) from error

    def _is_back(self, now: Status, old: SlotStatus) -> bool:
        slot, group = now.slot(old.name), now.group
        if slot is None or slot.pid in (None, old.pid) or group is None or group.state != STABLE or group.unowned:
            return False
        given = {member.member_id: tuple(member.partitions) for member in group.members}
        at_work = [each for each in now.slots if each.name in self._working]
        return all(_works(each) and given.get(each.member_id or "") == each.partitions for each in at_work)

    def _wait(self, condition: Callable[[Status], bool], seconds: float) -> Status | None:
        """The first status of which the condition holds; None: there was none in time."""
        until = time.monotonic() + seconds
        while not condition(status := self._collector.collect()):
            if time.monotonic() > until:
                return None
            time.sleep(LOOK_SECONDS)
        return status

    def _why(self, slot: SlotStatus) -> str:
        status = self._collector.collect()
        problems = sorted(status.problems, key=lambda problem: not problem.startswith(f"{slot.name}: "))
        why = problems[0] if problems else f"{slot.name}: its partitions are not settled yet"
        why = why.removeprefix(f"{slot.name}: ")
        return f"{slot.name} is not back at work after {self._timeout:g} s: {why}; the slots behind it were left alone"


def _works(slot: SlotStatus) -> bool:
    return slot.state in WELL and slot.in_group is True


def _is_down(slot: SlotStatus | None) -> bool:
    return slot is None or slot.state in DOWN
