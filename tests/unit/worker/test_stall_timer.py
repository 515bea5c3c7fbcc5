"""A process that stands still ends with 75 and its stacks in the log, and one that turns never does. Real processes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BEGIN = """
import ctypes, os, signal, sys, time
from workers.worker import stall_timer as stall
stall.RE_ARM_SECONDS = stall.DUMP_SECONDS = 0.1
HANG, LONGER = 60, 1
"""
LOCKED = "ctypes.PyDLL(None).sleep(HANG)"
"""A sleep that keeps the interpreter's lock, as a hang in a C extension does."""


def run(*lines: str) -> subprocess.CompletedProcess[str]:
    """It ends by itself; a minute is for a machine that has other things to do."""
    text = BEGIN + "\n".join(lines)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=50)


@pytest.mark.parametrize(
    "hang", [LOCKED, "time.sleep(HANG)", "signal.pthread_sigmask(0, range(1, 65)); time.sleep(HANG)"]
)
def test_a_hang_is_ended_with_its_stacks_in_the_log(hang):
    ended = run("def stuck():", f"    {hang}", "timer = stall.StallTimer(0.2)", "timer.iterated()", "stuck()")

    assert ended.returncode == 75
    assert "in stuck" in ended.stderr


def test_one_that_turns_is_left_alone_however_long_it_takes():
    ended = run(
        "timer = stall.StallTimer(2)",
        "until = time.monotonic() + 3",
        "while time.monotonic() < until:",
        "    timer.iterated()",
        "print('done', flush=True)",
        LOCKED,
    )

    assert (ended.returncode, ended.stdout) == (75, "done\n")


def test_what_may_take_longer_is_given_its_time():
    ended = run("timer = stall.StallTimer(0.2)", "timer.allow(20)", "time.sleep(LONGER)", "print('done', flush=True)")

    assert (ended.returncode, ended.stdout) == (0, "done\n")


def test_without_a_limit_only_the_end_of_a_stop_is_watched():
    ended = run(
        "timer = stall.StallTimer(0)",
        "timer.iterated()",
        "timer.allow(0.1)",
        "time.sleep(LONGER)",
        "print('done', flush=True)",
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n")

    ended = run("timer = stall.StallTimer(0)", "timer.finish_within(0.2)", LOCKED)
    assert ended.returncode == 75


def test_a_stop_ends_in_time_though_the_loop_turns():
    ended = run(
        "timer = stall.StallTimer(30)",
        "timer.iterated()",
        "timer.finish_within(0.5)",
        "while True:",
        "    timer.iterated()",
    )

    assert ended.returncode == 75


def test_where_the_kernel_has_no_such_timer_the_interpreters_own_ends_it():
    """macOS. It can only end with 1, which supervisord restarts as well."""
    ended = run("sys.platform = 'darwin'", "timer = stall.StallTimer(0.2)", "timer.iterated()", LOCKED)

    assert ended.returncode == 1
    assert "Timeout" in ended.stderr


def test_a_turn_costs_next_to_nothing():
    """Nothing is armed but once a second, whatever the machine is busy with."""
    from workers.worker.stall_timer import StallTimer

    timer = StallTimer(0, lambda: 100.0)
    armed = []
    timer._set = armed.append
    timer._limit = 60
    for _ in range(1000):
        timer.iterated()

    assert armed == [61.0]


def test_stacks_are_told_on_request_and_the_process_goes_on():
    ended = run(
        "import threading",
        "def reads_stdin():",
        "    time.sleep(HANG)",
        "threading.Thread(target=reads_stdin, daemon=True).start()",
        "stall.enable_stack_dumps()",
        "def asked():",
        "    os.kill(os.getpid(), signal.SIGUSR1)",
        "asked()",
        "print('goes on')",
    )

    assert (ended.returncode, ended.stdout) == (0, "goes on\n")
    assert "in asked" in ended.stderr
    assert "in reads_stdin" in ended.stderr


def test_a_fault_in_c_tells_its_stack():
    ended = run("stall.enable_stack_dumps()", "def faulty():", "    ctypes.string_at(0)", "faulty()")

    assert ended.returncode == -signal.SIGSEGV
    assert "in faulty" in ended.stderr


NO_THREAD = """
import resource, threading
from pathlib import Path
# More than the C library keeps of threads that have ended.
threading.stack_size(64 << 20)
# Not armed before: a thread that ends in time leaves its room to the next one.
timer = stall.StallTimer(LIMIT)
used = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (16 << 20), used + (16 << 20)))
"""
"""A memory limit as the worker's own, reached: threads cannot be started, objects still can be made."""


def test_a_timer_that_gets_no_thread_ends_no_loop_and_is_told_once():
    ended = run(
        "LIMIT = 30",
        NO_THREAD,
        "until = time.monotonic() + 1",
        "while time.monotonic() < until:",
        "    timer.iterated()",
        "print('goes on')",
    )

    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[-1] == "goes on"
    assert sum("a stall would end this worker without its stacks" in line for line in lines) == 1


def test_a_hang_is_ended_also_where_there_is_no_thread_to_end_it():
    ended = run("LIMIT = 0.3", NO_THREAD, "time.sleep(0.1)", "timer.iterated()", "time.sleep(HANG)")

    assert ended.returncode in (75, -signal.SIGALRM)


def test_with_a_thread_again_a_hang_is_ended_with_its_stacks():
    ended = run(
        "LIMIT = 0.5",
        NO_THREAD.replace("used + (16 << 20))", "-1)"),
        "time.sleep(0.1)",
        "timer.iterated()",
        "resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))",
        "time.sleep(0.1)",
        "timer.iterated()",
        "time.sleep(HANG)",
    )

    assert ended.returncode == 75
    assert "Timeout" in ended.stderr
