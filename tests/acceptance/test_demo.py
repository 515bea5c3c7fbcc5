"""`make demo` in a fresh clone, on a PATH with nothing but what is needed, as a new user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.checkout import fresh_copy
from tests.support.embedded import REPOSITORY, wait_until
from tests.support.ports import free_ports, free_row

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

TOOLS = ("make", "git", "sh", "dirname", "head", "readlink", "tr", "sed", "expand", "test", "touch", "cat")
VERIFIED = "every record is accounted for"


class Clone:
    """A fresh clone with an environment that is installed already: this one."""

    def __init__(self, folder: Path) -> None:
        self.tree = fresh_copy(folder / "clone").resolve()
        environment = self.tree / ".venv"
        environment.mkdir()
        for name in ("bin", "lib", "pyvenv.cfg"):
            (environment / name).symlink_to(Path(sys.prefix) / name)
        for done in ("run", "stack"):
            (environment / done).touch()
        tools = folder / "tools"
        tools.mkdir()
        for tool in TOOLS:
            (tools / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        (tools / "python3").symlink_to(Path(sys._base_executable))
        kafka, controller, mongodb, proxied, prometheus = free_ports(5)
        self.metrics_port = free_row(4)
        self.environment = {
            "PATH": str(tools),
            "STACK_BUILD_DIR": str(REPOSITORY / "var/stack/build"),
            "STACK_KAFKA_PORT": str(kafka),
            "STACK_CONTROLLER_PORT": str(controller),
            "STACK_MONGODB_PORT": str(mongodb),
            "STACK_KAFKA_PROXIED_PORT": str(proxied),
            "STACK_PROMETHEUS_PORT": str(prometheus),
            "WORKERS_METRICS_PORT": str(self.metrics_port),
            "WORKERS_WATCHDOG_PORT": str(free_ports(1)[0]),
            "WORKERS_LAG_PORT": str(free_ports(1)[0]),
            "WORKERS_AUDITOR_PORT": str(free_ports(1)[0]),
        }
        self.workers = {
            "WORKERS_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka}",
            "WORKERS_MONGODB_URI": f"mongodb://127.0.0.1:{mongodb}",
        }
        # A demo runs on without whoever started it. When this process dies, the pipe ends, and the demo with it.
        self._guard = subprocess.Popen(
            ["sh", "-c", f"cat; make -C {self.tree} stop"],
            cwd="/",
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments],
            cwd=self.tree,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def verify(self) -> dict[str, int]:
        """What is stored, and what is not, over all partitions; the command must agree that all is well."""
        ran = subprocess.run(
            [".venv/bin/python", "-m", "workers", "verify", "--wait", "60", "--json"],
            cwd=self.tree,
            env=self.environment | self.workers,
            capture_output=True,
            text=True,
            check=True,
        )
        partitions = json.loads(ran.stdout)["partitions"]
        return {word: sum(each[word] for each in partitions) for word in ("stored", "pending", "missing")}

    def produce(self, *arguments: str) -> None:
        subprocess.run(
            [".venv/bin/python", "-m", "workers", "produce", *arguments],
            cwd=self.tree,
            env=self.environment | self.workers,
            capture_output=True,
            check=True,
        )

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != self._guard.pid and self._is_ours(process):
                    found.append(process)
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        return Path(process.cwd()).is_relative_to(self.tree) or str(self.tree) in " ".join(process.cmdline())

    def remove(self) -> None:
        self._guard.communicate()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Clone]:
    request.getfixturevalue("stack")  # It builds what the demo needs, or skips.
    made = Clone(tmp_path_factory.mktemp("demo"))
    try:
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize("setting", ["STACK_KAFKA_PORT", "WORKERS_METRICS_PORT"])
def test_a_port_in_use_is_told_in_one_line(clone: Clone, setting: str) -> None:
    port = int(clone.environment[setting])
    with socket.create_server(("127.0.0.1", port)):
        ran = clone.make("demo")
    told = [line for line in ran.stderr.splitlines() if not line.startswith("make: ")]
    assert (ran.returncode, len(told)) == (2, 1), ran
    assert told[0].startswith(f"demo: port {port} is in use by pid {os.getpid()} ")
    assert setting in told[0]
    clone.make("stop")
    assert clone.processes() == []


def test_the_demo_runs_again_and_again_survives_a_kill_and_stops_whole(clone: Clone) -> None:
    first = clone.make("demo")
    assert (first.returncode, VERIFIED in first.stdout) == (0, True), first
    assert clone.verify() == {"stored": 1000, "pending": 0, "missing": 0}

    second = clone.make("demo")
    assert (second.returncode, VERIFIED in second.stdout) == (0, True), second
    assert "the stack is already running" in second.stdout
    assert "the fleet is already running" in second.stdout

    advised = re.search(r"kill -9 (\d+)", second.stdout)
    assert advised, "it says whom to kill"
    victim = psutil.Process(int(advised[1]))
    assert victim in clone.processes()
    victim.send_signal(signal.SIGKILL)
    clone.produce("--start", "1000", "--count", "5000")
    assert clone.verify() == {"stored": 7000, "pending": 0, "missing": 0}
    events = clone.tree / "var/log/events.jsonl"
    wait_until(lambda: '"event": "evicted", "process": "worker_00"' in events.read_text(), 15, "its member is out")

    running = clone.processes()
    assert len(running) >= 8  # two of supervisord, four workers, two servers
    stopped = clone.make("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "the fleet is stopped\nthe stack is stopped\n"), stopped
    assert clone.processes() == []

    again = clone.make("demo")
    assert (again.returncode, VERIFIED in again.stdout) == (0, True), again
    assert clone.verify() == {"stored": 8000, "pending": 0, "missing": 0}
    assert clone.make("stop").returncode == 0
    assert clone.processes() == []
    assert clone.make("stop").stdout == "the fleet was not running\nthe stack was not running\n"
