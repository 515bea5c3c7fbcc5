"""The rolling restart: one slot at a time. The next is stopped only when the last is back at work; a failure ends it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from workers.errors import ExitCode, UnavailableError, WorkersError
from workers.fleet.status.group import STABLE
from workers.fleet.status.slot import WORKING, SlotStatus
from workers.fleet.supervisor import SupervisorClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.fleet.status.collector import StatusCollector
    from workers.fleet.status.model import Status
    from workers.settings.paths import StatePaths
    from workers.types import TopicPartition

STOP_SECONDS = 120.0
"""More than stopwaitsecs, after which supervisord sends SIGKILL: for a process that survives even that."""
SETTLE_SECONDS = 10.0
POLL_SECONDS = 0.1
DOWN = ("stopped", "exited", "fatal", "unknown")


class NotBackError(WorkersError):
    """A slot is not back at work; the slots after it were not restarted."""

    exit_code = ExitCode.FAILED


class Restarted(NamedTuple):
    """One slot that was restarted."""

    name: str
    seconds: float
    """From its stop until every partition was owned again."""
    old_pid: int | None
    pid: int | None
    partitions: tuple[TopicPartition, ...]
    killed: bool
    """It did not stop in time and got SIGKILL: its batch in flight is redelivered."""


class Restart:
    """One rolling restart of the fleet of a tree."""

    def __init__(
        self, collector: StatusCollector, paths: StatePaths, timeout: float, on_progress: Callable[[str], None]
    ) -> None:
        """Args:
        collector: started; reports the status that the restart waits for.
        timeout: seconds from the start of a slot until it must be at work.
        on_progress: called with a line for people at each step.
        """
        self._collector = collector
        self._supervisord = SupervisorClient(paths.supervisord_socket)
        self._timeout = timeout
        self._on_progress = on_progress
        self._must_work: set[str] = set()
        """The slots that must be at work before the next is stopped."""

    def run(self) -> Iterator[Restarted]:
        """Restart every slot that is not STOPPED in supervisord; yield each when it is back.

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
        # Wait for a rebalance to end. A fleet that stays unhealthy is restarted all the same: a restart may be the cure.
        status = self._wait(lambda current: current.healthy, SETTLE_SECONDS) or self._collector.collect()
        slots = [status.slot(slot.name) or slot for slot in slots]
        self._must_work = {slot.name for slot in slots if _is_working(slot)}
        # Slots that do not work come first, so that never two are down.
        slots.sort(key=lambda slot: (_is_working(slot), slot.name))
        for slot in slots:
            yield self._restart(slot)

    def _restart(self, slot: SlotStatus) -> Restarted:
        started = time.monotonic()
        self._on_progress(f"{slot.name} is stopping")
        try:
            self._supervisord.stop(slot.full_name)
        except UnavailableError as error:
            raise NotBackError(
                f"{slot.name} was asked to stop, and supervisord {error}; `workers status` shows whether it runs; "
                f"the slots after it were not restarted"
            ) from error
        deadline = time.monotonic() + STOP_SECONDS
        try:
            stopped = self._wait(lambda status: _is_down(status.slot(slot.name)), STOP_SECONDS)
        finally:
            # Whatever interrupts the wait, a Ctrl-C for example: no slot is left stopped.
            self._start(slot, deadline)
        self._on_progress(f"{slot.name} is starting")
        self._must_work.add(slot.name)
        back = self._wait(lambda status: self._is_back(status, slot), self._timeout)
        new = (back or self._collector.collect()).slot(slot.name) or slot
        if back is None:
            raise NotBackError(self._failure_message(slot))
        ended = stopped.slot(slot.name) if stopped else None
        killed = ended is not None and ended.exit_status == -1
        return Restarted(slot.name, time.monotonic() - started, slot.pid, new.pid, new.partitions, killed)

    def _start(self, slot: SlotStatus, deadline: float) -> None:
        """Args: deadline: of `time.monotonic`, until which it may be stopping."""
        left = max(0.0, deadline - time.monotonic())
        if self._wait(lambda status: _is_down(status.slot(slot.name)), left) is None:
            raise NotBackError(
                f"{slot.name} has not stopped after {STOP_SECONDS:g} s, and supervisord stops it still; "
                f"`workers status` shows it; the slots after it were not restarted"
            )
        try:
            self._supervisord.start(slot.full_name)
        except UnavailableError as error:
            raise NotBackError(
                f"{slot.name} is stopped, and supervisord {error}; the slots after it were not restarted"
            ) from error

    def _is_back(self, status: Status, old: SlotStatus) -> bool:
        slot, group = status.slot(old.name), status.group
        if slot is None or slot.pid in (None, old.pid) or group is None or group.state != STABLE or group.unowned:
            return False
        assigned = {member.member_id: tuple(member.partitions) for member in group.members}
        # A worker that is still to be restarted may have a topic of before, of which this status knows nothing.
        topics = {partition.topic for partitions in assigned.values() for partition in partitions}
        must_work = [each for each in status.slots if each.name in self._must_work]
        return all(
            _is_working(each)
            and assigned.get(each.member_id or "") == tuple(p for p in each.partitions if p.topic in topics)
            for each in must_work
        )

    def _wait(self, condition: Callable[[Status], bool], seconds: float) -> Status | None:
        """The first status that meets the condition; None: none did in time."""
        deadline = time.monotonic() + seconds
        while not condition(status := self._collector.collect()):
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_SECONDS)
        return status

    def _failure_message(self, slot: SlotStatus) -> str:
        status = self._collector.collect()
        problems = sorted(status.problems, key=lambda problem: not problem.startswith(f"{slot.name}: "))
        why = problems[0] if problems else f"{slot.name}: its partitions are still being assigned"
        why = why.removeprefix(f"{slot.name}: ")
        return (
            f"{slot.name} is not back at work after {self._timeout:g} s: {why}; the slots after it were not restarted"
        )


def _is_working(slot: SlotStatus) -> bool:
    return slot.state in WORKING and slot.in_group is True


def _is_down(slot: SlotStatus | None) -> bool:
    return slot is None or slot.state in DOWN
