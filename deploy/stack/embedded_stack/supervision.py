"""A supervisord of this tree: found through its socket, or its pid, and nothing else."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.states import STOPPED_STATES
from supervisor.xmlrpc import SupervisorTransport

from embedded_stack.failure import Failure
from embedded_stack.processes import is_alive

GONE = (OSError, HTTPException)


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
        pid = self._call("getPID")
        if not isinstance(pid, int):
            pid = self._pid_of_file()
        if pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            return process if is_alive(process) else None
        return None

    def answers(self) -> bool:
        return self._call("getPID") is not None

    def programs(self) -> list[dict[str, Any]]:
        found = self._call("getAllProcessInfo")
        return found if isinstance(found, list) else []

    def start_stopped_programs(self, wanted: Sequence[str]) -> list[str]:
        """Returns those of the wanted ones that did not run."""
        programs = self.programs()
        stopped = [each["name"] for each in programs if each["state"] in STOPPED_STATES and each["name"] in wanted]
        for name in stopped:
            with contextlib.suppress(Fault):
                self._call("startProcess", name, False)
        return stopped

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

    def _call(self, method: str, *arguments: object) -> object:
        """Nothing when there is nobody to answer."""
        transport = SupervisorTransport(None, None, f"unix://{self._settings.socket}")
        try:
            proxy = ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        except GONE:
            return None
        finally:
            transport.close()

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
