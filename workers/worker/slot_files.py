"""The files of a worker's slot: its lock, member id, heartbeat, progress, count of starts, and what it decodes.

None of them is needed for the promise. A disk that is full or read-only, or a folder of another user, is told (standard
error, `/readyz`, a metric), and the worker stores on without what cannot be written; it goes back to it when it can.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from workers.errors import BadConfigurationError, UnavailableError
from workers.log_fields import Action, of_partition
from workers.pauses import NO_PAUSES, Pauses
from workers.pipeline.backoff import Backoff
from workers.pipeline.observer import Observers
from workers.pipeline.poison import NullPoisonGuard, PoisonGuard
from workers.state.crash_journal import JournaledPoisonGuard
from workers.state.heartbeat import Heartbeat, State, read_beat
from workers.state.pause_file import pause_file
from workers.state.pause_watch import PauseWatch
from workers.state.progress import Progress
from workers.state.slot import Slot, SlotUnavailableError
from workers.worker.crash_loop import CrashLoopBackoff

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from workers.pipeline.poison import Crash, Isolated
    from workers.settings import Settings
    from workers.state.heartbeat import Beat
    from workers.state.member_file import MemberFile
    from workers.state.write_failures import WriteFailures
    from workers.types import Fetched
    from workers.worker.signals import StopSignal

CHECK_SECONDS = 5.0
"""Between two looks whether the files are still there, and two attempts to lock the slot."""

log = structlog.get_logger()


class SlotFiles(Observers):
    """The observer, and the poison guard, that write the files of one slot. Without a state directory there are none."""

    def __init__(
        self, settings: Settings, failures: WriteFailures, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Does no I/O. Args: failures: told what cannot be written."""
        super().__init__()
        self._settings = settings
        self._failures = failures
        self._clock = clock
        folder = settings.state_dir
        self._slot = Slot(folder, settings.group, settings.worker, failures) if folder else None
        self.pauses: Callable[[], Pauses] = (
            PauseWatch(pause_file(folder, settings.group)) if folder else lambda: NO_PAUSES
        )
        """What people have paused now."""
        self._is_locked = False
        self._check_at = 0.0
        self._joined: tuple[str, bool] | None = None
        """The member id of this process, and whether it is static."""
        self._heartbeat: Heartbeat | None = None
        self._last_beat: Beat | None = None
        """The heartbeat of the slot's last process."""
        self._guard: PoisonGuard = NullPoisonGuard()
        self.crash_loop: CrashLoopBackoff | None = None
        """None: without a state directory, or as long as the slot cannot be locked."""

    def open(self, stop: StopSignal) -> None:
        """Lock the slot, then begin to write its files.

        Waits for the slot as long as a predecessor may take to stop; a process that holds it longer is another fleet's.

        Raises:
            BadConfigurationError: the state directory cannot be one.
            UnavailableError: another live process has the slot.
        """
        if self._slot is None:
            return
        held = self._acquire(self._slot, stop)
        self._last_beat = read_beat(self._slot.heartbeat_file)
        # Not before: it is the file of whoever has the slot.
        self._heartbeat = Heartbeat.open(self._slot.heartbeat_file, failures=self._failures)
        self._all = (self._heartbeat, Progress.open(self._slot.progress_file, self._failures))
        if held:
            self._locked(self._slot)

    def _acquire(self, slot: Slot, stop: StopSignal) -> bool:
        backoff, waited = Backoff(cap=1.0), 0.0
        while (held := self._try_acquire(slot)) is False:
            holder = slot.holder_pid() or "unknown"
            if waited > self._settings.drain_timeout or stop():
                raise UnavailableError(
                    f"{self._settings.worker} is already running as pid {holder}: another fleet of this group uses "
                    f"the same state folder; stop it, or set WORKERS_STATE_DIR or WORKERS_SLOT"
                )
            if waited == 0:
                log.warning("the slot is still held by another process; waiting for it to end", pid=holder)
            wait = backoff.next_wait()
            waited += wait
            stop.wait(wait)
        return held is True

    def _try_acquire(self, slot: Slot) -> bool | None:
        """Whether this process has the slot, or another one; None: that cannot be known now."""
        try:
            held = slot.try_acquire()
        except SlotUnavailableError as error:
            if isinstance(error.__cause__, OSError):
                self._failures.failed(slot.file("lock"), error.__cause__)
            return None
        self._failures.succeeded(slot.file("lock"))
        return held

    def _locked(self, slot: Slot) -> None:
        """Begin with those files that only the holder of the lock may write: others take them for those of a dead one."""
        self._is_locked = True
        for unfinished in (slot.file("new"), slot.group_file("new")):
            # Left by an earlier version that was killed: this one finishes its files under other names.
            with suppress(OSError):
                unfinished.unlink()
        self.crash_loop = CrashLoopBackoff(slot.starts_file, self._settings.healthy_after, failures=self._failures)
        guard = self._guard = JournaledPoisonGuard.open(slot, _log_crash, self._failures)
        self._all = (*self._all, self.crash_loop, guard)

    def close(self) -> None:
        """The worker ends cleanly."""
        if self.crash_loop:
            self.crash_loop.reset()
        if self._slot and self._is_locked:
            self._slot.unlock()

    def enter(self, state: State, until: float | None = None) -> None:
        """See `Heartbeat.enter`."""
        if self._heartbeat:
            self._heartbeat.enter(state, until)

    @property
    def member(self) -> MemberFile | None:
        """What the slot keeps of its last process; None: that one is not known to be dead, or there is no slot."""
        return self._slot.member if self._slot and self._is_locked else None

    def remember_member(self, member_id: str, static: bool) -> None:
        """Keep this process's member id for its successor, also where the slot is locked only later."""
        self._joined = member_id, static
        if self.member:
            self.member.remember(member_id, static)
        self._tell_member()

    def forget_member(self) -> None:
        """Keep no member id any more: this process has left the group."""
        self._joined = None
        if self.member:
            self.member.forget()
        if self._heartbeat:
            self._heartbeat.left()

    def dead_members(self) -> list[str]:
        """See `Slot.dead_members`. Before this process joins."""
        if self._slot is None or not self._is_locked:
            return []
        return self._slot.dead_members(self._last_beat, self._settings.static_membership)

    def predecessor(self) -> str | None:
        """The member id of the slot's last process; None: it left the group itself, or the id is not known."""
        if not self.member:
            return None
        last = self._last_beat.member_not_kept if self._last_beat else None
        return last.id if last else self.member.predecessor()

    def _tell_member(self) -> None:
        """By the heartbeat, too: its file may be writable where the other is not."""
        if self._heartbeat and self._joined:
            self._heartbeat.joined(*self._joined, kept=self.member is not None and self.member.is_kept)

    # As an observer, and as a poison guard

    def iterated(self) -> None:
        super().iterated()
        if self._slot and (now := self._clock()) >= self._check_at:
            self._check_at = now + CHECK_SECONDS
            self._check(self._slot)

    def _check(self, slot: Slot) -> None:
        """Write what is missing, and lock a slot that could not be locked."""
        if self._is_locked:
            slot.restore()
            self._tell_member()
            return
        try:
            held = self._try_acquire(slot)
        except BadConfigurationError:
            # It was right when this worker started. Nothing can be done about it before it is right again.
            return
        if held:
            self._locked(slot)
            if self.crash_loop:
                # What the slot's earlier processes suffered is forgiven as after any start.
                self.crash_loop.start_health_clock()
            if self._joined:
                self.remember_member(*self._joined)
            log.info("the state directory can be used again")

    def isolate(self, fetched: Fetched) -> Isolated:
        return self._guard.isolate(fetched)

    def in_progress(self, fetched: Fetched) -> AbstractContextManager[None]:
        return self._guard.in_progress(fetched)


def _log_crash(crash: Crash) -> None:
    log.warning(
        "a worker crashed while it decoded these records",
        action=Action.READ,
        **of_partition(crash.partition),
        first=crash.first,
        last=crash.next - 1,
    )
