"""What the kernel says of processes, against processes that are in the state in question."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.support.embedded import wait_until
from workers.state import proc
from workers.state.proc import (
    ProcessStat,
    kernel_state,
    port_holder,
    process_started,
    process_stat,
    resident_mebibytes,
    uptime,
)

NOBODY = 2**22 + 1
"""More than the largest pid that Linux gives."""


@pytest.fixture
def child():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_process_is_known_by_its_start_and_its_state(child):
    started = process_started(child.pid)
    assert started is not None
    assert started >= process_started(os.getpid())
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: kernel_state(child.pid) == "T", 10, "it is stopped")
    child.kill()
    wait_until(lambda: kernel_state(child.pid) == "Z", 10, "it has ended, and nobody has asked how")
    assert process_stat(child.pid) == ProcessStat(started, "Z")
    child.wait()
    assert (process_stat(child.pid), process_started(child.pid), kernel_state(child.pid)) == (None, None, None)


def test_a_name_with_parentheses_is_no_obstacle(tmp_path):
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        wait_until(lambda: kernel_state(process.pid) == "S", 10, "it sleeps")
        assert process_started(process.pid) >= process_started(os.getpid())
        process.kill()


def test_without_a_proc_a_process_is_known_to_exist_and_no_more(child, monkeypatch):
    """As on macOS; the files are hidden from this reader alone."""
    monkeypatch.setattr(proc, "open", _no_such_file, raising=False)
    monkeypatch.setattr("os.path.isdir", lambda _path: False)

    assert process_stat(child.pid) == ProcessStat(0, None)
    assert process_stat(1) == ProcessStat(0, None), "somebody else's"
    assert process_stat(NOBODY) is None
    assert uptime(0) is None


def _no_such_file(*_, **__):
    raise FileNotFoundError


def test_the_uptime_is_that_of_the_process(child):
    begun = time.monotonic()
    wait_until(lambda: uptime(process_started(child.pid)) > 0.2, 10, "it has lived for a while")
    assert uptime(process_started(child.pid)) < time.monotonic() - begun + 5


def test_the_memory_is_that_of_this_process():
    before = resident_mebibytes()
    kept = bytearray(b"x") * (64 << 20)

    assert 60 <= resident_mebibytes() - before <= 80
    assert len(kept) == 64 << 20


def test_who_listens_on_a_port_is_named_and_who_is_only_connected_is_not():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert port_holder(port) is None, "it does not listen yet"
        server.listen()
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert port_holder(client.getsockname()[1]) is None
            assert port_holder(port).startswith(f"pid {os.getpid()} (")
            assert "python" in port_holder(port)
