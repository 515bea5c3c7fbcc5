"""A real Kafka and a real FerretDB for tests, in a folder and on ports of their own.

    with EmbeddedStack() as stack:
        ... stack.bootstrap_servers, stack.mongodb_uri, stack.kill("kafka") ...

It is the stack that users get: a copy of deploy/, the repository's built artifacts, the real
supervisord. It ends with the test run, however that ends: see `start`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self, TypeVar

import psutil
import pytest

from embedded_stack.processes import Record, tied
from embedded_stack.readiness import ANSWERS, kafka_brokers
from tests.support.ports import free_ports
from workers.fleet.supervisor import DOWN_STATES, SupervisorClient
from workers.settings.paths import StatePaths

REPOSITORY = Path(__file__).resolve().parents[2]
STACK = REPOSITORY / "deploy" / "stack"
PROGRAMS = ("kafka", "ferretdb")
STOP_SECONDS = 150.0
"""supervisord answers a stop when the program has ended, or was killed after its stopwaitsecs."""

T = TypeVar("T")


class StackUnavailableError(Exception):
    """It could not be built or started; the text is the reason."""


class EmbeddedStack:
    """`settings` are STACK_* variables, over the ports and folders chosen here."""

    programs: tuple[str, ...] = PROGRAMS

    def __init__(self, settings: Mapping[str, str] | None = None, path: str | None = None) -> None:
        self.tree = Path(tempfile.mkdtemp(prefix="stack-")).resolve()
        shutil.copytree(REPOSITORY / "deploy", self.tree / "deploy", ignore=shutil.ignore_patterns("local.d", "__py*"))
        for folder in ("run", "log"):
            (self.tree / "var/stack" / folder).mkdir(parents=True)
        ports = free_ports(5)
        self.kafka_port, self.controller_port, self.mongodb_port, self.kafka_proxied_port, self.prometheus_port = ports
        self.environment = clean_environment(
            {
                "STACK_BUILD_DIR": str(REPOSITORY / "var/stack/build"),
                "STACK_KAFKA_PORT": str(self.kafka_port),
                "STACK_CONTROLLER_PORT": str(self.controller_port),
                "STACK_MONGODB_PORT": str(self.mongodb_port),
                "STACK_KAFKA_PROXIED_PORT": str(self.kafka_proxied_port),
                "STACK_PROMETHEUS_PORT": str(self.prometheus_port),
                **(settings or {}),
            }
        )
        if path is not None:
            self.environment["PATH"] = path
        self._supervisord: subprocess.Popen[bytes] | None = None
        self._paths = StatePaths(self.tree)
        self._client = SupervisorClient(self._paths.stack_socket, timeout=STOP_SECONDS)

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def mongodb_uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.mongodb_port}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self) -> None:
        """As a user does by hand, from another folder. The kernel ends supervisord when this
        process dies, of SIGKILL too, and each server when supervisord dies."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start it in the main thread: it ends with the thread that starts it")
        if self._supervisord is not None:
            self._supervisord.wait(0)
        self.require_built()
        supervisord = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._in_stack("supervisord.conf"))]
        with self.log("out").open("ab") as out:
            self._supervisord = subprocess.Popen(
                tied(*supervisord),
                cwd="/",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def require_built(self) -> None:
        built = self.command("build", timeout=900)
        if built.returncode != 0:
            raise StackUnavailableError(built.stderr.strip())

    def wait_ready(self, programs: Iterable[str] | None = None, seconds: float = 60) -> None:
        """Until our own servers answer a client."""
        for program in self.programs if programs is None else programs:
            try:
                wait_until(lambda name=program: self._serves(name), seconds, f"{program} serves")
            except TimeoutError as error:
                log = self.log(program).read_text() if self.log(program).exists() else ""
                raise StackUnavailableError(f"{error}; its log ends: {log[-2000:]}") from None

    def stop(self) -> None:
        """Whoever started it, and whatever of it is left."""
        family = self._family()
        if self._supervisord is not None:
            self._supervisord.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisord.wait(60)
        self.command("down")
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=10)
        if self._supervisord is not None:
            self._supervisord.wait()
            self._supervisord = None

    def remove(self) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.tree, ignore_errors=True)

    def command(self, *arguments: str, timeout: float = 150) -> subprocess.CompletedProcess[str]:
        """`stack.py` of this stack."""
        return subprocess.run(
            [sys.executable, str(self._in_stack("stack.py")), *arguments],
            env=self.environment,
            cwd=self.tree,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def pid(self, program: str) -> int | None:
        """Of "kafka" or "ferretdb" (the server itself), or of "supervisord"."""
        if program == "supervisord":
            return self._client.pid()
        return self._client.process(program).pid

    def kill(self, program: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Returns the pid that got the signal."""
        pid = self.pid(program)
        if pid is None:
            raise RuntimeError(f"{program} does not run")
        os.kill(pid, number)
        return pid

    def stop_program(self, program: str) -> None:
        self._client.call("stopProcess", program)

    def start_program(self, program: str) -> None:
        self._client.start(program)
        self.wait_ready([program])

    def make_whole(self) -> None:
        """Have both servers answer: what was stopped is started, what was killed is waited for."""
        if self._supervisord is None or self._supervisord.poll() is not None:
            self.start()
        for program in self.programs:
            if self._client.process(program).state in DOWN_STATES:
                self.start_program(program)
        self.wait_ready()

    def brokers(self, port: int) -> list[tuple[str, int]]:
        """Where Kafka sends a client that came in on this port."""
        return kafka_brokers(f"127.0.0.1:{port}")

    def record(self, program: str) -> Record | None:
        return Record.read(self._paths.stack_record(program))

    def log(self, program: str) -> Path:
        return self.tree / f"var/stack/log/{program}.log"

    def _in_stack(self, name: str) -> Path:
        return self.tree / "deploy" / "stack" / name

    def _serves(self, program: str) -> bool:
        record = self.record(program)
        if self._supervisord is not None and self._supervisord.poll() is not None and not self._family():
            raise StackUnavailableError(f"supervisord ended: {self.log('out').read_text()[-2000:]}")
        return record is not None and record.process is not None and ANSWERS[program](record.address)

    def _family(self) -> list[psutil.Process]:
        """Supervisord, if it is a child of ours, with all below it, and the servers on record."""
        found: list[psutil.Process] = []
        if self._supervisord is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                top = psutil.Process(self._supervisord.pid)
                found += top.children(recursive=True)
        records = [self.record(program) for program in (*self.programs, "prometheus")]
        return found + [record.process for record in records if record and record.process]


def unavailable(reason: object) -> None:
    """A laptop without a network skips; where CI promises the servers, it is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"no embedded stack: {reason}")
    pytest.skip(f"no embedded stack: {reason}")


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The caller's own stack must not leak into a test's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STACK_")} | dict(settings)


def wait_until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Return what the condition returned when it was first true."""
    deadline = time.monotonic() + seconds
    while not (met := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        # The one pause of the tests: between two looks.
        time.sleep(0.02)
    return met
