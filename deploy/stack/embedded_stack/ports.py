"""Ports in use: by whom, and which setting moves the stack out of the way."""

from __future__ import annotations

import socket

import psutil

from embedded_stack.failure import ExitCode, Failure


def require_free(port: int, setting: str) -> None:
    if is_free(port):
        return
    process = holder(port)
    by = f"pid {process.pid} ({_name(process)})" if process else "a process of another user"
    raise Failure(
        f"port {port} is in use by {by}: stop it, or choose another port with {setting}",
        ExitCode.UNAVAILABLE,
    )


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections of the last run that linger are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def holder(port: int) -> psutil.Process | None:
    """The process that listens there, as far as this user may see it."""
    for process in psutil.process_iter():
        try:
            connections = process.net_connections("inet")
        except psutil.Error:
            continue
        if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
            return process
    return None


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return "already gone"
