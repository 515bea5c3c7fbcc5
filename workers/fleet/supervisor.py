"""The only client of supervisord: XML-RPC over its unix socket.

Every failure is an `UnavailableError` with the reason; a call that supervisord refused is a `RefusedError`.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from xmlrpc.client import Fault, ProtocolError, ServerProxy, Transport

from workers.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_RUNNING = "does not run here"
ANSWER_SECONDS = 10.0
"""supervisord answers within milliseconds, unless its own process is suspended (SIGSTOP)."""
SHUTDOWN_STATE, ALREADY_STARTED, NOT_STARTED = 6, 60, 70
"""From supervisor.xmlrpc.Faults; not imported, because that module would delay the start of every worker."""
DOWN_STATES = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
"""States in which a process does not run and supervisord will not start it by itself."""


class RefusedError(UnavailableError):
    """supervisord answered that it will not do this. The message quotes its own."""

    def __init__(self, fault: Fault) -> None:
        self.code = fault.faultCode
        """See supervisor.xmlrpc.Faults."""
        super().__init__(f"refuses: {fault.faultString}")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, as supervisord reports it."""

    name: str
    group: str
    state: str
    """supervisord's name for it: STARTING, RUNNING, BACKOFF, STOPPING, STOPPED, EXITED, FATAL, UNKNOWN."""
    pid: int | None = None
    uptime: float | None = None
    """Seconds since it was started, while it runs."""
    exit_status: int | None = None
    """The exit code of the last run, where supervisord kept it; -1: killed by a signal."""
    error: str = ""
    """Why it could not be started, or did not stay up."""
    log: str = ""
    """The file with its output."""

    @property
    def full_name(self) -> str:
        """What supervisorctl calls it."""
        return f"{self.group}:{self.name}"


class SupervisorClient:
    """A client of the supervisord that listens on one socket. Thread-safe: each call opens its own connection.

    Every method raises UnavailableError when supervisord does not run, does not answer or is shutting down, and its
    subclass RefusedError when supervisord has no such process or refuses the call.
    """

    def __init__(self, path: Path, credentials: str = "", timeout: float = ANSWER_SECONDS) -> None:
        """Does not connect yet.

        Args:
            path: the socket, `file` in supervisord's [unix_http_server].
            credentials: user:password, if the socket has any, each quoted as in a URL.
            timeout: seconds to wait for one answer.
        """
        self._path, self._timeout = path, timeout
        self._url = f"http://{credentials}@127.0.0.1" if credentials else "http://127.0.0.1"

    @classmethod
    def of_parent(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """The supervisord that started this process; None: not started by one, or it has no unix socket."""
        path = environment.get("SUPERVISOR_SERVER_URL", "").removeprefix("unix://")
        if not path.startswith("/"):
            return None
        credentials = [environment.get(name) for name in ("SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD")]
        return cls(Path(path), ":".join(quote(each, safe="") for each in credentials if each))

    def pid(self) -> int:
        """The pid of supervisord itself."""
        return int(self.call("getPID"))

    def processes(self) -> list[Process]:
        """Every configured process, in whatever state."""
        return [_process(info) for info in self.call("getAllProcessInfo")]

    def pids(self) -> dict[str, int]:
        """By name: the pid of every process that runs."""
        return {each.name: each.pid for each in self.processes() if each.pid}

    def process(self, name: str) -> Process:
        """One process. Args: name: `group:name`, or the name alone if its group has the same name."""
        return _process(self.call("getProcessInfo", name))

    def stop_seconds(self) -> dict[str, float]:
        """By process name: `stopwaitsecs`, the seconds from the stop signal to SIGKILL."""
        return {each["name"]: float(each["stopwaitsecs"]) for each in self.call("getAllConfigInfo")}

    def start_seconds(self) -> dict[str, float]:
        """By process name: `startsecs`, the seconds that it must stay up to be RUNNING."""
        return {each["name"]: float(each["startsecs"]) for each in self.call("getAllConfigInfo")}

    def start(self, name: str) -> None:
        """Start a process; returns at once. Does nothing if it already runs."""
        self._call_idempotent(ALREADY_STARTED, "startProcess", name, False)

    def stop(self, name: str) -> None:
        """Stop a process until it is started again; returns at once. Does nothing if it does not run."""
        self._call_idempotent(NOT_STARTED, "stopProcess", name, False)

    def start_down(self) -> list[str]:
        """Start every process that is in one of `DOWN_STATES`; return their full names.

        Raises:
            RefusedError: one was refused; the others were started.
        """
        down = [each.full_name for each in self.processes() if each.state in DOWN_STATES]
        refused = None
        for name in down:
            try:
                self.start(name)
            except RefusedError as error:
                refused = error
        if refused:
            raise refused
        return down

    def call(self, method: str, *arguments: object) -> Any:
        """Call any method of supervisord's XML-RPC namespace."""
        transport = _Transport(self._path, self._timeout)
        try:
            return getattr(ServerProxy(self._url, transport=transport).supervisor, method)(*arguments)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise UnavailableError(NOT_RUNNING) from error
        except TimeoutError as error:
            raise UnavailableError(f"has not answered for {self._timeout:.0f} s: is it suspended (SIGSTOP)?") from error
        except (OSError, HTTPException, ProtocolError) as error:
            reason = getattr(error, "strerror", None) or getattr(error, "errmsg", None) or str(error)
            raise UnavailableError(f"cannot be reached at {self._path}: {reason}") from error
        except Fault as fault:
            if fault.faultCode == SHUTDOWN_STATE:
                raise UnavailableError("is shutting down") from fault
            raise RefusedError(fault) from fault
        finally:
            transport.close()

    def _call_idempotent(self, already_done: int, method: str, *arguments: object) -> None:
        """Call a method; the fault `already_done` counts as success."""
        try:
            self.call(method, *arguments)
        except RefusedError as refused:
            if refused.code != already_done:
                raise


class _Transport(Transport):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self._path, self._timeout = path, timeout

    def make_connection(self, host: Any) -> HTTPConnection:
        # Turns the credentials of the URL into a header, as the base class does.
        _, self._extra_headers, _ = self.get_host_info(host)
        connection = _Connection(self._path, self._timeout)
        # The attribute that Transport.close() closes.
        self._connection = ("", connection)
        return connection


class _Connection(HTTPConnection):
    """HTTP over a unix socket, with a timeout, which supervisor's own transport lacks: supervisord may be suspended."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path, self._timeout_seconds = path, timeout

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_seconds)
        self.sock.connect(str(self._path))


def _process(info: Mapping[str, Any]) -> Process:
    running, ended = bool(info["pid"]), info["statename"] in ("EXITED", "STOPPED") and info["stop"]
    return Process(
        name=info["name"],
        group=info["group"],
        state=info["statename"],
        pid=info["pid"] or None,
        uptime=float(max(0, info["now"] - info["start"])) if running else None,
        exit_status=info["exitstatus"] if ended else None,
        error=info["spawnerr"],
        log=os.path.normpath(info["stdout_logfile"]) if info["stdout_logfile"] else "",
    )
