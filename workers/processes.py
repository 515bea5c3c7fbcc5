"""The processes of a supervisord, through its unix socket."""

from __future__ import annotations

import os
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.states import STOPPED_STATES
from supervisor.xmlrpc import SupervisorTransport

if TYPE_CHECKING:
    from pathlib import Path


class Processes:
    """What runs under one supervisord. Nobody there is an answer too: no processes."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def pids(self) -> dict[str, int]:
        """By name: the pid of every process that runs."""
        return {each["name"]: each["pid"] for each in self._all() if each["pid"]}

    def kill(self, pid: int, number: int) -> bool:
        """Send a signal to one of these processes; False where it has ended meanwhile."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def stop(self, name: str) -> None:
        """Keep a process down until `start_all`; returns at once."""
        with suppress(Fault):
            self._call("stopProcess", name, False)

    def start_all(self) -> None:
        """Start what is stopped."""
        for each in self._all():
            if each["state"] in STOPPED_STATES:
                with suppress(Fault):
                    self._call("startProcess", f"{each['group']}:{each['name']}", False)

    def _all(self) -> list[dict[str, Any]]:
        found = self._call("getAllProcessInfo")
        return found if isinstance(found, list) else []

    def _call(self, method: str, *arguments: object) -> object:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        try:
            return getattr(ServerProxy("http://127.0.0.1", transport=transport).supervisor, method)(*arguments)
        except (OSError, HTTPException):
            return None
        finally:
            transport.close()
