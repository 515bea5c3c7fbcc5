"""The faults around processes, on a process of the test's own; and signals that only count."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from workers.drill.interrupt import Interrupts, LeftUnprovenError
from workers.drill.lock import only_drill
from workers.drill.outside import CONNECTIONS, FullDisk, IdleConnections
from workers.errors import BadUsageError, UnavailableError

WRITER = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "w") as file:
            file.write("x")
        print("written", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


def test_a_process_on_a_full_disk_cannot_write_files_and_can_again(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def write() -> str:
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        disk = FullDisk()
        assert write() == "written"
        assert disk.fill([process.pid]) == 1
        assert write() == "File too large"
        disk.free()
        assert write() == "written"
        process.stdin.close()
    assert disk.fill([process.pid]) == 0, "it has ended"


def test_idle_connections_are_opened_and_closed() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS) as server, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        idle = IdleConnections()
        assert idle.open([server.getsockname(), nobody.getsockname()]) == CONNECTIONS
        accepted, _ = server.accept()
        with accepted:
            idle.close()
            assert accepted.recv(1) == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_counts_and_a_second_one_leaves(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        assert not interrupts
        os.kill(os.getpid(), number)
        assert (bool(interrupts), interrupts.name) == (True, number.name)
        interrupts.leave_if_asked_again()
        os.kill(os.getpid(), number)
        with pytest.raises(LeftUnprovenError):
            interrupts.leave_if_asked_again()
    assert signal.getsignal(number) is before


def test_of_two_drills_the_second_is_told_who_is_there(tmp_path: Path) -> None:
    path = tmp_path / "chaos.lock"
    with (
        only_drill(path, tmp_path),
        pytest.raises(UnavailableError, match=str(os.getpid())),
        only_drill(path, tmp_path),
    ):
        pass
    with only_drill(path, tmp_path):
        pass
    with (
        pytest.raises(BadUsageError, match="`workers init` writes one"),
        only_drill(tmp_path / "nowhere/chaos.lock", tmp_path),
    ):
        pass
