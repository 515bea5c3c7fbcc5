"""What a fleet costs that has nothing to do, and what a worker and a command cost before they begin to work.

Processor time only: another's work on the same machine makes it a little longer, where a clock would show twice as much.
On servers of its own, which are removed again.

    python -m bench.idle [--seconds 60] [--starts 5] [--threads]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from bench.figures import Spread
from bench.servers import ending_quietly
from tests.support.embedded import EmbeddedStack
from tests.support.fleet import Fleet
from tests.support.user import BIN
from workers.fleet.supervisor import SupervisorClient
from workers.settings import Settings
from workers.state.heartbeat import State, read_beat
from workers.state.slot import Slot

PARTITIONS = 6
SETTLE_SECONDS = 20.0
"""Until imports, first connections, and the auditor's first pass are over."""
LOOK_SECONDS = 0.002
WORKING = (State.JOINING, State.READING)
"""It is entered just before the first poll; and after the one that brought the first assignment."""
NOWHERE = {"WORKERS_BOOTSTRAP_SERVERS": "127.0.0.1:1", "WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1"}


def main() -> None:
    parser = argparse.ArgumentParser(description="What a fleet costs that has nothing to do, and a worker that starts.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the idle fleet is looked at")
    parser.add_argument("--starts", type=int, default=5, help="how often a worker, and each command, is started")
    parser.add_argument("--threads", action="store_true", help="also each thread of the fleet, with its wake-ups")
    options = parser.parse_args()
    with EmbeddedStack() as stack, Fleet(stack) as fleet:
        fleet.kafka.create(PARTITIONS)
        fleet.wait_assigned(PARTITIONS)
        time.sleep(SETTLE_SECONDS)
        shares = idle(fleet, options.seconds, threads=options.threads)
        for name, share in sorted(shares.items()):
            print(f"idle: {name:12} {share:6.2%} of a core", flush=True)
        workers = [share for name, share in shares.items() if name.startswith("worker")]
        four = sum(workers) + shares["lag"] + shares["watchdog"]
        print(f"idle: a worker {sum(workers) / len(workers):.2%}, with lag and watchdog {four:.2%}", flush=True)
        print(command_line("status, a healthy fleet", fleet, options.starts, ["status"], {}))
        print(command_line("status, nothing answers", fleet, options.starts, ["status"], NOWHERE))
        print(command_line("--help", fleet, options.starts, ["--help"], {}))
        fleet.stop()
        found = [start(fleet) for _ in range(options.starts)]
    for state in WORKING:
        spent, took = (Spread.of([each[state][index] for each in found]) for index in (0, 1))
        print(f"start: until {state}: {spent.text()} s of processor time, {took.text()} s by the clock")


def idle(fleet: Fleet, seconds: float, *, threads: bool) -> dict[str, float]:
    """By process of the fleet: the share of a core that it takes."""
    pids = SupervisorClient(fleet.paths.supervisord_socket).pids() | {"supervisord": fleet.supervisord_pid()}
    before, looks = {name: spent(pid) for name, pid in pids.items()}, {name: tasks(pid) for name, pid in pids.items()}
    started = time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - started
    if threads:
        for name, pid in sorted(pids.items()):
            for task, (label, busy, wakes) in tasks(pid).items():
                _, busy_before, wakes_before = looks[name].get(task, ("", 0.0, 0))
                share, rate = (busy - busy_before) / took, (wakes - wakes_before) / took
                print(f"  {name:12} {label:16} {share:6.2%} {rate:7.1f} wake-ups a second")
    return {name: (spent(pid) - before[name]) / took for name, pid in pids.items()}


def start(fleet: Fleet) -> dict[State, tuple[float, float]]:
    """By state of a worker that is started alone: seconds of processor time, and by the clock, from exec until it is entered."""
    settings = Settings(group=fleet.group)
    heartbeat = Slot(fleet.paths.state_dir, settings.group, settings.worker).heartbeat_file
    # Else the heartbeat of the fleet's worker would be read.
    heartbeat.unlink(missing_ok=True)
    environment = fleet.environment | {"WORKERS_STATE_DIR": str(fleet.paths.state_dir)}
    found: dict[State, tuple[float, float]] = {}
    with worker(environment, fleet.tree) as running:
        started = time.perf_counter()
        while len(found) < len(WORKING):
            if running.poll() is not None or time.perf_counter() - started > 60:
                raise RuntimeError("the worker does not come up")
            beat = read_beat(heartbeat)
            if beat and beat.pid == running.pid and beat.state in WORKING and beat.state not in found:
                found[beat.state] = spent(running.pid), time.perf_counter() - started
                # One that is past the first already is told for both.
                found.setdefault(State.JOINING, found[beat.state])
            time.sleep(LOOK_SECONDS)
    return found


def command_line(name: str, fleet: Fleet, times: int, arguments: list[str], settings: dict[str, str]) -> str:
    """What a command takes, as a line."""
    used, clock = [], []
    for _ in range(times):
        before, started = os.times(), time.perf_counter()
        subprocess.run(
            [str(BIN / "workers"), *arguments],
            env=fleet.environment | settings,
            cwd=fleet.tree,
            capture_output=True,
            check=False,
        )
        after = os.times()
        clock.append(time.perf_counter() - started)
        used.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return f"{name}: {Spread.of(used).text()} s of processor time, {Spread.of(clock).text()} s by the clock"


@contextmanager
def worker(environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """As supervisord starts it."""
    command = [str(BIN / "python"), "-m", "workers", "run"]
    running = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            running.wait(20)
        running.kill()
        running.wait()


def spent(pid: int) -> float:
    """Seconds of processor time, to the nanosecond: a tick of `psutil.cpu_times` is a hundredth of a second."""
    return sum(busy for _, busy, _ in tasks(pid).values()) or sum(psutil.Process(pid).cpu_times()[:2])


def tasks(pid: int) -> dict[int, tuple[str, float, int]]:
    """By thread: its name, its seconds of processor time, and how often it woke up. Threads that have ended are not in it."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            words = Counter[str]()
            for line in (task / "status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name.endswith("voluntary_ctxt_switches"):
                    words[name] = int(value)
            busy = int((task / "schedstat").read_text().split()[0]) / 1e9
            found[int(task.name)] = ((task / "comm").read_text().strip(), busy, words["voluntary_ctxt_switches"])
    return found


if __name__ == "__main__":
    with ending_quietly():
        main()
