"""Rounds of the watchdog over a real supervisord whose programs are no workers, with no Kafka to ask: what it does all
the same, and whom it must not touch."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.embedded import REPOSITORY, wait_until
from tests.support.ports import free_ports
from workers.errors import UnavailableError
from workers.fleet.supervisor import Process, RefusedError, SupervisorClient
from workers.fleet.watchdog import checks as rounds
from workers.fleet.watchdog.checks import Checks
from workers.kafka import group_client as group
from workers.settings import Settings
from workers.state.heartbeat import State, read_beat
from workers.state.proc import kernel_state

pytestmark = [
    pytest.mark.acceptance,
    # The Kafka client leaves a socket that was refused to the garbage collector.
    pytest.mark.filterwarnings("ignore:.*unclosed <socket:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

CONF = """
[unix_http_server]
file={folder}/sock
[supervisord]
nodaemon=true
pidfile={folder}/pid
logfile={folder}/log
minprocs=64
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:worker_00]
command={python} {folder}/pretender.py worker_00 0
[program:worker_01]
command={python} {folder}/pretender.py worker_01 1000
[program:worker_02]
command={python} -c "import signal; signal.pause()"
stopwaitsecs=300
[program:worker_03]
command=/bin/sh -c "test -e {folder}/healthy && exec sleep 1000"
startretries=0
[program:other]
command=/bin/sh -c "sleep 0.3; exit 1"
startretries=0
"""
PRETENDER = """
import sys, time
from pathlib import Path
from workers.state.heartbeat import Heartbeat, State
from workers.types import TopicPartition
name, late = sys.argv[1], float(sys.argv[2])
beat = Heartbeat.open(Path(__file__).parent / f"group-{name}.heartbeat", lambda: time.monotonic() - late)
beat.owns([TopicPartition("numtest", int(name[-1]))])
while True:
    # A turn of its loop: it beats until it is killed.
    time.sleep(0.1)
    beat.iterated()
"""
"""What it says is said late by so many seconds."""


class Watched:
    """A supervisord, and rounds that are made when the test wants one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = SupervisorClient(folder / "sock")
        self.told: list[dict[str, Any]] = []
        self.checks = self.checks_of(self.client)

    def checks_of(self, supervisord: SupervisorClient) -> Checks:
        (port,) = free_ports(1)
        settings = Settings(bootstrap_servers=f"127.0.0.1:{port}", group="group")
        return Checks(settings, self.folder, supervisord, self._tell, list)

    def _tell(self, event: str, process: str | None = None, **facts: Any) -> None:
        self.told.append({"event": str(event), "process": process, **facts})

    def process(self, name: str) -> Process:
        return self.client.process(name)

    def pid(self, name: str) -> int | None:
        return self.process(name).pid

    def speaks(self, name: str) -> bool:
        beat = read_beat(self.folder / f"group-{name}.heartbeat")
        return beat is not None and beat.state is State.READING

    def go(self, times: int) -> list[str]:
        """What is told of these rounds, but for who owns what."""
        before = len(self.told)
        for _ in range(times):
            self.checks.run_once()
        return [f"{each['event']} {each['process']}" for each in self.told[before:] if each["event"] != "rebalanced"]

    def wait_for(self, *states: str) -> None:
        names = ("worker_00", "worker_01", "worker_02", "worker_03", "other")
        wait_until(lambda: tuple(self.process(name).state for name in names) == states, 30, f"{states}")


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    (tmp_path / "conf").write_text(CONF.format(folder=tmp_path, python=sys.executable))
    (tmp_path / "pretender.py").write_text(PRETENDER)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(group, "WATCH_PATIENCE_SECONDS", 0.2)
    supervisord = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-c", tmp_path / "conf"], stdout=subprocess.DEVNULL
    )
    try:
        watched = Watched(tmp_path)
        wait_until(lambda: answers(watched.client), 20, "supervisord answers")
        watched.wait_for("RUNNING", "RUNNING", "RUNNING", "FATAL", "FATAL")
        wait_until(lambda: watched.speaks("worker_00") and watched.speaks("worker_01"), 20, "both speak")
        yield watched
    finally:
        # How it stops is not the subject, and takes seconds.
        left = psutil.Process(supervisord.pid).children()
        supervisord.kill()
        supervisord.wait()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        gc.collect()


def answers(client: SupervisorClient) -> bool:
    try:
        return client.pid() > 0
    except UnavailableError:
        return False


