"""`workers watchdog` as supervisord talks to it, with the test in supervisord's place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import scrape
from tests.support.embedded import wait_until
from tests.support.ports import free_ports
from tests.support.user import BIN
from workers.state.event_log import read_events

pytestmark = pytest.mark.acceptance

STRAY = """
import os, threading
def shout():
    while not os.path.exists("shout"):
        threading.Event().wait(0.05)
    print("stray from Python", flush=True)
    os.write(1, b"stray from C\\n")
    os.rename("shout", "shouted")
threading.Thread(target=shout, daemon=True).start()
"""


class Listener:
    """One `workers watchdog`, spoken to."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port, broker = free_ports(2)
        self.environment = {
            "PATH": os.defpath,
            "SUPERVISOR_SERVER_URL": f"unix://{folder}/nobody",
            "WORKERS_BOOTSTRAP_SERVERS": f"127.0.0.1:{broker}",
            "WORKERS_STATE_DIR": str(folder / "run"),
            "WORKERS_EVENTS_FILE": str(folder / "log/events.jsonl"),
            "WORKERS_WATCHDOG_PORT": str(self.port),
            **(settings or {}),
        }
        self.process: subprocess.Popen[str] | None = None
        self.serial = 0

    def start(self) -> None:
        with (self.folder / "err").open("a") as err:
            self.process = subprocess.Popen(
                [str(BIN / "workers"), "watchdog"],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                assert stream is not None
                stream.close()
            self.process = None

    def send(self, name: str, payload: str = "", serial: int | None = None) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.serial = self.serial + 1 if serial is None else serial
        header = f"ver:3.0 server:supervisor serial:{self.serial} pool:watchdog poolserial:{self.serial}"
        self.process.stdin.write(f"{header} eventname:{name} len:{len(payload)}\n{payload}")
        self.process.stdin.flush()

    def answers(self, text: str) -> bool:
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.read(len(text)) == text

    def tell(self, name: str, payload: str = "", serial: int | None = None) -> None:
        """Send one event, and have it acknowledged, with not a byte besides."""
        assert self.answers("READY\n")
        self.send(name, payload, serial)
        assert self.answers("RESULT 2\nOK")

    def state(self, process: str, state: str, **facts: int) -> None:
        words = {"processname": process, "groupname": "worker", "from_state": "STOPPED", **facts}
        self.tell(f"PROCESS_STATE_{state}", " ".join(f"{key}:{value}" for key, value in words.items()))

    def events(self) -> list[dict[str, Any]]:
        return read_events(self.folder / "log/events.jsonl", 1000)

    def ended(self) -> int:
        assert self.process is not None
        return self.process.wait(20)

    def said(self) -> str:
        return (self.folder / "err").read_text()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(tmp_path)
    yield listener
    listener.close()


def test_every_event_is_acknowledged_kept_and_counted_and_its_end_is_the_end_of_the_watchdog(
    listener: Listener,
) -> None:
    listener.start()
    listener.tell("SUPERVISOR_STATE_CHANGE_RUNNING")
    listener.state("worker_00", "STARTING", tries=0)
    listener.state("worker_00", "RUNNING", pid=7)
    listener.tell("TICK_5", "when:1795376956")
    listener.state("worker_00", "EXITED", expected=0, pid=7)
    listener.state("worker_00", "STARTING", tries=0)
    listener.state("worker_00", "BACKOFF", tries=1)
    listener.state("worker_01", "STOPPED", pid=9)
    listener.tell("PROCESS_STATE_NEVER_HEARD_OF", "processname:x groupname:x from_state:x")

    told = [(each["event"], each.get("process"), each.get("pid")) for each in listener.events()]
    assert told[0][0] == "fleet_started"
    assert told[1:] == [
        ("starting", "worker_00", None),
        ("running", "worker_00", 7),
        ("exited", "worker_00", 7),
        ("starting", "worker_00", None),
        ("backoff", "worker_00", None),
        ("stopped", "worker_01", 9),
    ]
    seen = scrape.metrics(listener.port)
    assert scrape.total(seen, "workers_process_starts_total", process="worker_00") == 2
    assert scrape.total(seen, "workers_process_exits_total", process="worker_00", expected="false") == 2
    assert scrape.total(seen, "workers_process_exits_total", process="worker_01", expected="true") == 1
    assert scrape.total(seen, "workers_process_state", process="worker_00", state="backoff") == 1
    assert scrape.total(seen, "workers_process_state", process="worker_00") == 1
    assert scrape.page(listener.port, "/healthz") == (200, "ok\n")

    assert listener.process is not None
    assert listener.process.stdin is not None
    listener.process.stdin.close()
    assert listener.ended() == 0


def test_an_event_that_was_written_and_not_acknowledged_is_not_written_again(listener: Listener) -> None:
    listener.start()
    listener.tell("SUPERVISOR_STATE_CHANGE_RUNNING")
    listener.state("worker_00", "STARTING")
    assert listener.answers("READY\n")
    listener.send("PROCESS_STATE_RUNNING", "processname:worker_00 groupname:worker from_state:STARTING pid:7")
    wait_until(lambda: len(listener.events()) == 3, 20, "it is written")
    listener.close()
    listener.start()
    listener.tell(
        "PROCESS_STATE_RUNNING", "processname:worker_00 groupname:worker from_state:STARTING pid:7", listener.serial
    )
    listener.state("worker_00", "EXITED", expected=0, pid=7)
    assert [each["event"] for each in listener.events()] == ["fleet_started", "starting", "running", "exited"]
    seen = scrape.metrics(listener.port)
    assert scrape.total(seen, "workers_process_starts_total", process="worker_00") == 1


def test_the_events_of_another_supervisord_are_not_its_own(listener: Listener) -> None:
    (listener.folder / "log").mkdir()
    (listener.folder / "log/events.jsonl").write_text(
        '{"event": "fleet_started", "fleet": "1-1", "serial": 1}\n'
        '{"event": "starting", "process": "worker_00", "fleet": "1-1", "serial": 900}\n'
    )
    listener.start()
    listener.tell("SUPERVISOR_STATE_CHANGE_RUNNING")
    listener.state("worker_00", "STARTING")
    assert [each["event"] for each in listener.events()] == ["fleet_started", "starting"] * 2
    assert scrape.total(scrape.metrics(listener.port), "workers_process_starts_total") == 1


def test_what_is_printed_reaches_the_log_and_never_supervisord(listener: Listener) -> None:
    (listener.folder / "sitecustomize.py").write_text(STRAY)
    listener.environment["PYTHONPATH"] = str(listener.folder)
    listener.start()
    listener.tell("SUPERVISOR_STATE_CHANGE_RUNNING")
    (listener.folder / "shout").touch()
    wait_until((listener.folder / "shouted").exists, 20, "it was printed")
    assert "stray from Python\nstray from C\n" in listener.said()
    listener.state("worker_00", "STARTING")
    listener.state("worker_00", "RUNNING", pid=7)


def test_a_port_that_is_taken_is_one_line_that_says_by_whom_and_all_else_goes_on(listener: Listener) -> None:
    with socket.create_server(("127.0.0.1", listener.port)):
        listener.start()
        listener.tell("SUPERVISOR_STATE_CHANGE_RUNNING")
        listener.state("worker_00", "STARTING")
        assert len(listener.events()) == 2
    (line,) = [line for line in listener.said().splitlines() if "level=warning" in line]
    assert "metrics are not served" in line
    assert f"127.0.0.1:{listener.port}: Address already in use by pid {os.getpid()} (" in line
    assert "Set WORKERS_WATCHDOG_PORT to another port" in line


def test_a_file_that_cannot_be_written_is_told_once_and_all_else_goes_on(listener: Listener) -> None:
    listener.environment["WORKERS_EVENTS_FILE"] = str(listener.folder / "err/events.jsonl")
    listener.start()
    listener.tell("SUPERVISOR_STATE_CHANGE_RUNNING")
    listener.state("worker_00", "STARTING")
    listener.state("worker_00", "RUNNING", pid=7)
    assert listener.said().count("events cannot be written") == 1
    assert scrape.total(scrape.metrics(listener.port), "workers_process_starts_total") == 1


def test_sigterm_ends_it_at_once(listener: Listener) -> None:
    listener.start()
    listener.tell("SUPERVISOR_STATE_CHANGE_RUNNING")
    assert listener.answers("READY\n")
    assert listener.process is not None
    listener.process.send_signal(signal.SIGTERM)
    assert listener.ended() == 0
    assert "Traceback" not in listener.said()


@pytest.mark.parametrize(
    ("variable", "value", "code", "words"),
    [
        ("SUPERVISOR_SERVER_URL", None, 64, "started by supervisord"),
        ("WORKERS_EVENTS_FILE", None, 78, "WORKERS_EVENTS_FILE is not set"),
        ("WORKERS_PROGRESS_TIMEOUT", "20", 78, "WORKERS_PROGRESS_TIMEOUT=20: must be longer than a write"),
    ],
)
def test_what_is_wrong_with_its_settings_is_said_with_its_exit_code(
    listener: Listener, variable: str, value: str | None, code: int, words: str
) -> None:
    listener.environment.pop(variable, None)
    if value is not None:
        listener.environment[variable] = value
    listener.start()
    assert listener.ended() == code
    (line,) = listener.said().splitlines()
    assert words in line
