"""Who may stop a worker, and how: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

WAITER = """
import os, sys, time
from workers.worker.signals import StopSignal
# No print: the signal may come within another one.
stop = StopSignal(lambda: os.write(1, b"begun\\n"))
stop.install_handlers()
print("ready", flush=True)
while not stop():
    stop.wait(60)
print(stop.reason, flush=True)
# Not one long sleep: a signal just before it would be handled only after it.
for _ in range(int(sys.argv[1]) * 20 if len(sys.argv) > 1 else 0):
    time.sleep(0.05)
"""
PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin={stdin})
os.read(0, 1)
"""


@contextmanager
def waiter(*arguments: str, stdin: int = subprocess.DEVNULL, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITER, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    assert process.stdout
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        if process.stdin:
            process.stdin.close()


def told(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    return [process.stdout.readline().strip() for _ in range(2)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_wait_at_once(number):
    with waiter() as process:
        process.send_signal(number)

        # Less than it would wait.
        assert process.wait(20) == 0
        assert told(process) == ["begun", number.name]


def test_the_second_signal_ends_the_process_now():
    with waiter("60") as process:
        process.send_signal(signal.SIGTERM)
        assert told(process) == ["begun", "SIGTERM"]
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 69


def test_the_end_of_supervisords_pipe_stops_it():
    with waiter(stdin=subprocess.PIPE, SUPERVISOR_ENABLED="1") as process:
        assert process.stdin
        process.stdin.write("what supervisorctl fg sends\n")
        process.stdin.close()
        process.stdin = None

        assert process.wait(20) == 0
        assert told(process) == ["begun", "supervisord ended"]


def test_hearing_twice_that_supervisord_ended_is_no_second_signal():
    with waiter("60", stdin=subprocess.PIPE, SUPERVISOR_ENABLED="1") as process:
        assert process.stdin
        process.stdin.close()
        process.stdin = None
        assert told(process) == ["begun", "supervisord ended"]
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 69


@pytest.mark.parametrize(
    ("stdin", "environment"), [(subprocess.DEVNULL, {"SUPERVISOR_ENABLED": "1"}), (subprocess.PIPE, {})]
)
def test_input_that_is_not_supervisords_may_end(stdin, environment):
    """A shell in a supervised terminal hands the variable on; and without supervisord a pipe is anybody's."""
    with waiter(stdin=stdin, **environment) as process:
        if process.stdin:
            process.stdin.close()
            process.stdin = None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)

        assert told(process) == ["begun", "SIGTERM"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells only on Linux")
@pytest.mark.parametrize("stdin", ["subprocess.DEVNULL", "subprocess.PIPE"])
def test_the_death_of_supervisord_stops_it_with_and_without_its_pipe(stdin):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(stdin=stdin), WAITER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SUPERVISOR_ENABLED": "1"},
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "ready\n"
        parent.kill()

        assert told(parent) == ["begun", "supervisord ended"]
        assert parent.stdout.read() == "", "the child has ended"
