"""The demo: the embedded stack, the fleet on it, a thousand numbers, and the proof that each is one document.

up      starts what does not run yet, sends the numbers, verifies them, and leaves everything running
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
from workers.cli import render
from workers.errors import WorkersError
from workers.kafka.admin import Admin
from workers.settings import PREFIX, load
from workers.settings.paths import StatePaths
from workers.types import TopicPartition
from workers.verification.backlog import wait_until_committed
from workers.verification.verify import verify

HERE = Path(__file__).absolute().parent
NUMBERS = 1000
STOP_SECONDS, WAIT_SECONDS = 90, 60
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
    except WorkersError as error:
        print(f"demo: {error}", file=sys.stderr)
        return ExitCode.UNAVAILABLE
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
    before = log_ends()
    step(f"{NUMBERS:,} numbers")
    command("produce", "--count", str(NUMBERS))
    step("the proof")
    if any(before.values()):
        verify_from(before)
    else:
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
    settings = load(Fleet().tree)
    for field in ("metrics_port", "lag_port", "watchdog_port", "auditor_port"):
        ports.require_free(getattr(settings, field), f"{PREFIX}{field.upper()}")
    child = fleet.start()
    while not fleet.answers():
        if child.poll() is not None:
            words = fleet.first_words.read_text(errors="replace").strip().splitlines()
            raise Failure(f"supervisord ended: {words[-1] if words else f'see {Fleet().log_dir}'}")
        time.sleep(0.05)
    pids = [f"{each.name} (pid {each.pid})" for each in fleet.programs() if each.pid]
    print(f"supervisord runs as pid {child.pid}: {', '.join(pids)}")


def command(*arguments: str) -> None:
    print(f"$ workers {' '.join(arguments)}", flush=True)
    code = subprocess.run([*WORKERS, *arguments], check=False).returncode
    if code != 0:
        raise Failure(
            f"`workers {arguments[0]}` ended with {code}; the logs are in var/log, `make stop` stops what runs",
            ExitCode.UNAVAILABLE,
        )


def log_ends() -> dict[TopicPartition, int]:
    """By partition: the end of the log. Empty: there is no topic yet."""
    with Admin(load(), 60.0) as admin:
        topic = admin.topic(load().topic)
        offsets = admin.partition_offsets(topic, load().group) if topic else {}
    return {partition: each.high_watermark for partition, each in offsets.items()}


def verify_from(before: dict[TopicPartition, int]) -> None:
    """What came after these offsets, and no history: that may be millions of records by now."""
    print("of the numbers just sent; of all that the topic holds: workers verify --wait 60", flush=True)
    settings, console = load(), render.console()
    wait_until_committed(settings, WAIT_SECONDS, print)
    report = verify(settings, from_offsets=before)
    render.verify_report(console, report)
    if not report.accounted or report.total("pending"):
        raise Failure("not every number is accounted for; the logs are in var/log", ExitCode.UNAVAILABLE)


def step(what: str) -> None:
    print(f"\n== {what}", flush=True)


def tell_what_next(settings: Settings) -> None:
    watch = ""
    if artifacts.has_prometheus(settings):
        watch = f"  curl -s 'http://{settings.address('prometheus')}/api/v1/query?query=kafka_consumergroup_lag'\n"
    usual = settings.kafka_port == 9092 and settings.mongodb_port == 27017
    page = f"http://127.0.0.1:{os.environ.get('WORKERS_LAG_PORT', '9790')}/"
    print(
        f"""{"" if usual else other_ports(settings)}
Now kill a worker: what becomes of its partitions and of their records is told as it happens
  {workers("kill")}

The fleet in a browser, and in a terminal:
  {page}
  {workers("status")} --watch

The logs, the metrics, and a drill in which everything is killed:
  tail -f {shown(Fleet().log_dir)}/worker_*.log
  curl -s http://127.0.0.1:{load(Fleet().tree).metrics_port}/metrics | grep ^workers_
{watch}  {workers("chaos")}

Stop everything:
  make{"" if users_folder() == Fleet().tree else f" -C {Fleet().tree}"} stop"""
    )


def users_folder() -> Path:
    """Where the user is: `make -C` changes the folder, and leaves PWD as it is."""
    return Path(os.environ.get("PWD", ".")).absolute()


def shown(path: Path) -> str:
    """A path as the user can type it where he is."""
    return str(path.relative_to(users_folder()) if path.is_relative_to(users_folder()) else path)


def workers(name: str) -> str:
    """A command of the fleet, as the user can type it."""
    tree = Fleet().tree
    elsewhere = "" if users_folder() == tree else f" --tree {shown(tree)}"
    return f"{shown(Path(sys.executable).parent / 'workers')} {name}{elsewhere}"


def other_ports(settings: Settings) -> str:
    return f"""
The ports are not the usual ones, so tell the commands first:
  export WORKERS_BOOTSTRAP_SERVERS={settings.bootstrap_servers}
  export WORKERS_MONGODB_URI=mongodb://127.0.0.1:{settings.mongodb_port}
"""


if __name__ == "__main__":
    sys.exit(main())
