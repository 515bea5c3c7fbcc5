"""The processes of a tree that a drill may break: the fleet's, and the embedded stack's. It makes whole what it broke."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from workers.errors import UnavailableError
from workers.fleet.supervisor import DOWN_STATES, Process, SupervisorClient
from workers.naming import is_worker

if TYPE_CHECKING:
    from workers.settings.paths import StatePaths

DATABASE = "ferretdb"
BROKER = "kafka"
"""What the names of the stack's brokers begin with: kafka, kafka_2, kafka_3."""
HEAL_SECONDS = 20.0
"""For supervisord to start again what was stopped."""


class Processes:
    """Every signal goes to a pid that supervisord names as its own child at this moment."""

    def __init__(self, paths: StatePaths, *, embedded: bool) -> None:
        """Does not connect. Args: embedded: whether the stack of this tree is what the fleet works with."""
        self._fleet = SupervisorClient(paths.supervisord_socket)
        self._stack = SupervisorClient(paths.stack_socket) if embedded else None
        self._suspended: dict[int, str] = {}
        self._ran: dict[SupervisorClient, set[str]] = {}
        """The full names of what ran when the drill began: only that is started again."""

    def note_what_runs(self) -> None:
        """Called once, before the first fault.

        Raises:
            UnavailableError: the fleet's supervisord does not answer.
        """
        for client in (self._fleet, self._stack):
            if client:
                self._ran[client] = {each.full_name for each in client.processes() if each.state not in DOWN_STATES}

    def fleet(self) -> list[Process]:
        """Every process of the fleet, in whatever state."""
        return self._fleet.processes()

    def workers(self) -> dict[str, int]:
        """By name: the pids of the workers that run and are not suspended."""
        return {
            name: pid
            for name, pid in sorted(self._fleet.pids().items())
            if is_worker(name) and pid not in self._suspended
        }

    def fleet_pids(self) -> list[int]:
        """The pids of all that the fleet's supervisord runs."""
        return list(self._fleet.pids().values())

    def brokers(self) -> dict[str, int]:
        """By name: the pids of the embedded brokers that run and are not suspended."""
        running = self._stack.pids() if self._stack else {}
        return {
            name: pid for name, pid in sorted(running.items()) if name.startswith(BROKER) and pid not in self._suspended
        }

    def database(self) -> int | None:
        """The pid of the embedded database, if it runs."""
        return self._stack.pids().get(DATABASE) if self._stack else None

    def suspend(self, name: str, pid: int) -> bool:
        """SIGSTOP, until `resume`. Returns False if the process has ended."""
        self._suspended[pid] = name
        if send(pid, signal.SIGSTOP):
            return True
        del self._suspended[pid]
        return False

    def resume(self, pid: int) -> None:
        """SIGCONT."""
        send(pid, signal.SIGCONT)
        self._suspended.pop(pid, None)

    def kill_database(self, pid: int) -> bool:
        """SIGKILL, and keep supervisord from starting it again. Returns False if it has ended already."""
        # Suspended first: asked to stop it, supervisord sends SIGTERM, and it would end in good order.
        if not self._stack or not send(pid, signal.SIGSTOP):
            return False
        try:
            self._stack.stop(DATABASE)
        finally:
            send(pid, signal.SIGKILL)
        return True

    def start_database(self) -> None:
        """Have it started again; returns at once."""
        if self._stack:
            with suppress(UnavailableError):
                self._stack.start(DATABASE)

    def heal(self) -> list[str]:
        """Continue what is suspended, start what ran and is down. Returns what was done, in words.

        Raises:
            UnavailableError: something that ran before is not running after `HEAL_SECONDS`.
        """
        done = [f"{name} continued" for name in self._suspended.values()]
        for pid in list(self._suspended):
            self.resume(pid)
        deadline = time.monotonic() + HEAL_SECONDS
        missing = self._start_down(done)
        while missing and time.monotonic() < deadline:
            time.sleep(0.2)
            missing = self._start_down(done)
        if missing:
            raise UnavailableError(f"not running again after {HEAL_SECONDS:.0f} s: {', '.join(missing)}")
        return done

    def _start_down(self, done: list[str]) -> list[str]:
        """Start what ran before and is down. Returns what does not run, with the reason."""
        missing = []
        for client, names in self._ran.items():
            try:
                down = [each for each in client.processes() if each.full_name in names and not each.pid]
                for each in down:
                    # One that is backing off or stopping is supervisord's own business for a moment.
                    if each.state in DOWN_STATES:
                        client.start(each.full_name)
                        done.append(f"{each.name} started")
                missing += [f"{each.name} ({each.state})" for each in down]
            except UnavailableError as error:
                missing.append(f"supervisord {error}")
        return missing


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal. Returns False if the process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
