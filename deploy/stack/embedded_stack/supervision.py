"""A supervisord of this tree: found through its socket, or its pid, and nothing else."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import psutil

from embedded_stack.failure import Failure
from embedded_stack.processes import is_alive
from workers.errors import UnavailableError
from workers.fleet.supervisor import DOWN_STATES, Process, SupervisorClient


class Place(Protocol):
    """Where one supervisord has its configuration, its socket and its logs."""

    @property
    def tree(self) -> Path: ...
    @property
    def conf(self) -> Path: ...
    @property
    def socket(self) -> Path: ...
    @property
    def pidfile(self) -> Path: ...
    @property
    def log_dir(self) -> Path: ...


class Supervisord:
    def __init__(self, settings: Place) -> None:
        self._settings = settings
        self._client = SupervisorClient(settings.socket)

    def start(self) -> subprocess.Popen[bytes]:
        """In a session of its own, so that closing this terminal does not end it."""
        command = [sys.executable, "-m", "supervisor.supervisord", "-n"]
        with self.first_words.open("wb") as words:
            return subprocess.Popen(
                [*command, "-c", str(self._settings.conf)],
                cwd=self._settings.tree,
                stdin=subprocess.DEVNULL,
                # It writes the same into its log file.
                stdout=subprocess.DEVNULL,
                stderr=words,
                start_new_session=True,
            )

    @property
    def first_words(self) -> Path:
        return self._settings.log_dir / "up.log"

    def process(self) -> psutil.Process | None:
        """The one that answers on the socket; else the one of the pid file, if it is ours."""
        pid = self._pid() or self._pid_of_file()
        if pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            return process if is_alive(process) else None
        return None

    def answers(self) -> bool:
        return self._pid() is not None

    def programs(self) -> list[Process]:
        """Empty if supervisord does not answer."""
        try:
            return self._client.processes()
        except UnavailableError:
            return []

    def start_stopped_programs(self, wanted: Sequence[str]) -> list[str]:
        """Returns those of the wanted ones that did not run."""
        stopped = [each for each in self.programs() if each.state in DOWN_STATES and each.name in wanted]
        for program in stopped:
            # The caller waits until the program answers, and so notices one that does not start.
            with contextlib.suppress(UnavailableError):
                self._client.start(program.full_name)
        return [program.name for program in stopped]

    def shut_down(self, process: psutil.Process, patience: float) -> None:
        """Programs first, each with its own time to stop, then supervisord itself."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            try:
                process.wait(patience)
            except psutil.TimeoutExpired:
                raise Failure(
                    f"supervisord (pid {process.pid}) did not stop within {patience:.0f} s:"
                    f" see {self._settings.log_dir}, then `kill -9 {process.pid}`"
                ) from None

    def _pid(self) -> int | None:
        """None if supervisord does not answer."""
        try:
            return self._client.pid()
        except UnavailableError:
            return None

    def _pid_of_file(self) -> int | None:
        """A pid in a file proves nothing: the process must run our configuration."""
        try:
            pid = int(self._settings.pidfile.read_text())
            process = psutil.Process(pid)
            words, folder = process.cmdline(), process.cwd()
        except (OSError, ValueError, psutil.Error):
            return None
        ours = os.path.realpath(self._settings.conf)
        if any(os.path.realpath(Path(folder, word)) == ours for word in words):
            return pid
        return None
