"""The processes of a supervisord, through its unix socket."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from xmlrpc.client import Fault, ProtocolError, ServerProxy, Transport

from supervisor.states import STOPPED_STATES

from workers.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOT_RUNNING = "does not run here"
ANSWER_SECONDS = 10.0
"""It answers within milliseconds, unless it is stopped itself."""
SHUTDOWN_STATE, ALREADY_STARTED = 6, 60
"""Of supervisor.xmlrpc.Faults, whose module takes longer to import than a worker has to spare."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process as supervisord has it."""

    name: str
    group: str
    state: str
    """supervisord's word: STARTING, RUNNING, BACKOFF, STOPPING, STOPPED, EXITED, FATAL, UNKNOWN."""
    pid: int | None = None
    uptime: float | None = None
    """Seconds since it was started, while it runs."""
    exit_status: int | None = None
    """Of its last end, where supervisord kept it; -1: a signal ended it."""
    error: str = ""
    """Why it could not be started, or did not stay up."""
    log: str = ""
    """The file that has its output."""

    @property
    def full_name(self) -> str:
        """What supervisorctl calls it."""
        return f"{self.group}:{self.name}"


class SupervisorClient:
    """What runs under one supervisord."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def pids(self) -> dict[str, int]:
        """By name: the pid of every process that runs. Nobody there is an answer too: no processes."""
        return {each["name"]: each["pid"] for each in self._all() if each["pid"]}

    def all(self) -> list[Process]:
        """Every process, whatever its state.

        Raises:
            UnavailableError: there is no supervisord, or it does not answer; the message says which.
        """
        return [_process(info) for info in self._ask("getAllProcessInfo")]

    def supervisord_pid(self) -> int:
        """The pid of supervisord itself.

        Raises:
            UnavailableError: as for `all`.
        """
        return int(self._ask("getPID"))

    def stop_seconds(self, name: str) -> float | None:
        """How long supervisord waits for a process to stop before it kills it (`stopwaitsecs`); None: not known."""
        found = self._call("getAllConfigInfo")
        return next((each["stopwaitsecs"] for each in found if each["name"] == name), None) if found else None

    def kill(self, pid: int, number: int) -> bool:
        """Send a signal to one of these processes; False where it has ended meanwhile."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def stop(self, name: str) -> None:
        """Keep a process down until it is started again; returns at once. One that is down already stays so."""
        with suppress(Fault):
            self._call("stopProcess", name, False)

    def start(self, name: str) -> str | None:
        """Start a process that is down; returns at once.

        Returns:
            None, or why it could not be started.

        Raises:
            UnavailableError: as for `all`.
        """
        try:
            self._ask("startProcess", name, False)
        except Fault as fault:
            return None if fault.faultCode == ALREADY_STARTED else str(fault.faultString)
        return None

    def start_all(self) -> None:
        """Start what is stopped."""
        for each in self._all():
            if each["state"] in STOPPED_STATES:
                with suppress(Fault):
                    self._call("startProcess", f"{each['group']}:{each['name']}", False)

    def _all(self) -> list[dict[str, Any]]:
        found = self._call("getAllProcessInfo")
        return found if isinstance(found, list) else []

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            return self._ask(method, *arguments)
        except UnavailableError:
            return None

    def _ask(self, method: str, *arguments: object) -> Any:
        transport = _Transport(self._socket)
        try:
            return getattr(ServerProxy("http://127.0.0.1", transport=transport).supervisor, method)(*arguments)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise UnavailableError(NOT_RUNNING) from error
        except TimeoutError as error:
            raise UnavailableError(f"has not answered for {ANSWER_SECONDS:.0f} s: is it stopped?") from error
        except (OSError, HTTPException, ProtocolError) as error:
            told = getattr(error, "strerror", None) or getattr(error, "errmsg", None) or str(error)
            raise UnavailableError(f"cannot be asked at {self._socket}: {told}") from error
        except Fault as fault:
            if fault.faultCode == SHUTDOWN_STATE:
                raise UnavailableError("is shutting down") from fault
            raise
        finally:
            transport.close()


class _Transport(Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, _host: object) -> HTTPConnection:
        connection = _Connection(self._path)
        # Where the transport looks for what it has to close.
        self._connection = ("", connection)
        return connection


class _Connection(HTTPConnection):
    """Over a unix socket, with a timeout, which supervisor's own has not: a supervisord may be stopped."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(str(self._path))


def _process(info: Mapping[str, Any]) -> Process:
    runs, ended = bool(info["pid"]), info["statename"] in ("EXITED", "STOPPED") and info["stop"]
    return Process(
        name=info["name"],
        group=info["group"],
        state=info["statename"],
        pid=info["pid"] or None,
        uptime=float(max(0, info["now"] - info["start"])) if runs else None,
        exit_status=info["exitstatus"] if ended else None,
        error=info["spawnerr"],
        log=os.path.normpath(info["stdout_logfile"]) if info["stdout_logfile"] else "",
    )