def stop(pid: int) -> None:
    """A process takes a signal when it is given time, and the next one may overtake this one until then."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: kernel_state(pid) == "T", 20, "it is stopped")


def kafka_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "kafka" in thread.name}


def test_who_hangs_is_killed_at_the_second_round_and_nobody_else(watched: Watched) -> None:
    pids = {name: watched.pid(name) for name in ("worker_00", "worker_01", "worker_02")}
    stop(pids["worker_02"])
    # Its beat is nobody's word: torn, and of a process that is not there.
    (watched.folder / "group-worker_02.heartbeat").write_bytes(b"\x00 torn")
    assert watched.go(1) == []
    assert watched.go(1) == ["stalled worker_01", "stalled worker_02"]
    assert [each["kind"] for each in watched.told if "kind" in each] == ["loop_stalled", "stopped"]
    for name in ("worker_01", "worker_02"):
        wait_until(lambda dead=name: watched.pid(dead) not in (None, pids[dead]), 20, f"{name} is started again")
    assert watched.pid("worker_00") == pids["worker_00"]


def test_the_word_of_another_process_and_one_from_the_future_count_for_nothing(watched: Watched) -> None:
    pids = {name: watched.pid(name) for name in ("worker_00", "worker_02")}
    late = watched.folder / "group-worker_01.heartbeat"
    (watched.folder / "group-worker_02.heartbeat").write_bytes(late.read_bytes())
    (watched.folder / "pretender.py").write_text(PRETENDER.replace("- late", "+ 1000"))
    watched.client.call("stopProcess", "worker_01")
    late.unlink()
    watched.client.start("worker_01")
    wait_until(lambda: watched.speaks("worker_01"), 20, "it speaks from the future")
    pids["worker_01"] = watched.pid("worker_01")

    assert watched.go(4) == []
    assert {name: watched.pid(name) for name in pids} == pids


def test_one_that_supervisord_is_stopping_is_supervisords_business(watched: Watched) -> None:
    pid = watched.pid("worker_02")
    watched.client.call("stopProcess", "worker_01")
    stop(pid)
    watched.client.stop("worker_02")
    assert watched.go(3) == []
    assert (watched.process("worker_02").state, watched.pid("worker_02")) == ("STOPPING", pid)
    os.kill(pid, signal.SIGCONT)
    watched.wait_for("RUNNING", "STOPPED", "STOPPED", "FATAL", "FATAL")


def test_a_worker_that_was_given_up_is_started_again_after_a_while(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    (watched.folder / "healthy").touch()
    watched.client.call("stopProcess", "worker_01")
    assert watched.go(2) == [], "it was given up just now"
    monkeypatch.setattr(rounds, "REVIVE_SECONDS", 0.0)
    assert watched.go(1) == ["revived worker_03"], "and not what is stopped on purpose, or no worker"
    watched.wait_for("RUNNING", "STOPPED", "RUNNING", "RUNNING", "FATAL")


def test_a_dead_member_waits_for_kafka_and_a_live_one_is_never_touched(watched: Watched) -> None:
    members = {name: watched.folder / f"group-{name}.member" for name in ("worker_00", "worker_03", "worker_77")}
    for name, file in members.items():
        file.write_text(f"{name}-member\n")
    before = kafka_threads()
    assert watched.go(2) == ["stalled worker_01"]
    assert all(file.exists() for file in members.values()), "Kafka has not said that it put them out"
    assert not (watched.folder / "group-worker_00.lock").exists(), "of a process that runs"
    assert kafka_threads() <= before, "one more for every try"


def test_a_supervisord_that_is_gone_is_no_error(watched: Watched) -> None:
    watched.checks = watched.checks_of(SupervisorClient(watched.folder / "nobody"))
    assert watched.go(3) == []


def test_supervisord_does_what_its_client_asks_or_says_why_not(watched: Watched) -> None:
    client = watched.client
    assert client.stop_seconds() == {"other": 10, "worker_02": 300} | dict.fromkeys(
        ("worker_00", "worker_01", "worker_03"), 10
    )
    before = watched.process("worker_00")
    assert (before.full_name, before.state) == ("worker_00:worker_00", "RUNNING")
    client.start("worker_00")
    assert watched.pid("worker_00") == before.pid, "it runs already"
    client.stop("worker_00")
    watched.wait_for("STOPPED", "RUNNING", "RUNNING", "FATAL", "FATAL")
    client.stop("worker_00")
    (watched.folder / "healthy").touch()
    assert client.start_down() == [f"{name}:{name}" for name in ("other", "worker_00", "worker_03")]
    watched.wait_for("RUNNING", "RUNNING", "RUNNING", "RUNNING", "FATAL")
    assert watched.pid("worker_00") != before.pid
    for refused in (client.start, client.stop, client.process):
        with pytest.raises(RefusedError, match=r"^refuses: BAD_NAME: nobody$"):
            refused("nobody")
