"""The fleet that users get, for tests: a copy of deploy/ in a folder of its own, the real supervisord, the real workers.

    with Fleet(stack) as fleet:
        fleet.produce("--count", "1000")
        fleet.wait_committed()
        ... fleet.kill(2), fleet.metrics(2), fleet.documents(), fleet.verify() ...

It ends with the test run, however that ends, and leaves no process behind: see `start` and `stop`.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from embedded_stack.processes import tied
from tests.support import scrape
from tests.support.embedded import REPOSITORY, EmbeddedStack, wait_until
from tests.support.ports import free_row
from tests.support.user import BIN, Services, User
from workers.errors import UnavailableError
from workers.fleet.supervisor import SupervisorClient
from workers.naming import is_worker, worker_name
from workers.settings.paths import StatePaths
from workers.state.event_log import read_events

LAUNCHER_NEEDS = ("sh", "dirname", "head", "readlink", "tr")
STOP_SECONDS = 60.0
"""supervisord answers a stop when the process has ended, or was killed after its stopwaitsecs."""
SLOTS = 6
"""Ports kept free for each fleet, and three more for its watchdog, its lag and its auditor; the default fleet takes four."""


class Fleet(User):
    """`settings` are WORKERS_* variables over those chosen here; `tree` is where another fleet has its things."""

    def __init__(
        self,
        stack: EmbeddedStack | Services,
        settings: Mapping[str, str] | None = None,
        tree: Path | None = None,
    ) -> None:
        self._shares_tree = tree is not None
        self.tree = tree or Path(tempfile.mkdtemp(prefix="fleet-")).resolve()
        if tree is None:
            shutil.copytree(
                REPOSITORY / "deploy", self.tree / "deploy", ignore=shutil.ignore_patterns("*.conf", "__py*")
            )
            shutil.copy(REPOSITORY / "deploy/supervisord.conf", self.tree / "deploy")
            for folder in ("var/log", "var/run", "bin"):
                (self.tree / folder).mkdir(parents=True)
            for tool in LAUNCHER_NEEDS:
                (self.tree / "bin" / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        first = free_row(SLOTS + 3)
        own = {
            "WORKERS_METRICS_PORT": str(first),
            "WORKERS_WATCHDOG_PORT": str(first + SLOTS),
            "WORKERS_LAG_PORT": str(first + SLOTS + 1),
            "WORKERS_AUDITOR_PORT": str(first + SLOTS + 2),
            "PATH": str(self.tree / "bin"),
        }
        super().__init__(stack, self.tree, {**own, **(settings or {})})
        self.metrics_port = int(self.environment["WORKERS_METRICS_PORT"])
        self.watchdog_port = int(self.environment["WORKERS_WATCHDOG_PORT"])
        self.lag_port = int(self.environment["WORKERS_LAG_PORT"])
        self.auditor_port = int(self.environment["WORKERS_AUDITOR_PORT"])
        self._supervisord: subprocess.Popen[bytes] | None = None
        # Not in var/: supervisord ends if its own standard error is on a disk that is full.
        self.output = self.tree / "supervisord.out"
        self.paths = StatePaths(self.tree)
        self._client = SupervisorClient(self.paths.supervisord_socket, timeout=STOP_SECONDS)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    # Start and stop

    def start(self) -> None:
        """As a user does: from another folder, nothing activated, a PATH that has no python."""
        self.launch()
        wait_until(self.answers, 20, "supervisord answers")

    def launch(self) -> subprocess.Popen[bytes]:
        """Start supervisord, and have the kernel end it when this process dies."""
        conf = os.path.relpath(self.tree / "deploy/supervisord.conf", "/")
        with self.output.open("ab") as out:
            self._supervisord = subprocess.Popen(
                tied(str(BIN / "supervisord"), "-c", conf),
                cwd="/",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return self._supervisord

    def answers(self) -> bool:
        if self._supervisord is None or self._supervisord.poll() is not None:
            raise RuntimeError(f"supervisord ended: {self.said()[-1000:]}")
        try:
            return self._client.pid() == self._supervisord.pid
        except UnavailableError:
            return False

    def stop(self) -> None:
        """Everything that runs in this tree, whoever started it."""
        if self._supervisord is not None:
            self._supervisord.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisord.wait(60)
        left = [] if self._shares_tree else self.processes()
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=10)
        if self._supervisord is not None:
            self._supervisord.kill()
            self._supervisord.wait()
            self._supervisord = None

    def remove(self) -> None:
        try:
            self.stop()
        finally:
            self.close()
            if not self._shares_tree:
                shutil.rmtree(self.tree, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Every process that works in this tree: workers do, orphans too."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if Path(process.cwd()).is_relative_to(self.tree):
                    found.append(process)
        return found

    def local_d(self, name: str, text: str) -> None:
        (self.tree / "deploy/local.d" / f"{name}.conf").write_text(text)

    # Processes

    def supervisord_pid(self) -> int:
        assert self._supervisord is not None
        return self._supervisord.pid

    def info(self, slot: int) -> dict[str, Any]:
        return dict(self._client.call("getProcessInfo", f"worker:{worker_name(slot)}"))

    def pid(self, slot: int) -> int | None:
        return self.info(slot)["pid"] or None

    def slots(self) -> list[int]:
        return sorted(int(each.name[-2:]) for each in self._client.processes() if is_worker(each.name))

    def kill(self, slot: int, number: signal.Signals = signal.SIGKILL) -> int:
        """Returns the pid that got the signal."""
        wait_until(lambda: self.pid(slot), 10, f"worker {slot} runs")
        pid = self.pid(slot)
        assert pid is not None
        os.kill(pid, number)
        return pid

    def kill_supervisord(self) -> list[psutil.Process]:
        """Returns the processes that it leaves behind."""
        assert self._supervisord is not None
        orphans = psutil.Process(self._supervisord.pid).children()
        self._supervisord.kill()
        self._supervisord.wait()
        self._supervisord = None
        return orphans

    def supervisor(self, method: str, *arguments: object) -> Any:
        """Ask supervisord, in the words of its XML-RPC."""
        return self._client.call(method, *arguments)

    def wait_restarted(self, slot: int, old: int) -> None:
        wait_until(lambda: self.pid(slot) not in (None, old), 15, f"worker {slot} is restarted")

    # What it tells

    def page(self, slot: int, path: str) -> tuple[int, str]:
        """Status and text; 0 where nobody answers."""
        return scrape.page(self.metrics_port + slot, path)

    def metrics(self, slot: int) -> scrape.Series:
        """By name: labels and value of each series. Empty while the worker is down."""
        return scrape.metrics(self.metrics_port + slot)

    def total(self, name: str, slots: list[int] | None = None, **labels: str) -> float:
        """The sum of all series of this name with these labels, over the workers that are up."""
        slots = self.slots() if slots is None else slots
        return sum(scrape.total(self.metrics(slot), name, **labels) for slot in slots)

    def log(self, slot: int) -> str:
        path = self.tree / f"var/log/{worker_name(slot)}.log"
        return path.read_text() if path.exists() else ""

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted((self.tree / "var/log").glob("worker_*.log")))

    def events(self) -> list[dict[str, Any]]:
        """What the watchdog has kept, oldest first."""
        return read_events(self.paths.events_file, 100_000)

    def evicted(self) -> set[str]:
        """Dead members that were removed from the group, by the watchdog or by those who followed them."""
        by_workers = re.findall(r"member=(\S+) was_still_member=true", self.logs())
        return {each["member"] for each in self.events() if each["event"] == "evicted"} | set(by_workers)

    def redelivered(self) -> int:
        """Records that came again and were found stored, by the logs: counters do not survive a kill."""
        return sum(int(count) for count in re.findall(r"\bduplicates=(\d+)", self.logs()))

    def said(self) -> str:
        """By supervisord."""
        return self.output.read_text()

    # Conditions

    def wait_assigned(self, partitions: int, seconds: float = 90) -> None:
        """Until every worker is in the group and every partition has one owner: by their own word, and by the broker's.

        Patient: a fleet is seven processes to start, on a machine with other work half a minute and more.
        """
        seen: tuple[object, ...] = ()

        def assigned() -> bool:
            nonlocal seen
            members, slots = self.kafka.members(), self.slots()
            own = {slot: self.total("workers_assigned_partitions", [slot]) for slot in slots}
            seen = (members, own)
            owned = sorted(partition for owns in members.values() for partition in owns)
            return len(members) == len(slots) and sum(own.values()) == partitions and owned == list(range(partitions))

        try:
            wait_until(assigned, seconds, f"{partitions} partitions are owned")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the broker and the workers say {seen}; {self._moves()}") from None

    def wait_committed(self, seconds: float = 60) -> None:
        try:
            wait_until(lambda: self.kafka.committed() == self.kafka.ends(), seconds, "everything is committed")
        except TimeoutError as error:
            seen = self.kafka.committed(), self.kafka.ends(), self.kafka.members()
            raise TimeoutError(f"{error}; committed, ends and members are {seen}; {self._moves()}") from None

    def _moves(self) -> str:
        """The last rebalances and each worker's last words, for whoever has to explain a time-out."""
        moves = sorted(line for line in self.logs().splitlines() if "action=rebalance" in line)[-20:]
        words = [line for slot in self.slots() for line in self.log(slot).splitlines()[-5:]]
        return "\n".join([*moves, "last words:", *words])


def seeded() -> random.Random:
    """Printed, so that a failed run can be had again: TEST_SEED=n pytest ..."""
    seed = int(os.environ.get("TEST_SEED") or random.randrange(2**32))
    print(f"TEST_SEED={seed}")  # noqa: T201 pytest shows it with a failure
    return random.Random(seed)
