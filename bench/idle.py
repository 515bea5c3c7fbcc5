"""What a fleet costs that has nothing to do, and what a worker and a command cost before they begin to work. On Linux.

Processor time above all: other work on the machine makes it a little longer, and the clock several times as long. On servers
of its own, which are removed again.

    python -m bench.idle [--quick] [--threads]
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import goals
from bench.chart import Bar, bars
from bench.figures import Spread
from bench.servers import ending_quietly
from bench.tables import Table, console, publish
from tests.support.embedded import EmbeddedStack
from tests.support.fleet import Fleet
from tests.support.user import BIN
from workers.fleet.supervisor import SupervisorClient
from workers.naming import is_worker
from workers.settings import Settings
from workers.state.heartbeat import State, read_beat
from workers.state.slot import Slot

PARTITIONS = 6
SETTLE_SECONDS = 20.0
"""Until imports, first connections, and the auditor's first pass are over."""
LOOK_SECONDS = 0.002
OTHERS = ("lag", "watchdog", "auditor", "supervisord")
IDLE = {
    "worker": "a worker",
    "lag": "`workers lag`, the page included",
    "watchdog": "the watchdog",
    "auditor": "the auditor",
    "supervisord": "supervisord",
    "four": "four workers, lag and watchdog",
    "all": "all of them",
}
STATES = {"first poll": State.JOINING, "assignment": State.READING}
"""States of a worker: the one in which it polls for the first time, and the one in which it has its partitions."""
STARTS = {
    "first poll": "a worker, until its first poll",
    "assignment": "a worker, until it has its partitions",
    "help": "`workers --help`",
    "status": "`workers status`, a fleet at work",
    "nobody": "`workers status`, nobody answers",
}
"""The names are those of docs/bench/idle.json."""
NOWHERE = {"WORKERS_BOOTSTRAP_SERVERS": "127.0.0.1:1", "WORKERS_MONGODB_URI": "mongodb://127.0.0.1:1"}


def main() -> None:
    parser = argparse.ArgumentParser(description="What a fleet costs that has nothing to do, and what a start costs.")
    parser.add_argument("--quick", action="store_true", help="some seconds, three starts, nothing written to docs/")
    parser.add_argument("--threads", action="store_true", help="also each thread of the fleet, with its wake-ups")
    options = parser.parse_args()
    seconds, starts = (15.0, 3) if options.quick else (120.0, 10)
    with EmbeddedStack() as stack, Fleet(stack) as fleet:
        fleet.kafka.create(PARTITIONS)
        fleet.wait_assigned(PARTITIONS)
        time.sleep(SETTLE_SECONDS)
        shares = idle(fleet, seconds, threads=options.threads)
        commands = {
            "help": command(fleet, starts, ["--help"], {}),
            "status": command(fleet, starts, ["status"], {}),
            "nobody": command(fleet, starts, ["status", "--tree", "/"], NOWHERE),
        }
        fleet.stop()
        found = [start(fleet) for _ in range(starts)]
    begun: dict[str, list[tuple[float, float]]] = {
        name: [each[state] for each in found] for name, state in STATES.items()
    }
    out = console()
    idles = Table(["idle", "of a core"], [[words, f"{shares[name]:.2%}"] for name, words in IDLE.items()])
    rows = [[words, *(_spread((begun | commands)[name], which) for which in (0, 1))] for name, words in STARTS.items()]
    started = Table(["from exec", "processor s", "by the clock, s"], rows)
    idles.show(out, f"\nIdle for {seconds:.0f} s")
    started.show(out, f"\n{starts} starts of each, medians (lowest to highest)")
    if not options.quick:
        text = f"{idles.markdown()}\n{started.markdown()}\n![Idle processes](bench/idle.svg)\n"
        publish("idle", text, {"seconds": seconds, "idle": shares, "starts": begun | commands}, picture(shares))
        goals.write()


def _spread(runs: list[tuple[float, float]], which: int) -> str:
    return Spread.of([each[which] for each in runs]).text()


def idle(fleet: Fleet, seconds: float, *, threads: bool) -> dict[str, float]:
    """By process of the fleet, and for what is aimed at: the share of a core that it takes."""
    pids = SupervisorClient(fleet.paths.supervisord_socket).pids() | {"supervisord": fleet.supervisord_pid()}
    before, looks = {name: spent(pid) for name, pid in pids.items()}, {name: tasks(pid) for name, pid in pids.items()}
    started = time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - started
    shares = {name: (spent(pid) - before[name]) / took for name, pid in pids.items()}
    if threads:
        for name, pid in sorted(pids.items()):
            for task, (busy, wakes) in tasks(pid).items():
                busy_before, wakes_before = looks[name].get(task, (0.0, 0))
                share, rate = (busy - busy_before) / took, (wakes - wakes_before) / took
                print(f"  {name:12} {share:6.2%} {rate:7.1f} wake-ups a second")
    workers = [share for name, share in shares.items() if is_worker(name)]
    return {
        "worker": sum(workers) / len(workers),
        **{name: shares[name] for name in OTHERS},
        "four": sum(workers) + shares["lag"] + shares["watchdog"],
        "all": sum(shares.values()),
    }


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
        while len(found) < len(STATES):
            if running.poll() is not None or time.perf_counter() - started > 60:
                raise RuntimeError("the worker does not come up")
            beat = read_beat(heartbeat)
            if beat and beat.pid == running.pid and beat.state in STATES.values() and beat.state not in found:
                found[beat.state] = spent(running.pid), time.perf_counter() - started
                # One that is past the first already is told for both.
                found.setdefault(State.JOINING, found[beat.state])
            time.sleep(LOOK_SECONDS)
    return found


def command(fleet: Fleet, times: int, arguments: list[str], settings: dict[str, str]) -> list[tuple[float, float]]:
    """Seconds of processor time, and by the clock, of each of so many runs."""
    found = []
    for _ in range(times):
        before, started = os.times(), time.perf_counter()
        subprocess.run(
            [str(BIN / "workers"), *arguments],
            env=fleet.environment | settings,
            cwd=fleet.tree,
            capture_output=True,
            check=False,
        )
        took, after = time.perf_counter() - started, os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        found.append((used, took))
    return found


def picture(shares: dict[str, float]) -> str:
    given = [
        Bar(
            words.replace("`", ""),
            shares[name],
            shares[name],
            shares[name],
            f"{shares[name]:.2%}",
            name in ("worker", "four"),
        )
        for name, words in IDLE.items()
    ]
    return bars("An idle fleet, shares of a core", given)


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
    """Seconds of processor time of a process, with its threads that have ended, to the nanosecond: see clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def tasks(pid: int) -> dict[int, tuple[float, int]]:
    """By thread that lives: its seconds of processor time, and how often it woke up."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            busy = int((task / "schedstat").read_text().split()[0]) / 1e9
            wakes = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.MULTILINE)
            found[int(task.name)] = (busy, int(wakes[1]) if wakes else 0)
    return found


if __name__ == "__main__":
    with ending_quietly():
        main()
