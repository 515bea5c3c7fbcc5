"""The demo: the embedded stack, the fleet on it, a thousand numbers, and the proof that each is one document.

up      starts what does not run yet, sends the numbers, verifies, and leaves everything running
down    stops the fleet and the stack of this checkout, and nothing else
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from embedded_stack import artifacts, control, ports
from embedded_stack.failure import ExitCode, Failure
from embedded_stack.settings import Settings
from embedded_stack.supervision import Supervisord
from workers.naming import is_worker, worker_name
from workers.settings.paths import StatePaths

HERE = Path(__file__).absolute().parent
NUMBERS = 1000
STOP_SECONDS = 90
WORKERS = [sys.executable, "-m", "workers"]


@dataclass(frozen=True)
class Fleet:
    """Where the fleet's supervisord has its things, as deploy/supervisord.conf says."""

    tree: Path = HERE.parents[1]

    @property
    def conf(self) -> Path:
        return self.tree / "deploy/supervisord.conf"

    @property
    def socket(self) -> Path:
        return StatePaths(self.tree).supervisord_socket

    @property
    def pidfile(self) -> Path:
        return self.tree / "var/run/supervisord.pid"

    @property
    def log_dir(self) -> Path:
        return self.tree / "var/log"


def main() -> int:
    if sys.argv[1:] not in (["up"], ["down"]):
        print(__doc__, file=sys.stderr)
        return 64
    try:
        if sys.argv[1] == "up":
            return up(Settings.read())
        down(Settings.read())
    except Failure as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print("demo: interrupted; `make stop` stops what runs", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def up(settings: Settings) -> int:
    begun = time.monotonic()
    os.environ["WORKERS_BOOTSTRAP_SERVERS"] = settings.bootstrap_servers
    os.environ["WORKERS_MONGODB_URI"] = f"mongodb://127.0.0.1:{settings.mongodb_port}"
    step("the embedded stack")
    artifacts.build(settings, ["kafka", "ferretdb"])
    built = time.monotonic()
    control.up(settings)
    step("the fleet")
    if artifacts.has_prometheus(settings):
        subprocess.run([sys.executable, HERE.parent / "prometheus/targets.py"], check=False)
    start_fleet()
    step(f"{NUMBERS:,} numbers")
    command("produce", "--count", str(NUMBERS))
    step("the proof")
    command("verify", "--wait", "60")
    print(f"\ndone in {time.monotonic() - begun:.0f} s, {built - begun:.0f} of them for the build")
    tell_what_next(settings)
    return ExitCode.OK


def down(settings: Settings) -> None:
    fleet = Supervisord(Fleet())
    process = fleet.process()
    if process is not None:
        fleet.shut_down(process, STOP_SECONDS)
    print("the fleet is stopped" if process else "the fleet was not running")
    control.down(settings)


def start_fleet() -> None:
    fleet = Supervisord(Fleet())
    if fleet.answers():
        print("the fleet is already running")
        return
    ports.require_free(metrics_port(), "WORKERS_METRICS_PORT")
    child = fleet.start()
    while not fleet.answers():
        if child.poll() is not None:
            words = fleet.first_words.read_text(errors="replace").strip().splitlines()
            raise Failure(f"supervisord ended: {words[-1] if words else f'see {Fleet().log_dir}'}")
        time.sleep(0.05)
    pids = [f"{each.name} (pid {each.pid})" for each in fleet.programs() if each.pid]
    print(f"supervisord runs as pid {child.pid}: {', '.join(pids)}")


def metrics_port() -> int:
    """Where the first worker serves its metrics."""
    return int(os.environ.get("WORKERS_METRICS_PORT", "9800"))


def command(*arguments: str) -> None:
    print(f"$ workers {' '.join(arguments)}", flush=True)
    code = subprocess.run([*WORKERS, *arguments], check=False).returncode
    if code != 0:
        raise Failure(
            f"`workers {arguments[0]}` ended with {code}; the logs are in var/log, `make stop` stops what runs",
            ExitCode.UNAVAILABLE,
        )


def step(what: str) -> None:
    print(f"\n== {what}", flush=True)


def tell_what_next(settings: Settings) -> None:
    workers = sorted((each.name, each.pid or 0) for each in Supervisord(Fleet()).programs() if is_worker(each.name))
    victim = workers[0] if workers else (worker_name(0), 0)
    watch = ""
    if artifacts.has_prometheus(settings):
        watch = f"  curl -s 'http://{settings.address('prometheus')}/api/v1/query?query=kafka_consumergroup_lag'\n"
    other = "" if settings.kafka_port == 9092 and settings.mongodb_port == 27017 else other_ports(settings)
    print(
        f"""
Look:
  http://127.0.0.1:{os.environ.get("WORKERS_LAG_PORT", "9790")}/  the fleet in a browser
  .venv/bin/workers status --watch
  tail -f var/log/worker_*.log
  curl -s http://127.0.0.1:{metrics_port()}/metrics | grep ^workers_
{watch}{other}
Kill a worker while numbers flow, watch its partitions move, and check again:
  .venv/bin/workers produce --start 1000 --count 100000 & sleep 2; kill -9 {victim[1]}
  grep -h 'action=rebalance\\|action=evict' var/log/w*.log | tail
  .venv/bin/workers verify --wait 60

Stop everything:
  make stop"""
    )


def other_ports(settings: Settings) -> str:
    return f"""
The ports are not the usual ones, so tell the commands:
  export WORKERS_BOOTSTRAP_SERVERS={settings.bootstrap_servers}
  export WORKERS_MONGODB_URI=mongodb://127.0.0.1:{settings.mongodb_port}
"""


if __name__ == "__main__":
    sys.exit(main())
