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
WORKING = (State.JOINING, State.READING)
"""It is entered just before the first poll; and after the one that brought the first assignment."""
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
            "`workers --help`": command(fleet, starts, ["--help"], {}),
            "`workers status`, a fleet at work": command(fleet, starts, ["status"], {}),
            "`workers status`, nobody answers": command(fleet, starts, ["status", "--tree", "/"], NOWHERE),
        }
        fleet.stop()
        found = [start(fleet) for _ in range(starts)]
    begun = {f"a worker, from exec until it is {state}": [each[state] for each in found] for state in WORKING}
    measured = {
        name: (Spread.of([each[0] for each in each_start]), Spread.of([each[1] for each in each_start]))
        for name, each_start in (begun | commands).items()
    }
    out = console()
    idles = Table(["idle", "of a core"], [[name, f"{share:.2%}"] for name, share in shares.items()])
    started = Table(
        ["from exec", "processor s", "by the clock, s"],
        [[name, *(each.text() for each in both)] for name, both in measured.items()],
    )
    idles.show(out, f"\nIdle for {seconds:.0f} s")
    started.show(out, f"\n{starts} starts of each, medians (lowest to highest)")
    if not options.quick:
        results = {"idle": shares, "seconds": seconds, **begun, **commands}
        text = f"{idles.markdown()}\n{started.markdown()}\n![Idle processes](bench/idle.svg)\n"
        publish("idle", text, results, picture(shares))


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
    others = {name: shares[name] for name in ("lag", "watchdog", "auditor", "supervisord")}
    return {
        "a worker": sum(workers) / len(workers),
        "`workers lag`, the page included": others["lag"],
        "the watchdog": others["watchdog"],
        "the auditor": others["auditor"],
        "supervisord": others["supervisord"],
        f"{len(workers)} workers, lag and watchdog": sum(workers) + others["lag"] + others["watchdog"],
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
        Bar(name.replace("`", ""), share, share, share, f"{share:.2%}", name == "all") for name, share in shares.items()
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
