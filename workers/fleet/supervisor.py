"""The client of supervisord: everything that this package asks of one, through its unix socket.

There is one idea of failure: whatever supervisord does not do is an `UnavailableError`, with the reason.
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
"""It answers within milliseconds, unless it is stopped itself."""
SHUTDOWN_STATE, ALREADY_STARTED, NOT_STARTED = 6, 60, 70
"""Of supervisor.xmlrpc.Faults, whose module takes longer to import than a worker has to spare."""
DOWN_STATES = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
"""Those in which a process does not run, and nothing will start it but somebody who asks for it."""


class RefusedError(UnavailableError):
    """supervisord has answered, and does not do it. The message is its own."""

    def __init__(self, fault: Fault) -> None:
        self.code = fault.faultCode
        """See supervisor.xmlrpc.Faults."""
        super().__init__(f"refuses: {fault.faultString}")


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
    """One supervisord, wherever its socket is. Each call is a connection of its own, so any thread may make one.

    Every method raises UnavailableError where there is no supervisord, or it does not answer, or is shutting down; and
    its subclass RefusedError where supervisord knows no such process, or cannot do what is asked.
    """

    def __init__(self, path: Path, credentials: str = "", timeout: float = ANSWER_SECONDS) -> None:
        """Connects to nobody yet.

        Args:
            path: the socket, `file` in supervisord's [unix_http_server].
            credentials: user:password, where the socket has some, each quoted as in a URL.
            timeout: seconds that one answer may take.
        """
        self._path, self._timeout = path, timeout
        self._url = f"http://{credentials}@127.0.0.1" if credentials else "http://127.0.0.1"

    @classmethod
    def of_parent(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """The supervisord that started this process; None: none did, or it has no unix socket."""
        path = environment.get("SUPERVISOR_SERVER_URL", "").removeprefix("unix://")
        if not path.startswith("/"):
            return None
        words = [environment.get(name) for name in ("SUPERVISOR_USERNAME", "SUPERVISOR_PASSWORD")]
        return cls(Path(path), ":".join(quote(word, safe="") for word in words if word))

    def pid(self) -> int:
        """The pid of supervisord itself."""
        return int(self.call("getPID"))

    def processes(self) -> list[Process]:
        """Every process that it has, whatever its state."""
        return [_process(info) for info in self.call("getAllProcessInfo")]

    def process(self, name: str) -> Process:
        """One of them. Args: name: its full name, or its name alone where its group has the same."""
        return _process(self.call("getProcessInfo", name))

    def stop_seconds(self) -> dict[str, float]:
        """By name: how long supervisord waits for a process to stop before it kills it (`stopwaitsecs`)."""
        return {each["name"]: float(each["stopwaitsecs"]) for each in self.call("getAllConfigInfo")}

    def start(self, name: str) -> None:
        """Start a process that is down; returns at once. One that runs already does so."""
        self._call_unless(ALREADY_STARTED, "startProcess", name, False)

    def stop(self, name: str) -> None:
        """Keep a process down until it is started again; returns at once. One that is down already stays so."""
        self._call_unless(NOT_STARTED, "stopProcess", name, False)

    def start_down(self) -> list[str]:
        """Start every process that is down; returns the full names of those that were.

        Raises:
            RefusedError: one cannot be started; the others were all the same.
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
        """What a method of supervisord's XML-RPC namespace returns, whichever it is."""
        transport = _Transport(self._path, self._timeout)
        try:
            return getattr(ServerProxy(self._url, transport=transport).supervisor, method)(*arguments)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise UnavailableError(NOT_RUNNING) from error
        except TimeoutError as error:
            raise UnavailableError(f"has not answered for {self._timeout:.0f} s: is it stopped?") from error
        except (OSError, HTTPException, ProtocolError) as error:
            told = getattr(error, "strerror", None) or getattr(error, "errmsg", None) or str(error)
            raise UnavailableError(f"cannot be asked at {self._path}: {told}") from error
        except Fault as fault:
            if fault.faultCode == SHUTDOWN_STATE:
                raise UnavailableError("is shutting down") from fault
            raise RefusedError(fault) from fault
        finally:
            transport.close()

    def _call_unless(self, done: int, method: str, *arguments: object) -> None:
        """Where this is the fault, what is asked for is so already."""
        try:
            self.call(method, *arguments)
        except RefusedError as refused:
            if refused.code != done:
                raise


class _Transport(Transport):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self._path, self._timeout = path, timeout

    def make_connection(self, host: Any) -> HTTPConnection:
        # The credentials of the URL become a header, as in the base class.
        _, self._extra_headers, _ = self.get_host_info(host)
        connection = _Connection(self._path, self._timeout)
        # Where the transport looks for what it has to close.
        self._connection = ("", connection)
        return connection


class _Connection(HTTPConnection):
    """Over a unix socket, with a timeout, which supervisor's own has not: a supervisord may be stopped."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path, self._seconds = path, timeout

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._seconds)
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
